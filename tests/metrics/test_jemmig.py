"""JEMMIG in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics.jemmig import jemmig, joint_entropy_less_gap

from .cases import load_case, reference, whole_grid

GRID = whole_grid(4, 4, 4)


# In units of log 4: a factor has the entropy 1, and with 4 bins the largest joint entropy is 2.
@pytest.mark.parametrize(
    ("codes", "bins", "expected"),
    [
        (GRID, 4, 1.0),
        (GRID[:, [2, 0, 1]], 4, 1.0),
        (GRID * [-1, 1e3, 1e-3] + [7, 0, -2], 4, 1.0),
        (np.hstack([GRID, GRID]), 4, 1 / 2),  # no gap: the entropy of one code and factor stays
        (GRID[:, :2], 4, 2 / 3),  # the missing factor and any code have the entropy 2
        (GRID[:, :1], 4, 1 / 3),
        (GRID // 2, 4, 3 / 4),  # of an entropy of 1, the gap takes half
        (GRID @ [[1], [4], [16]], 64, 1 / 2),  # entropy 3, gap 1, of at most 4
        (np.full((64, 2), 3.7), 4, 1 / 2),  # dead codes: entropy 1, no gap
        (np.zeros((64, 1)), 64, 3 / 4),  # the same, of at most 4
        (GRID, 1, 0.0),  # one bin says nothing
    ],
    ids=[
        *("identity", "permuted", "scaled", "duplicated", "missing", "single"),
        *("halved", "merged", "dead", "one_dead", "one_bin"),
    ],
)
def test_closed_forms(codes, bins, expected):
    assert jemmig(codes.astype(np.float32), GRID, rows=64, bins=bins) == pytest.approx(expected, abs=1e-12)


def test_joint_entropy_less_gap_by_hand():
    information = np.array([[1.0, 0.2], [0.7, 0.5]])
    excess = joint_entropy_less_gap(information, np.array([2.0, 1.5]), np.array([1.25, 0.75]))
    # The best codes are 0 and 1; joint entropies 2 + 1.25 - 1 and 1.5 + 0.75 - 0.5.
    assert excess == pytest.approx([2.25 - 0.3, 1.75 - 0.3])


def test_is_made_of_the_reference_information():
    published = reference("B_identity")["mig"]
    codes, factors = load_case("B_identity")
    entropies = np.array(published["factor_entropies"])  # of the codes as well: they are the factors
    excess = joint_entropy_less_gap(np.array(published["mutual_information"]), entropies, entropies)
    expected = 1 - excess / (entropies + np.log(20))
    assert jemmig(codes, factors, seed=None) == pytest.approx(expected.mean(), abs=2e-6)


def test_noise_in_a_code_and_merged_factors_cost():
    codes, factors = load_case("B_identity")
    identity = jemmig(codes, factors)
    assert jemmig(*load_case("B_warp")) < identity
    merged = np.column_stack([codes[:, 0] * 100 + codes[:, 1], codes[:, 2:]])
    assert jemmig(merged, factors, bins=200) < jemmig(codes, factors, bins=200) - 0.1
    noisy = codes + 0.5 * np.random.default_rng(0).standard_normal(codes.shape)
    assert jemmig(noisy, factors) < identity - 0.3


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_codes_that_tie_the_one_with_least_beside_the_factor_is_the_best(order):
    # Both tell factor 0; the second one tells factor 1 as well. The gap of factor 0 is nothing.
    codes = np.stack([GRID[:, 0], 4 * GRID[:, 0] + GRID[:, 1]], axis=1)[:, order]
    # Joint entropies in units of log 4: 1 (not 2), and 2 less a gap of 1; the largest is 3 with 16 bins.
    assert jemmig(codes, GRID[:, :2], rows=64, bins=16) == pytest.approx(2 / 3, abs=1e-12)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_dead_code_is_not_the_best_one_of_a_factor_that_no_code_tells(order):
    codes = np.insert(GRID[:, :2], 2, 3.7, axis=1)[:, order]
    assert jemmig(codes, GRID, rows=64, bins=4) == pytest.approx(2 / 3, abs=1e-12)
