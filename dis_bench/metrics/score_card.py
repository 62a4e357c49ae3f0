"""A score card: all scores of a representation, beside what to compare them with."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dis_bench.metrics.anchors import Anchor, anchor_scores
from dis_bench.metrics.bootstrap import bootstrap as resample
from dis_bench.metrics.metric import Metric, find_owner
from dis_bench.metrics.representation import Representation
from dis_bench.metrics.scoring import Parameters, Wanted, find_metrics, score_representation
from dis_bench.neutral import neutral

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 100  # of the text, in characters
LONGEST_NAME = 40
MOST_LISTED = 20  # columns


class Card(NamedTuple):
    """The scores of a representation.

    Attributes:
        table: a row per score, with the columns ``score``; ``low``, ``high``, ``shift`` and ``skipped`` of
            :func:`dis_bench.metrics.bootstrap.bootstrap`, if requested; ``perfect`` and ``chance``, the
            scores of the factors themselves and of noise, unless declined; ``smallest`` and ``largest``, the
            possible range, and ``better``, which is ``higher`` or ``lower``: NaN and empty for a plain
            function, which declares neither; ``small``, whether there were fewer rows than the protocol
            needs; ``changed``, the parameters that differ from the defaults.
        text: the table for a terminal, at most 100 columns wide, with explanatory notes.
    """

    table: pd.DataFrame
    text: str


@neutral()
def make_card(
    representation: Representation,
    metrics: Wanted = None,
    parameters: Parameters = None,
    *,
    bootstrap: int = 0,
    anchors: bool = True,
) -> Card:
    """Score a representation, and show each score beside its anchors.

    Args:
        representation: the representation to score; its seed also seeds the draws of the metrics and the
            bootstrap.
        metrics: as in :func:`dis_bench.metrics.score`.
        parameters: as in :func:`dis_bench.metrics.score`.
        bootstrap: number of resamples for intervals over rows; 0 for no intervals.
        anchors: whether to score the factors themselves and noise too, which doubles the time. Without
            factors there are none.

    Raises:
        InputError: rows that cannot be scored, or an unknown metric or parameter.
        MetricFailed: a metric raised an unexpected exception, available as ``__cause__``.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(1_000, 2))
        >>> codes = factors + np.random.default_rng(1).standard_normal((1_000, 2))
        >>> table = Representation(codes, factors, allow_small=True)
        >>> card = make_card(table, ["mig", "sap_continuous"])
        >>> card.table[["score", "perfect", "chance"]].round(2)  # doctest: +NORMALIZE_WHITESPACE
                        score  perfect  chance
        name
        mig              0.28      1.0    0.01
        sap_continuous   0.56      1.0    0.00
        >>> print(card.text.splitlines()[0])
        1,000 rows; codes: 2; factors: 2, of 4, 4 values.
    """
    import pandas as pd

    found = find_metrics(metrics, representation.list_given(), representation.has_factors)
    chosen = list(found.values())
    scores = score_representation(representation, chosen, parameters).values
    table = pd.DataFrame({"score": scores}, dtype=float)
    if bootstrap:
        seed = representation.seed or 0
        intervals = resample(representation, chosen, resamples=bootstrap, seed=seed, parameters=parameters)
        table = table.join(intervals[["low", "high", "shift", "skipped"]])
    failures: dict[str, str] = {}
    if anchors and representation.has_factors:
        found_anchors = anchor_scores(representation, chosen, parameters, failures)
        for side in Anchor._fields:
            table[side] = [getattr(found_anchors.get(name), side, np.nan) for name in scores]
    of_score = [found[find_owner(name, found) or name] for name in scores]
    ends = [(np.nan, np.nan) if metric.is_plain else metric.range for metric in of_score]
    table["smallest"], table["largest"] = (np.array(side, float) for side in zip(*ends, strict=True))
    table["better"] = [_name_direction(metric) for metric in of_score]
    table["small"] = [name in representation.small for name in scores]
    table["changed"] = [_list_changed(metric, (parameters or {}).get(metric.name, {})) for metric in of_score]
    table.index.name = "name"
    changed = dict(zip((metric.name for metric in of_score), table["changed"], strict=True))
    head = [_describe(representation), *_write_changed(changed)]
    notes = [*_write_notes(table, failures, of_score), *_write_dropped(representation)]
    text = "\n".join([*head, "", *_write_rows(table), "", *notes])
    return Card(table, text)


def _name_direction(metric: Metric) -> str:
    """Name the better direction of a metric's scores; nothing if it declares none."""
    if metric.is_plain:
        return ""
    return "higher" if metric.higher_is_better else "lower"


def _list_changed(metric: Metric, given: Mapping[str, Any]) -> str:
    """List the parameters that differ from their defaults, such as ``bins=40``."""
    plain = {name: np.asarray(value).tolist() for name, value in metric.resolve(given).items()}
    defaults = {name: np.asarray(value).tolist() for name, value in metric.parameters.items()}
    return ", ".join(f"{name}={value}" for name, value in plain.items() if value != defaults[name])


def _write_changed(changed: Mapping[str, str]) -> list[str]:
    """Write a paragraph on the metrics whose parameters differ from the defaults."""
    named = [f"{name} {parameters}" for name, parameters in changed.items() if parameters]
    return textwrap.wrap(f"Different from the defaults: {'; '.join(named)}.", WIDTH) if named else []


def _describe(representation: Representation) -> str:
    """Write a paragraph on the table: its size, and its constant columns."""
    rows, width = representation.codes.shape
    sizes = ", ".join(map(str, representation.factor_sizes))
    factors = f"factors: {len(representation.factor_sizes)}, of {sizes} values" if sizes else "no factors"
    parts = [f"{rows:,} rows; codes: {width}; {factors}."]
    if representation.dropped_factors:
        parts.append(
            f"Left out for having a single value: {_list('factor', representation.dropped_factors)}."
        )
    dead = np.flatnonzero(np.ptp(representation.codes, axis=0) == 0)
    if len(dead):
        parts.append(f"Constant: {_list('code', dead.tolist())}.")
    return textwrap.fill(" ".join(parts), WIDTH)


def _list(what: str, numbers: Sequence[int]) -> str:
    more = len(numbers) - MOST_LISTED
    rest = f" and {more:,} more" if more > 0 else ""
    return f"{what}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:MOST_LISTED]))}{rest}"


def _write_rows(table: pd.DataFrame) -> list[str]:
    names = [_shorten(name) + ("*" if small else "") for name, small in table["small"].items()]
    width = max(map(len, names), default=0)
    intervals, anchors = "low" in table, "perfect" in table
    between = f"{'95% of rows':>19}" if intervals else ""
    beside = f"{'perfect':>10}{'chance':>9}" if anchors else ""
    lines = [f"{'':{width}}   {'score':>8}{between}{beside}  range"]
    for name, (_, row) in zip(names, table.iterrows(), strict=True):
        arrow = {"higher": "↑", "lower": "↓"}.get(row["better"], " ")
        between = f"{_number(row['low']) + ' .. ' + _number(row['high']):>19}" if intervals else ""
        beside = f"{_number(row['perfect']):>10}{_number(row['chance']):>9}" if anchors else ""
        reach = "" if np.isnan(row["smallest"]) else _write_range(row["smallest"], row["largest"])
        line = f"{name:{width}} {arrow} {_number(row['score']):>8}{between}{beside}  {reach}"
        lines.append(line.rstrip())
    return lines


def _write_range(smallest: float, largest: float) -> str:
    return f"{smallest:g} " + ("up" if np.isinf(largest) else f"to {largest:g}")


def _write_notes(table: pd.DataFrame, failures: Mapping[str, str], of_score: Sequence[Metric]) -> list[str]:
    """Write the notes below the table.

    Args:
        table: as in :class:`Card`.
        failures: the reason for each metric that has no anchors.
        of_score: the metric of each score.
    """
    anchors = " perfect: the factors themselves as codes; chance: noise." if "perfect" in table else ""
    notes = ["↑ higher is better, ↓ lower is better." + anchors]
    if "low" in table:
        notes.append("95% of rows: an interval over rows; it says nothing about training with another seed.")
        biased = table.index[table["shift"].abs() > (table["high"] - table["low"]) / 2]
        if len(biased):
            notes.append(
                "Resampling shifts these by more than half of their interval, which was shifted back; see "
                f"docs/metrics.md: {', '.join(biased)}."
            )
        skipped = table["skipped"][table["skipped"] > 0]
        if len(skipped):
            counts = ", ".join(f"{name} {count}" for name, count in skipped.items())
            notes.append(f"Resamples skipped because they could not be scored: {counts}.")
    if table["small"].any():
        notes.append("* from fewer rows than the protocol needs: compare only with as many rows.")
    if anchors and table["perfect"].isna().any():
        reasons = " ".join(f"{reason.rstrip('.')}." for reason in failures.values())
        notes.append(f"-: the metric cannot score the factors or noise. {reasons}".rstrip())
    falling = [metric for metric in of_score if _name_direction(metric) == "lower"]
    if falling and not any(metric.reads_factors for metric in falling):
        notes.append("Scores marked ↓ look only at the codes: noise does as well as the factors themselves.")
    return [line for note in notes for line in textwrap.wrap(note, WIDTH)]


def _write_dropped(representation: Representation) -> list[str]:
    """Write a paragraph on each metric that leaves out most codes."""
    width = representation.codes.shape[1]
    return [
        line
        for name, count in representation.list_mostly_dropped().items()
        for line in textwrap.wrap(f"{name} leaves out {count} of {width} codes, which hardly vary.", WIDTH)
    ]


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 1_000 else f"{value:.1e}"


def _shorten(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."
