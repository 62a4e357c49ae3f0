"""MIG against its reference and against values that follow from its definition."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics import Representation
from dis_bench.metrics.gap import top_two_gap
from dis_bench.metrics.mig import gap_per_factor, mig

from .cases import CASES, load_case, reference

GRID = np.stack(np.meshgrid(*(np.arange(4),) * 3, indexing="ij"), axis=-1).reshape(-1, 3)  # 64 rows, whole
ALL = {"rows": 64, "bins": 4}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    table = Representation(*load_case(case), seed=None)
    published = reference(case)["mig"]
    assert mig(table) == pytest.approx(published["score"], abs=1e-6)
    gaps = gap_per_factor(table.mutual_information(20, 10_000), table.factor_entropies(10_000))
    assert np.allclose(gaps, published["per_factor"], atol=1e-6)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (GRID, 1.0),
        (GRID[:, [2, 0, 1]], 1.0),
        (GRID * [-1, 1e3, 1e-3] + [7, 0, -2], 1.0),
        (np.hstack([GRID, GRID]), 0.0),
        (np.zeros((64, 3)), 0.0),
        (np.full((64, 1), 3.7), 0.0),
        (GRID[:, :2], 2 / 3),  # nothing tells of the last factor
        (GRID // 2, 0.5),  # one bit of two
        (GRID[:, :1], 1 / 3),  # a single code: the second best is none
        (GRID @ [[1], [4], [16]], 1 / 3),  # the digits of one number: bins see the highest only
    ],
    ids=[
        *("identity", "permuted", "scaled", "duplicated", "dead"),
        *("dead_at_3.7", "missing", "halved", "single", "merged"),
    ],
)
def test_closed_forms(codes, expected):
    assert mig(codes.astype(np.float32), GRID, **ALL) == pytest.approx(expected, abs=1e-12)


def test_a_rotation_by_45_degrees_leaves_no_gap():
    whole = np.stack(np.meshgrid(np.arange(32), np.arange(32), indexing="ij"), axis=-1).reshape(-1, 2)
    mix = (whole - 15.5) @ [[1, 1], [-1, 1]]
    assert mig(mix, whole, rows=1024, bins=20) < 0.01


def test_bins_limit_what_perfect_codes_score():
    codes, factors = load_case("A_identity")
    by_bins = [mig(codes, factors, bins=bins, seed=None) for bins in (5, 10, 20, 40, 100)]
    assert by_bins == pytest.approx([0.645, 0.786, 0.895, 0.987, 0.987], abs=0.001)


def test_noise_scores_next_to_nothing():
    codes = np.random.default_rng(0).standard_normal((10_000, 10))
    assert 0 <= mig(codes, load_case("A_identity")[1][:10_000]) < 0.002


def test_top_two_gap():
    scores = np.array([[0.9, 0.1], [0.2, 0.5], [0.4, 0.5]])
    assert top_two_gap(scores) == pytest.approx([0.5, 0.0])
    assert top_two_gap(scores[:1], of_no_code=np.array([0.3, 0.0])) == pytest.approx([0.6, 0.1])
