"""InfoMEC: the matrix functions in closed form, the whole metric against its reference."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from dis_bench.errors import InputError
from dis_bench.metrics import Representation
from dis_bench.metrics.infomec import code_preference, factor_preference, infomec, normalised_information

from .cases import CASES, load_case, reference, whole_grid

EYE = np.eye(4)


@pytest.mark.parametrize(
    ("information", "modular", "compact"),
    [
        (EYE, 1, 1),
        (np.vstack([EYE, EYE]), 1, (8 / 2 - 1) / 7),
        (np.hstack([EYE, EYE]), (8 / 2 - 1) / 7, 1),
        (np.ones((3, 4)), 0, 0),
        (np.vstack([EYE, np.zeros((1, 4))]), 1, 1),  # a code that tells nothing belongs nowhere
        (EYE[:3], 1, 3 / 4),  # a factor that no code tells
        (np.array([[3.0, 1.0], [0.0, 2.0]]), (0.5 + 1) / 2, (1 + 1 / 3) / 2),
        (np.array([[0.3, 0.1]]), 0.5, 1),  # a single active code
        (np.array([[0.3], [0.1]]), 1, 0.5),  # a single factor
        (np.zeros((3, 2)), 0, 0),
        (np.zeros((0, 2)), 0, 0),  # no active code
    ],
    ids=[
        *("identity", "codes_twice", "factors_twice", "even", "empty_code", "missing_factor"),
        *("mixed", "one_code", "one_factor", "nothing", "none_active"),
    ],
)
def test_closed_forms_of_information(information, modular, compact):
    assert code_preference(information) == pytest.approx(modular)
    assert factor_preference(information) == pytest.approx(compact)


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    # For codes with few values, the noise that separates them moves our score by 0.001 from seed to seed.
    result = infomec(*load_case(case), seed=None)
    for name, value in result._asdict().items():
        tolerance = 1e-4 if name == "explicitness" else 0.003
        assert value == pytest.approx(reference(case)["infomec"][name], abs=tolerance), name


def test_seeds_decide_and_nothing_else():
    codes, factors = load_case("A_identity")
    few = {"rows": 1_000, "seed": None}
    assert infomec(codes, factors, **few) == infomec(codes, factors, **few)
    small = codes[:1_000], factors[:1_000]
    assert infomec(*small, rows=1_000, seed=1) != infomec(*small, rows=1_000, seed=2)


def test_scale_decides_which_codes_are_active_as_published():
    codes, factors = load_case("B_identity")
    with_weak_twins = np.hstack([codes, 0.04 * codes])
    few = {"rows": 2_000, "seed": None}
    as_published = infomec(with_weak_twins, factors, **few)
    assert as_published == pytest.approx((1, 1, 1), abs=0.02)
    every_live_code = infomec(with_weak_twins, factors, **few, inactive=0.0)
    assert every_live_code == pytest.approx((1, 1, (12 / 2 - 1) / 11), abs=0.02)
    scaled = infomec(codes * 1e-12, factors, **few)
    assert scaled == pytest.approx(infomec(codes, factors, **few), abs=1e-3)


def test_dead_codes_are_never_active():
    codes, factors = load_case("B_identity")
    few = {"rows": 1_000, "seed": None}
    with_dead = np.insert(codes, [0, 6], np.float32(3.7), axis=1)
    for inactive in (0.0, 0.05):
        assert infomec(with_dead, factors, **few, inactive=inactive) == pytest.approx(
            infomec(codes, factors, **few, inactive=inactive), abs=1e-6
        )
    assert infomec(np.full((1_000, 3), 3.7), factors[:1_000], **few) == pytest.approx((0, 0, 0), abs=1e-9)


def test_values_that_the_rows_do_not_show():
    factors = np.array([0, 2] * 30 + [1, 1])[:, None]  # value 1 comes after the rows that are read
    assert infomec(factors.astype(float), factors, rows=60, seed=None) == pytest.approx((1, 1, 1), abs=1e-3)


def test_one_active_code():
    codes, factors = load_case("B_identity")
    table = Representation(codes[:, [0, 0]] * [1, 0.01], factors)
    one = infomec(table, rows=2_000)
    assert one.modularity == pytest.approx(1, abs=0.02)
    # It is the only code with information about each of its factors, even if by chance.
    assert one.compactness == np.mean(normalised_information(table, 2_000, 10)[0] > 0) >= 1 / 6


def test_linear_information_of_known_codes():
    grid = np.tile(whole_grid(2, 4), (50, 1))
    first_only = infomec(grid[:, :1].astype(float), grid, rows=400)
    assert first_only.explicitness == pytest.approx(0.5, abs=1e-3)  # all of one factor, nothing of the other
    # Half of the rows show the first factor: there the classifier is sure, elsewhere it guesses.
    shown = np.where(np.arange(400)[:, None] < 200, 2 * grid[:, :1] - 1, 0).astype(float)
    half = infomec(shown, grid[:, :1], rows=400, seed=None)
    assert half.explicitness == pytest.approx(0.5, abs=1e-3)


def test_explicitness_is_never_below_zero():
    # Most of the common class lies beyond the rare one, and is fitted as if it were as rare.
    code, rare = np.repeat([[1.0, 1], [1.5, 0], [-3.0, 0]], [4, 90, 3], axis=0).T
    assert infomec(code[:, None], rare[:, None], rows=97).explicitness == 0.0


def test_equal_values_are_parted_by_noise_that_hardly_moves_the_score():
    """With one noise for all codes, modularity deviates by 0.0023, and information is 1.0018 of entropy."""
    codes, factors = load_case("A_identity")
    scores = []
    for seed in range(8):
        table = Representation(codes, factors, seed=None)  # the same rows, other noise
        table.seed = seed
        assert normalised_information(table, 10_000, 10).max() <= 1
        scores.append(code_preference(normalised_information(table, 10_000, 10)))
    assert np.std(scores, ddof=1) < 0.0017
    assert np.mean(scores) == pytest.approx(reference("A_identity")["infomec"]["modularity"], abs=0.001)


def test_the_noise_of_a_code_depends_on_no_other_code_and_not_on_its_unit():
    codes, factors = load_case("B_identity")
    few = {"rows": 2_000, "seed": None}
    alone = Representation(codes[:, [2]], factors, seed=None)
    among = Representation(codes[:, ::-1] * 8 + 3, factors, seed=None)
    assert np.array_equal(
        normalised_information(alone, 2_000, 10)[0], normalised_information(among, 2_000, 10)[3]
    )
    assert infomec(codes[:, ::-1], factors, **few) == pytest.approx(infomec(codes, factors, **few), abs=1e-12)


def test_information_is_a_share_and_shared():
    codes, factors = load_case("A_identity")
    table = Representation(codes, factors)
    information = normalised_information(table, 2_000, 10)
    assert np.allclose(np.diag(information), 1, atol=0.01)
    assert normalised_information(table, 2_000, 10) is information


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"neighbours": 0}, "neighbours must be at least 1, but 0"),
        ({"inactive": 1.0}, "inactive must be from 0 to below 1, but 1.0"),
        ({"inactive": -0.1}, "inactive must be from 0"),
        ({"rows": 20_000}, "needs 20000 rows"),
    ],
)
def test_refusals(parameters, message):
    with pytest.raises(InputError, match=message):
        infomec(*load_case("B_identity"), **parameters)


def test_quantised_codes_are_counted():
    """Ten values of factors with noise, beside ten of noise: neighbours in random order give an M of 0.75."""
    generator = np.random.default_rng(2)
    factors = generator.integers(0, [10, 10, 10, 8, 4, 15], size=(10_000, 6))
    clear = (factors - factors.mean(0)) / factors.std(0)
    codes = np.hstack(
        [clear + 0.5 * generator.standard_normal(clear.shape), generator.standard_normal((10_000, 6))]
    )
    values = 4 * np.sort(generator.uniform(-0.5, 0.5, (12, 10)), axis=1)
    quantised = np.stack(
        [own[np.abs(code[:, None] - own).argmin(1)] for code, own in zip(codes.T, values, strict=True)],
        axis=1,
    )
    shares = np.array([[_share(code, factor) for factor in factors.T] for code in quantised.T])
    found = infomec(quantised, factors, discrete=True)
    modular = (6 * shares.max(1) / shares.sum(1) - 1) / 5
    compact = (12 * shares.max(0) / shares.sum(0) - 1) / 11
    assert found.modularity == pytest.approx(modular.mean(), abs=1e-12)
    assert found.compactness == pytest.approx(compact.mean(), abs=1e-12)
    assert found.modularity == pytest.approx(0.527, abs=0.001)
    assert infomec(quantised, factors).modularity > 0.65
    assert infomec(quantised, factors, discrete=True, seed=3) == pytest.approx(
        found, abs=1e-6
    )  # rows are shuffled


def _share(code, factor):
    """Return I(code; factor) / H(factor), as scikit-learn computes both."""
    code = np.unique(code, return_inverse=True)[1]  # numbers with a point would be taken for regression
    return mutual_info_score(code, factor) / mutual_info_score(factor, factor)
