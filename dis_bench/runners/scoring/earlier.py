"""Scores of a cell that was trained again because its codes were not kept."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from dis_bench.records.schema import Record

# The parts of a record that scoring fills, beside those that also say other things.
_SCORED = ("scores", "protocol", "small", "per_factor", "left_out", "scores_at")


def keep_earlier_scores(record: Record, earlier: Record | None) -> Record:
    """Return an unscored record with the scores that its cell had before.

    Training repeats exactly on a CPU, so scores that this study did not ask for still hold. On a GPU it may
    not: then a warning says that they are left behind, in ``superseded/``.

    Args:
        record: of the new training.
        earlier: of the earlier one; None keeps nothing.
    """
    if earlier is None or not earlier["scores"]:
        return record
    if earlier["evaluation"] != record["evaluation"]:
        warnings.warn(
            f"the cell of '{earlier['folder']}' was trained again, and not to the same numbers: its earlier "
            f"scores ({', '.join(earlier['protocol'])}) are in superseded/ now.",
            stacklevel=2,
        )
        return record
    kept: dict[str, Any] = {name: copy.deepcopy(earlier[name]) for name in _SCORED if name in earlier}
    unscored = {**earlier["unscored"], **record["unscored"]}
    for name in ("declared", "sources"):
        tables = {**earlier.get(name, {}), **record.get(name, {})}
        metrics = {**earlier.get(name, {}).get("metrics", {}), **record.get(name, {}).get("metrics", {})}
        if tables:
            kept[name] = {**tables, **({"metrics": metrics} if metrics else {})}
    return {**record, **kept, "unscored": unscored}
