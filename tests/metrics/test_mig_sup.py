"""MIG-sup in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics import Representation
from dis_bench.metrics.mig import mig
from dis_bench.metrics.mig_sup import mig_sup

from .cases import load_case, reference, whole_grid

GRID = whole_grid(4, 4, 4)
MERGED = np.stack([GRID[:, 0] + 4 * GRID[:, 1], GRID[:, 2]], axis=1)  # two factors as digits of one code


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (GRID, 1.0),
        (GRID[:, [2, 0, 1]], 1.0),
        (GRID * [-1, 1e3, 1e-3] + [7, 0, -2], 1.0),
        (np.hstack([GRID, GRID]), 1.0),
        (GRID[:, :2], 1.0),  # the codes that there are have one factor each
        (GRID[:, :1], 1.0),
        (GRID // 2, 0.5),  # one bit of two
        (MERGED, 0.5),  # nothing for the merged code, 1 for the other
        (MERGED[:, :1], 0.0),
        (np.hstack([GRID, np.full((64, 2), 3.7)]), 1.0),
        (np.zeros((64, 3)), 0.0),
        (np.full((64, 1), 3.7), 0.0),
    ],
    ids=[
        *("identity", "permuted", "scaled", "duplicated", "missing", "single"),
        *("halved", "merged", "merged_only", "some_dead", "all_dead", "one_dead"),
    ],
)
def test_closed_forms(codes, expected):
    assert mig_sup(codes.astype(np.float32), GRID, rows=64, bins=16) == pytest.approx(expected, abs=1e-12)


def test_sees_merged_factors_where_mig_does_not():
    assert mig(MERGED, GRID, rows=64, bins=16) == pytest.approx(1.0)
    # With too few bins for the low digit, no binned score sees it.
    assert mig_sup(MERGED, GRID, rows=64, bins=4) == pytest.approx(1.0)


@pytest.mark.parametrize("case", ["A_rot_pairs", "A_vae_like", "B_warp"])
def test_is_the_gap_of_the_reference_information(case):
    published = reference(case)["mig"]
    shares = np.array(published["mutual_information"]) / published["factor_entropies"]
    ordered = np.sort(shares[shares.any(axis=1)], axis=1)  # without dead codes
    gaps = ordered[:, -1] - ordered[:, -2]
    assert mig_sup(*load_case(case), seed=None) == pytest.approx(gaps.mean(), abs=2e-6)


def test_codes_can_be_pruned_by_their_deviation():
    codes, factors = load_case("A_vae_like")
    pruned = mig_sup(codes, factors, prune_std=0.1)
    assert pruned == mig_sup(codes[:, :5], factors)
    assert pruned > mig_sup(codes, factors) + 0.1
    assert mig_sup(codes, factors, prune_std=100.0) == 0.0


def test_noise_scores_next_to_nothing():
    _, factors = load_case("A_identity")
    codes = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert 0 <= mig_sup(codes, factors) < 0.005


def test_with_one_factor_the_gap_is_to_none():
    assert mig_sup(GRID, GRID[:, :1], rows=64, bins=4) == pytest.approx(1 / 3)


def test_the_threshold_is_on_the_standard_deviation_wherever_the_code_is():
    table = Representation(GRID * [1, 0.02, 1.0] + [0, 0, 2.0**50], GRID)
    mig_sup(table, rows=64, prune_std=0.1)
    assert table.counted["mig_sup"] == (0, 2)
    near_one = 1 + GRID * 2.0**-52
    deviation = 2.0**-52 * GRID.std(axis=0).min()
    assert mig_sup(near_one, GRID, rows=64, prune_std=deviation * 0.99) == 1.0
    assert mig_sup(near_one, GRID, rows=64, prune_std=deviation * 1.01) == 0.0
