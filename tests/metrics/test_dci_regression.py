"""DCI by lasso and by forests: against scikit-learn, closed forms, and the traps of relative importance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso

from dis_bench.errors import InputError
from dis_bench.metrics import Representation
from dis_bench.metrics import dci_regression as module
from dis_bench.metrics.dci import DCI
from dis_bench.metrics.dci_regression import Fits, Regression, dci_forest, dci_lasso, fit_factors, score_fits

from .cases import load_case

FEW = {"train": 2_000, "test": 1_000}
both = pytest.mark.parametrize("dci", [dci_lasso, dci_forest])


@both
def test_the_factors_themselves(dci):
    for case in ("A_identity", "B_identity"):
        assert dci(*load_case(case)) == pytest.approx((1, 1, 1), abs=2e-3)


@both
def test_noise_and_dead_codes_score_nothing(dci):
    _, factors = load_case("A_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert dci(noise, factors, **FEW) == pytest.approx((0, 0, 0), abs=2e-3)
    for value in (0.0, 3.7):
        for width in (1, 3):
            dead = dci(np.full((len(factors), width), value), factors, **FEW)
            assert dead == pytest.approx((0, 0, 0), abs=1e-3)


def test_without_the_least_r2_noise_seems_disentangled():
    # As published: importances are relative, and the few nonzero weights are far apart.
    _, factors = load_case("A_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert dci_lasso(noise, factors, least_r2=-1.0).disentanglement > 0.9


@both
def test_a_missing_factor_costs_completeness_but_not_disentanglement(dci):
    codes, factors = load_case("A_identity")
    assert dci(codes[:, :4], factors, **FEW) == pytest.approx((1, 0.8, 0.8), abs=2e-3)


def test_of_twins_lasso_takes_one_and_a_forest_both():
    codes, factors = load_case("A_dup")
    assert dci_lasso(codes, factors, **FEW) == pytest.approx((1, 1, 1), abs=2e-3)
    twins = dci_forest(codes, factors, **FEW)
    assert twins.disentanglement == pytest.approx(1, abs=2e-3)
    assert twins.completeness == pytest.approx(1 - np.log(2) / np.log(10), abs=0.06)


def test_lasso_sees_linear_relations_only():
    codes, factors = load_case("B_warp")
    assert dci_lasso(codes, factors, **FEW).informativeness < 0.9
    assert dci_forest(codes, factors, **FEW).informativeness > 0.99


def test_neither_scale_nor_shift_matters():
    codes, factors = load_case("A_vae_like")
    moved = codes.astype(float) * 2.0 ** np.arange(-5, 5) + 3
    for dci in (dci_lasso, dci_forest):
        assert dci(moved, factors, **FEW) == pytest.approx(dci(codes, factors, **FEW), abs=0.01)


def test_lasso_is_that_of_scikit_learn():
    codes, factors = load_case("A_vae_like")
    table = Representation(codes[:1_500], factors[:1_500], seed=None)
    dci_lasso(table, train=1_000, test=500, alpha=0.05)
    fits = table.shared(("lasso", 1_000, 500, 0.05), lambda: pytest.fail("it was not kept"))
    codes, targets = codes[:, :9].astype(float), factors.astype(float)
    codes = (codes - codes[:1_000].mean(axis=0)) / codes[:1_000].std(axis=0)
    targets = (targets - targets[:1_000].mean(axis=0)) / targets[:1_000].std(axis=0)
    for j in range(5):
        model = Lasso(alpha=0.05).fit(codes[:1_000], targets[:1_000, j])
        assert fits.importances[:, j] == pytest.approx([*np.abs(model.coef_), 0], abs=1e-9)
        errors = np.square(model.predict(codes[1_000:1_500]) - targets[1_000:1_500, j])
        r2 = 1 - errors.sum() / np.square(targets[1_000:1_500, j]).sum()
        assert fits.r2[j] == pytest.approx(max(0.0, r2), abs=1e-9)


def test_a_forest_takes_the_depth_beyond_which_it_predicts_no_better():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((2_000, 3))
    fits = {
        # One threshold needs no depth; a wave needs the largest.
        "threshold": np.where(codes[:, 0] > 0, 1.0, -1.0),
        "wave": np.sin(20 * codes[:, 0]),
    }
    for name, depth in (("threshold", 2), ("wave", 16)):
        seed = int(np.random.default_rng(3).integers(2**31))
        expected = RandomForestRegressor(10, max_depth=depth, max_features=None, random_state=seed)
        expected.fit(codes, fits[name])
        found = module._fit_forest(codes, fits[name], codes[:50], 0, trees=10, seeds=np.array([seed]))
        assert np.array_equal(found.importances, expected.feature_importances_), name
        assert np.array_equal(found.predictions, expected.predict(codes[:50])), name


def test_r2_of_known_predictions():
    factors = np.tile([[0, 0], [1, 0], [0, 1], [1, 1]], (10, 1))  # standardised: -1 and 1
    table = Representation(np.zeros((40, 2)), factors, seed=None)
    for prediction, r2 in ((0.0, 0.0), (1.0, 0.0), (-0.5, 0.0)):  # guessing is never below 0

        def guess(codes, factor, test_codes, number, prediction=prediction):
            return Regression(np.array([0.5, 0.5]), np.full(len(test_codes), prediction))

        assert fit_factors(table, 20, 20, guess).r2 == pytest.approx([r2, r2])

    def half(codes, factor, test_codes, number):
        return Regression(np.array([1.0, 0.0]), factor / 2)  # test rows are as training rows

    fits = fit_factors(table, 20, 20, half)
    assert fits.r2 == pytest.approx([0.75, 0.75])
    assert fits.importances.tolist() == [[1, 1], [0, 0]]


def test_scores_of_known_fits():
    importances = np.array([[0.5, 0.1], [0.5, 0.0]])
    fits = Fits(importances, np.array([0.9, 0.005]))
    # Factor 1 is not explained: its importances go, and it is not complete.
    assert score_fits(fits, least_r2=0.01) == pytest.approx(DCI(1, 0, 0.4525))
    kept = score_fits(fits, least_r2=-1)
    assert kept.completeness == pytest.approx(0.5)  # the plain mean of 0 and 1
    entropy = -(5 / 6 * np.log2(5 / 6) + 1 / 6 * np.log2(1 / 6))
    assert kept.disentanglement == pytest.approx((0.6 * (1 - entropy) + 0.5 * 1) / 1.1)


@both
def test_few_rows_and_test_rows_of_one_value(dci):
    factor = np.array([0, 2, 1, 1, 1])[:, None]
    scores = dci(factor.astype(float), factor, train=2, test=3, seed=None)
    assert all(0 <= value <= 1 for value in scores)


def test_refusals():
    codes, factors = load_case("A_identity")
    with pytest.raises(InputError, match=r"dci_lasso: alpha must be above 0, but 0\.0 was given"):
        dci_lasso(codes, factors, alpha=0.0)
    with pytest.raises(InputError, match="dci_forest: trees must be at least 1, but 0 was given"):
        dci_forest(codes, factors, trees=0)


@both
def test_importances_are_read_only(dci):
    table = Representation(*load_case("B_identity"))
    before = dci(table, **FEW)
    for kept in (table.importances, table.per_factor):
        for array in kept.values():
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 1
    assert dci(table, **FEW) == before


def test_test_rows_that_are_astronomically_far_away_explain_nothing():
    rng = np.random.default_rng(0)
    codes, factors = rng.standard_normal((300, 2)), rng.integers(0, 3, (300, 2))
    codes[:200] = (factors[:200] + 0.1 * codes[:200]) * 1e-200
    assert dci_lasso(codes, factors, seed=None, train=200, test=100).informativeness == 0.0


def test_values_far_out_are_no_failure_and_hide_no_others():
    factors = np.random.default_rng(0).integers(0, [5, 6], size=(900, 2))
    codes = factors * 1e-10
    codes[601] = 1e30  # a test row
    few = {"train": 600, "test": 300, "seed": None}
    assert dci_forest(codes, factors, **few) == pytest.approx((1, 1, 1), abs=0.02)
    assert dci_forest(np.exp(12.0 * factors), factors, **few) == pytest.approx((1, 1, 1), abs=0.02)
