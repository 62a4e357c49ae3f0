"""IRS against its reference and in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation
from dis_bench.metrics.irs import irs, largest_distances, robustness_matrix
from dis_bench.metrics.representation import Rows

from .cases import CASES, load_case, reference, whole_grid

GRID = whole_grid(4, 4, 4)
ALL = {"rows": 64}
BITS = whole_grid(2, 2)
MIXED = BITS @ [[1.0], [0.5]]  # 0, 0.5, 1, 1.5


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    assert irs(*load_case(case), seed=None) == pytest.approx(reference(case)["irs"]["score"], abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_matrix_agrees_with_the_reference(case):
    published = reference(case)["irs"]
    codes, factors = (column[:10_000] for column in load_case(case))
    codes = codes[:, np.ptp(codes, axis=0) > 0]
    matrix = robustness_matrix(Rows(codes, factors), quantile=0.99, bins=20)
    # Sums of float32 depend on the order of the rows, which the reference leaves as it is.
    assert np.allclose(matrix, published["matrix"], atol=5e-5)
    assert np.allclose(largest_distances(codes), published["largest_distances"], atol=1e-5)


def test_in_double_precision_a_perfect_code_is_perfect():
    codes, factors = load_case("B_identity")
    assert irs(codes.astype(float) * (1 + 1e-9), factors, seed=None) == pytest.approx(1.0, abs=1e-9)
    assert irs(codes, factors, seed=None) == pytest.approx(0.999995, abs=1e-6)


def test_other_quantiles_and_bins_of_the_reference():
    # Figures of disentanglement_lib and of Carbonneau et al.'s program on the same rows, three decimals.
    identity, noisy = (Representation(*load_case(case), seed=None) for case in ("A_identity", "A_noise05"))
    assert irs(identity, bins=10) == pytest.approx(0.952, abs=6e-4)
    assert irs(identity, bins=40) == pytest.approx(1.0, abs=1e-5)  # in float32 codes that stand still move
    assert irs(noisy, bins=40) == pytest.approx(0.605, abs=6e-4)
    assert irs(noisy, quantile=1.0) == pytest.approx(0.482, abs=6e-4)
    assert irs(noisy, quantile=1.0, bins=40) == pytest.approx(0.498, abs=6e-4)


def test_matrix_by_hand():
    # Held bit 0, the code is 0.25 from its mean; held bit 1, 0.5; at most 0.75.
    matrix = robustness_matrix(Rows(np.hstack([MIXED, 3.0 * BITS[:, 1:]]), BITS), quantile=0.99, bins=20)
    assert matrix == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))
    assert largest_distances(np.hstack([MIXED, 3.0 * BITS[:, 1:]])) == pytest.approx([0.75, 1.5])


def test_codes_weigh_as_their_largest_distance():
    assert irs(np.hstack([MIXED, 3.0 * BITS[:, 1:]]), BITS, rows=4) == pytest.approx((0.5 + 1.5) / 2.25)
    assert irs(MIXED, BITS, rows=4) == pytest.approx(2 / 3)


def test_the_quantile_is_interpolated():
    code = np.array([0, 0, 0, 8, 0, 0, 0, 0])[:, None]  # of the first value: mean 2, distances 2, 2, 2, 6
    rows = Rows(code.astype(float), np.repeat([0, 1], 4)[:, None])
    for quantile, distance in ((0.5, 2), (0.75, 3), (1.0, 6)):
        assert robustness_matrix(rows, quantile, 20) == pytest.approx(1 - distance / 2 / 7)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (GRID, 1.0),
        (GRID[:, [2, 0, 1]], 1.0),
        (GRID * [-1, 1e3, 1e-3] + [7, 0, -2], 1.0),
        (np.hstack([GRID, GRID]), 1.0),
        (GRID[:, :1], 1.0),
        (GRID // 2, 1.0),
        (np.hstack([GRID, np.full((64, 3), 3.7)]), 1.0),
        (np.full((64, 3), 3.7), 0.0),
        (np.zeros((64, 1)), 0.0),
    ],
    ids=[
        *("identity", "permuted", "scaled", "duplicated", "single"),
        *("halved", "some_dead", "all_dead_at_3.7", "one_dead"),
    ],
)
def test_closed_forms(codes, expected):
    assert irs(codes.astype(np.float32), GRID, **ALL) == pytest.approx(expected, abs=1e-6)


def test_dead_codes_are_left_out_and_all_others_kept():
    codes = np.random.default_rng(0).standard_normal((100, 100))
    codes[:, 0], codes[:, -1] = 1.0, np.float32(3.7)
    factors = np.arange(100)[:, None] % 5
    assert irs(codes, factors, rows=100) == irs(codes[:, 1:-1], factors, rows=100)


def test_is_cut_off_at_zero():
    # The code is the factor in 9 cases of 10: in each group the rare value is far from the mean.
    factor = np.repeat([0, 1], 50)
    code = np.where(np.arange(100) % 10 == 0, 1 - factor, factor)[:, None].astype(float)
    assert robustness_matrix(Rows(code, factor[:, None]), 0.99, 20) == pytest.approx(-0.8)
    assert irs(code, factor[:, None], rows=100) == 0.0


def test_large_and_small_codes_are_scored_alike():
    codes, factors = load_case("A_vae_like")
    expected = irs(codes, factors)
    for scale in (2.0**-400, 2.0**-100, 2.0**100, 2.0**120):
        assert irs(codes.astype(float) * scale, factors) == pytest.approx(expected, abs=1e-12)
    for shift in (1e2, 1e3, 1e4, 1e5):  # float32, like an encoder's codes
        shifted = (codes + shift).astype(np.float32)
        assert irs(shifted, factors) == pytest.approx(irs(shifted - shift, factors), abs=3e-5)


@pytest.mark.parametrize(
    ("scale", "shift"),
    [(1, 1e5), (1, 1e6), (-1, 1e6), (2.0**120, 0), (1, 1e13), (2.0**-46, 1), (1, -(2.0**52))],
)
def test_a_perfect_code_is_perfect_wherever_it_is(scale, shift):
    factors = np.random.default_rng(0).integers(0, [2, 4, 5], (10_000, 3))
    assert irs(factors * float(scale) + shift, factors) == 1.0


def test_more_rows_than_are_published_do_not_add_up_rounding():
    factors = np.random.default_rng(0).integers(0, [2, 3], (100_000, 2))
    codes = ((factors - 0.7) / 0.3).astype(np.float32)
    assert irs(codes, factors, rows=10_000) == pytest.approx(1.0, abs=7e-5)
    assert irs(codes, factors, rows=100_000) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("wrong", [{"quantile": -0.1}, {"quantile": 1.1}, {"bins": 0}])
def test_refusals(wrong):
    with pytest.raises(InputError, match=f"irs: {next(iter(wrong))} must be"):
        irs(GRID, GRID, **ALL, **wrong)
