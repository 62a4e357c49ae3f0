"""Selection of series and configurations for a report that cannot show them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dis_bench.reports.ordering import find_best
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

# A page has figures for at most this many settings.
MOST_SETTINGS = 8


def choose_settings(settings: Sequence[Setting]) -> set[int]:
    """Choose the numbers of the settings with most finished cells, to get figures."""
    by_size = sorted(range(len(settings)), key=lambda number: -len(settings[number].done))
    return set(by_size[:MOST_SETTINGS])


def rank_series(series: Sequence[pd.DataFrame], lead: Quantity | None) -> list[int]:
    """Rank series by their best mean of the leading score, each model's best first.

    Args:
        series: the rows of each, from :func:`dis_bench.reports.tables.summarise`.
        lead: the leading score; if None, only the first series of each model moves to the front.

    Returns:
        The numbers of the series, best first.
    """
    ranked = sorted(range(len(series)), key=lambda number: (-_best_mean(series[number], lead), number))
    first = {series[number]["model_name"].iloc[0]: number for number in reversed(ranked)}
    return sorted(ranked, key=lambda number: number not in first.values())


def _best_mean(rows: pd.DataFrame, lead: Quantity | None) -> float:
    """Return the best mean of a score, negated if lower is better; -inf if absent."""
    means = rows[f"{lead.name}_mean"].dropna() if lead else None
    if lead is None or means is None or means.empty:
        return -math.inf
    return float(-means.min() if lead.better == "lower" else means.max())


def choose_configurations(table: pd.DataFrame, lead: Quantity | None, most: int) -> list[str]:
    """Choose the configurations whose pictures and curves are shown.

    Args:
        table: from :func:`dis_bench.reports.tables.summarise`.
        lead: the leading score; without one, the choice is spread evenly over the table.
        most: the largest number to choose.

    Returns:
        The labels of all finished configurations if they are not too many. Otherwise the best of each model,
        the ends of its series, and some of the rest, evenly spread. They are in the order of the table.
    """
    finished = table[table["n"] > 0]
    if len(finished) <= most:
        return finished["label"].tolist()
    if lead is None or not lead.better:
        return finished["label"].iloc[sorted(_spread(len(finished), most))].tolist()
    series = [rows for _, rows in finished.groupby("series", sort=False)]
    models = finished["model_name"].nunique()
    leaders = [series[number] for number in rank_series(series, lead)[:models]]
    best = [row for rows in leaders if (row := find_best(rows, lead)[0]) is not None]
    ends = [end for rows in leaders for end in (rows.index[0], rows.index[-1])]
    chosen = list(dict.fromkeys([*best, *ends]))[:most]
    rest = [row for row in finished.index if row not in chosen]
    chosen += [rest[place] for place in _spread(len(rest), most - len(chosen))]
    return finished.loc[sorted(chosen), "label"].tolist()


def _spread(count: int, most: int) -> list[int]:
    """Spread at most ``most`` places evenly over ``count``, away from the ends."""
    return (
        [(2 * number + 1) * count // (2 * most) for number in range(most)]
        if count > most
        else [*range(count)]
    )


def describe_choice(shown: int, table: pd.DataFrame, lead: Quantity | None) -> str:
    """Return a sentence on which configurations are shown and why; empty if all are."""
    count = int((table["n"] > 0).sum())
    if shown >= count:
        return ""
    if lead is None or not lead.better:
        rule = "spread evenly over the table"
    else:
        rule = (
            f"the best of each model by mean {lead.label}, the first and last of its series, and some spread "
            "evenly over the rest"
        )
    return f"{shown} of {count} configurations: {rule}. The others are in the table only."
