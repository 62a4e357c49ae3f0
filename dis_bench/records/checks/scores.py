"""Check scores, their protocols, and the names under which tables show them."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.records.checks.values import (
    LARGEST,
    check_number,
    check_plain,
    check_table,
    check_text,
    check_texts,
    shown,
)
from dis_bench.records.columns import find_metric, is_taken, split_images
from dis_bench.records.schema import Damaged

ROUNDING = 1e-6  # tolerance by which a score may exceed its metric's range


def check_scored(scored: dict[str, Any], cell: dict[str, Any]) -> None:
    """Check that a table can show scores, protocols and reasons for missing scores."""
    check_protocol(scored["protocol"])
    check_scores(scored["scores"], scored["protocol"], cell["hyperparameters"])
    check_texts("unscored", scored["unscored"])
    if not isinstance(scored.get("small", []), list):
        raise Damaged(f"its small is {shown(scored['small'])}, not a list")
    for name in scored.get("small", []):
        check_text("small", name)


def check_protocol(protocol: Any) -> None:
    """Check that a table can show the protocols of metrics.

    Raises:
        Damaged: the first fault found.
    """
    check_table("protocol", protocol)
    for metric, parameters in protocol.items():
        check_column("metric", metric)
        check_table(f"protocol of {metric}", parameters)
        if not isinstance(parameters.get("version", 1), (int, str)):
            raise Damaged(f"its version of {metric} is {shown(parameters['version'])}, not a number or text")
        check_plain(f"protocol of {metric}", parameters)


def check_scores(scores: Any, protocol: Mapping[str, Mapping[str, Any]], taken: Collection[str] = ()) -> None:
    """Check that scores have names of columns and are within their metric's range.

    The range is known for installed metrics only: a name in data is never imported.

    Args:
        scores: scores by column.
        protocol: protocol of each metric that gave one.
        taken: names of other columns, such as the cell's hyperparameters.

    Raises:
        Damaged: the first fault found.
    """
    check_table("scores", scores)
    for name, value in scores.items():
        check_column("score", name, taken)
        metric = find_metric(name, protocol)
        if metric is None:
            raise Damaged(f"score '{name}' belongs to no metric in the protocol")
        check_number(f"score '{name}'", value)
        low, high = _declared_range(metric, protocol[metric].get("version"))
        if not low - ROUNDING <= value <= high + ROUNDING:
            raise Damaged(f"score '{name}' is {value!r}, outside the range {low:g} to {high:g} of {metric}")


def check_returned(metric: str, scores: Iterable[str]) -> None:
    """Check the names of scores, which only the metric's run can tell.

    Args:
        metric: name of the metric.
        scores: the columns that it would fill.

    Raises:
        InputError: one of them can be no column, or is named like a score on other images.
    """
    for column in scores:
        if split_images(column)[1]:
            raise InputError(
                f"metric '{metric}' returned a score called '{column}', as scores on other images are; "
                "rename its key."
            )
        try:
            check_column("score", column)
        except Damaged as error:
            raise InputError(f"metric '{metric}' returned a score that no table can show: {error}.") from None


def check_column(kind: str, name: Any, taken: Collection[str] = ()) -> None:
    """Check that a name can be a column of a table, and hides no other one.

    Args:
        kind: ``score``, ``metric`` or ``hyperparameter``, for the message.
        name: the name to check.
        taken: names of other columns, in addition to those that every table has.

    Raises:
        Damaged: it is empty, too long, a path, unprintable, taken, or not a score but marked as one on other
            images.
    """
    if not isinstance(name, str) or not _is_plain_name(name):
        raise Damaged(f"{kind} {shown(name)} has a name that can head no column")
    if name in taken or is_taken(name):
        raise Damaged(f"{kind} '{name}' has the name of another column")
    if kind != "score" and split_images(name)[1]:
        raise Damaged(f"{kind} '{name}' has a name as scores on other images have")


@functools.lru_cache(maxsize=10_000)
def _is_plain_name(name: str) -> bool:
    return 0 < len(name) <= 200 and name.isprintable() and not re.search(r"[:/\\]", name)


@functools.lru_cache(maxsize=1000)
def _declared_range(metric: str, version: Any) -> tuple[float, float]:
    """Return the range that the installed metric of this name and version declares."""
    from dis_bench.metrics.metric import Metric

    plugin = registry.known("metrics").get(metric)
    try:
        loaded = plugin.load() if plugin else None
    except InputError:
        loaded = None
    if isinstance(loaded, Metric) and loaded.version == version:
        low, high = map(float, loaded.range)
        return low, high
    return -LARGEST, LARGEST
