"""The rule by which one configuration may be called better than another.

An ordering is claimed only if both configurations ran with at least three seeds and their means differ by
more than the combined spread, sqrt(s1² + s2²), of the standard deviations over seeds. This is a rule of thumb
against reading noise, not a significance test; :func:`chance` returns how often it passes when there is no
difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.reports.quantities import Quantity

MIN_SEEDS = 3

RULE = (
    "An ordering is claimed only when both sides ran with at least three seeds and their means differ by "
    "more than the combined spread √(s₁² + s₂²), where s is the standard deviation over seeds; that spread "
    "follows the ± of each change. It is a rule of thumb, not a significance test."
)


@dataclass(frozen=True)
class Sample:
    """A quantity over seeds: its mean, standard deviation (ddof 1) and count."""

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, row: pd.Series, quantity: Quantity) -> Sample:
        """Read it from a row of :func:`dis_bench.reports.tables.summarise`."""
        name = quantity.name
        return cls(float(row[f"{name}_mean"]), float(row[f"{name}_std"]), int(row[f"{name}_n"]))


@dataclass(frozen=True)
class Change:
    """The change from one configuration to another.

    Attributes:
        difference: of the means, second minus first.
        spread: the combined spread; NaN if a side has only one seed.
        claimed: True if the rule allows an ordering.
    """

    difference: float
    spread: float
    claimed: bool


_ROUNDING = 1e-9  # share of the means: equal values over different counts differ in their last digits


def _is_separated(first: Any, second: Any, spread: Any) -> Any:
    """Return whether means differ by more than a spread, and by more than rounding.

    Each argument is a number or a column of them; the result is likewise.
    """
    rounding = _ROUNDING * np.maximum(np.abs(first), np.abs(second))
    return np.abs(second - first) > np.maximum(spread, rounding)


def compare(first: Sample, second: Sample) -> Change:
    """Return the change from the first sample to the second."""
    difference = second.mean - first.mean
    spread = math.hypot(first.std, second.std)
    enough = min(first.n, second.n) >= MIN_SEEDS
    return Change(difference, spread, enough and bool(_is_separated(first.mean, second.mean, spread)))


def find_best(table: pd.DataFrame, quantity: Quantity) -> tuple[int | None, list[int]]:
    """Find the row with the best mean, and rows that the rule cannot separate from it.

    Args:
        table: from :func:`dis_bench.reports.tables.summarise`.
        quantity: a quantity with a direction; without one, nothing is best.

    Returns:
        The index of the best row (None if there is none), and the indices of its unseparated rivals. The best
        is claimed only if there are no rivals and there is another row to beat.
    """
    name = quantity.name
    means = table[f"{name}_mean"].dropna()
    if means.empty or not quantity.better:
        return None, []
    best = means.idxmax() if quantity.better == "higher" else means.idxmin()
    others = table.loc[means.index.drop(best)]
    spread = np.hypot(others[f"{name}_std"], table.loc[best, f"{name}_std"])  # as in compare, for all at once
    enough = np.minimum(others[f"{name}_n"], table.loc[best, f"{name}_n"]) >= MIN_SEEDS
    separated = enough & _is_separated(means[best], others[f"{name}_mean"], spread)
    return int(best), [int(row) for row in others.index[~separated]]


def claims_best(table: pd.DataFrame, quantity: Quantity) -> int | None:
    """Return the row that may be called best, separated from all others, or None."""
    best, rivals = find_best(table, quantity)
    several = table[f"{quantity.name}_mean"].notna().sum() > 1
    return best if several and not rivals else None


def chance(seeds: int) -> float:
    """Return the probability that two configurations with equal means pass the rule.

    Scores are assumed normal with equal variance. With ``seeds`` = n each, the rule requires |t| > sqrt(n) of
    a t variable with 2n - 2 degrees of freedom.
    """
    from scipy.stats import t

    return 2 * float(t.sf(math.sqrt(seeds), 2 * seeds - 2))
