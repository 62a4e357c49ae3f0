"""The conditions under which an ordering is claimed."""

import math

import numpy as np
import pandas as pd
import pytest

from dis_bench.reports.ordering import Sample, chance, claims_best, compare, find_best
from dis_bench.reports.quantities import Quantity

MIG = Quantity("mig", "MIG", better="higher", is_score=True)


def sample(mean, std, n=3):
    return Sample(mean, std, n)


@pytest.mark.parametrize(
    ("first", "second", "claimed"),
    [
        (sample(0.1, 0.03), sample(0.2, 0.04), True),  # 0.1 > 0.05
        (sample(0.2, 0.04), sample(0.1, 0.03), True),  # in either direction
        (sample(0.1, 0.03), sample(0.149, 0.04), False),
        (sample(0.0, 3.0), sample(5.0, 4.0), False),  # exactly the combined spread is not more than it
        (sample(0.1, 0.03, n=2), sample(0.2, 0.04, n=50), False),
        (sample(0.1, 0.03, n=3), sample(0.2, 0.04, n=2), False),
        (sample(0.1, math.nan, n=1), sample(0.9, math.nan, n=1), False),
        (sample(1.0, 0.0), sample(1.0, 0.0), False),
        (sample(0.9, 0.0), sample(1.0, 0.0), True),
        (sample(1e-20, 0.0), sample(2e-20, 0.0), True),  # small, but no rounding
        (sample(0.1, 0.0), sample(np.mean([0.1] * 6), 0.0, n=6), False),  # 1e-17 apart
        (sample(math.nan, math.nan, n=0), sample(1.0, 0.0), False),
    ],
)
def test_the_rule(first, second, claimed):
    assert compare(first, second).claimed is claimed


def test_a_change_is_second_minus_first_with_the_combined_spread():
    change = compare(sample(1.0, 3.0), sample(11.0, 4.0))
    assert (change.difference, change.spread) == (10.0, 5.0)


def table(*rows):
    return pd.DataFrame([{"mig_mean": mean, "mig_std": std, "mig_n": n} for mean, std, n in rows])


def test_the_best_is_claimed_only_when_separated_from_every_other():
    clear = table((0.1, 0.01, 3), (0.2, 0.01, 3), (0.5, 0.01, 3))
    assert find_best(clear, MIG) == (2, [])
    assert claims_best(clear, MIG) == 2
    close = table((0.1, 0.01, 3), (0.49, 0.01, 3), (0.5, 0.01, 3))
    assert find_best(close, MIG) == (2, [1])
    assert claims_best(close, MIG) is None


def test_equal_values_of_unequal_counts_are_not_ordered_by_rounding():
    rounded = np.mean([0.1] * 6)
    assert rounded != 0.1
    equal = table((0.1, 0.0, 3), (rounded, 0.0, 6))
    assert claims_best(equal, MIG) is None
    assert claims_best(table((0.1, 0.0, 3), (0.1001, 0.0, 6)), MIG) == 1


def test_lower_can_be_better_and_nothing_is_best_without_a_direction():
    values = table((0.1, 0.01, 3), (0.5, 0.01, 3))
    assert claims_best(values, Quantity("mig", "", better="lower")) == 0
    assert find_best(values, Quantity("mig", "", better="")) == (None, [])


def test_one_configuration_is_not_the_best_of_itself():
    assert claims_best(table((0.5, 0.01, 3)), MIG) is None
    assert claims_best(table((0.5, 0.01, 3), (math.nan, math.nan, 0)), MIG) is None


def test_chance_has_the_closed_form_of_two_seeds():
    # Student's t with two degrees of freedom: P(|t| > x) = 1 - x / sqrt(2 + x^2)
    assert chance(2) == pytest.approx(1 - math.sqrt(2) / 2)


def test_chance_is_what_equal_configurations_do():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(40_000, 2, 3))
    mean, std = draws.mean(2), draws.std(2, ddof=1)
    passed = abs(mean[:, 1] - mean[:, 0]) > np.hypot(std[:, 0], std[:, 1])
    assert chance(3) == pytest.approx(passed.mean(), abs=0.01)
