"""The metrics that a record lacks, by the protocols of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dis_bench.records.schema import Record


def lacking_metrics(record: Record, protocol: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """List the metrics whose scores, at the end or at a step, a record lacks.

    Args:
        record: record of a cell.
        protocol: protocol of each wanted metric, from :func:`dis_bench.metrics.protocol`.
    """
    scored = [record, *record.get("scores_at", {}).values()]
    lacking = {name for one in scored for name in lacking_scores(one, protocol)}
    return [name for name in protocol if name in lacking]


def lacking_scores(scored: Mapping[str, Any], protocol: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """List the metrics without scores by a protocol, at one step or at the end."""
    return [name for name, used in protocol.items() if scored["protocol"].get(name) != used]
