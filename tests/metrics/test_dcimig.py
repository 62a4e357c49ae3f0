"""DCIMIG in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics.dcimig import dcimig, largest_gaps

from .cases import load_case, reference, whole_grid

GRID = whole_grid(4, 4, 4)
MERGED = np.stack([GRID[:, 0] + 4 * GRID[:, 1], GRID[:, 2]], axis=1)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (GRID, 1.0),
        (GRID[:, [2, 0, 1]], 1.0),
        (GRID * [-1, 1e3, 1e-3] + [7, 0, -2], 1.0),
        (np.hstack([GRID, GRID]), 1.0),
        (GRID[:, :2], 2 / 3),
        (GRID[:, :1], 1 / 3),
        (GRID // 2, 0.5),
        (MERGED, 1 / 3),  # the merged code has no gap
        (np.hstack([MERGED, GRID[:, :1]]), 2 / 3),
        (np.full((64, 2), 3.7), 0.0),
        (np.zeros((64, 1)), 0.0),
    ],
    ids=[
        *("identity", "permuted", "scaled", "duplicated", "missing", "single"),
        *("halved", "merged", "merged_and_one", "dead", "one_dead"),
    ],
)
def test_closed_forms(codes, expected):
    assert dcimig(codes.astype(np.float32), GRID, rows=64, bins=16) == pytest.approx(expected, abs=1e-12)


def test_largest_gaps_by_hand():
    information = np.array([[3.0, 1.0, 0.5], [2.5, 0.0, 0.0], [0.0, 0.2, 0.1], [0.0, 0.0, 0.0]])
    # Codes 0 and 1 are of factor 0, code 2 of factor 1, and no code is of factor 2.
    assert largest_gaps(information) == pytest.approx([2.5, 0.1, 0.0])
    assert largest_gaps(information[:, :1]) == pytest.approx([3.0])  # one factor: the gap is to none


@pytest.mark.parametrize("case", ["A_rot_pairs", "A_vae_like", "B_warp"])
def test_is_made_of_the_reference_information(case):
    published = reference(case)["mig"]
    gaps = largest_gaps(np.array(published["mutual_information"]))
    expected = gaps.sum() / np.sum(published["factor_entropies"])
    assert dcimig(*load_case(case), seed=None) == pytest.approx(expected, abs=2e-6)


def test_noise_scores_next_to_nothing():
    _, factors = load_case("A_identity")
    codes = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert 0 <= dcimig(codes, factors) < 0.01
