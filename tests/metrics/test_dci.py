"""DCI: the matrix functions in closed form, the whole metric against its reference."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation
from dis_bench.metrics.dci import (
    completeness,
    completeness_per_factor,
    dci,
    disentanglement,
    disentanglement_per_code,
    fit_importances,
)

from .cases import CASES, load_case, reference

EYE = np.eye(5)
EMPTY_CODE = np.vstack([EYE, np.zeros((1, 5))])
TWICE = 1 - np.log(2) / np.log(10)  # evenly over two of ten


@pytest.mark.parametrize(
    ("importances", "disentangled", "complete"),
    [
        (EYE, 1, 1),
        (EMPTY_CODE, 1, 1),
        (np.zeros((10, 10)), 0, 0),
        (np.vstack([EYE, EYE]), 1, TWICE),
        (EYE[:2], 1, 1),
        (np.hstack([EYE, EYE]), TWICE, 1),
        (np.ones((4, 3)), 0, 0),
        (np.array([[3.0], [1.0]]), 1, 1 - (2 - 0.75 * np.log2(3))),  # a single factor
        (np.array([[3.0, 1.0]]), 1 - (2 - 0.75 * np.log2(3)), 1),  # a single code
        (np.zeros((1, 1)), 0, 0),
        # Code 0 carries three times the importance of code 1, and splits it evenly.
        (
            np.array([[1.5, 1.5], [1.0, 0.0]]),
            0.25,
            (1 - (0.6 * np.log2(5 / 3) + 0.4 * np.log2(2.5))) * 2.5 / 4 + 1.5 / 4,
        ),
    ],
    ids=[
        *("identity", "empty_code", "nothing", "codes_twice", "two_codes", "factors_twice"),
        *("uniform", "one_factor", "one_code", "one_by_one", "weighted"),
    ],
)
def test_closed_forms_of_importance_matrices(importances, disentangled, complete):
    assert disentanglement(importances) == pytest.approx(disentangled, abs=1e-12)
    assert completeness(importances) == pytest.approx(complete, abs=1e-12)


def test_scores_per_code_and_per_factor():
    assert disentanglement_per_code(EMPTY_CODE) == pytest.approx([1, 1, 1, 1, 1, 0])
    assert completeness_per_factor(np.vstack([EYE, EYE])) == pytest.approx([TWICE] * 5)


@pytest.mark.parametrize("case", CASES)
def test_the_reference_matrices_give_the_reference_scores(case):
    published = reference(case)["dci"]
    importances = np.array(published["importances"])  # six decimals
    assert disentanglement(importances) == pytest.approx(published["disentanglement"], abs=2e-5)
    assert completeness(importances) == pytest.approx(published["completeness"], abs=2e-5)
    assert np.allclose(
        disentanglement_per_code(importances), published["disentanglement_per_code"], atol=2e-5
    )
    assert np.allclose(completeness_per_factor(importances), published["completeness_per_factor"], atol=2e-5)


def check_against_reference(case, estimator):
    published = reference(case)["dci"]
    # Twins share importance by chance: the reference itself moves with its seed.
    tolerance = 0.02 if case == "A_dup" else 0.01
    result = dci(*load_case(case), seed=None, estimator=estimator)
    for name, value in result._asdict().items():
        assert value == pytest.approx(published[name], abs=tolerance), name


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    check_against_reference(case, "fast")


@pytest.mark.slow
def test_scikit_learn_agrees_with_the_reference():
    check_against_reference("B_identity", "sklearn")


@pytest.mark.parametrize("case", ["A_noise05", "A_vae_like"])
def test_both_estimators_agree_on_few_rows(case):
    codes, factors = load_case(case)
    table = Representation(codes, np.minimum(factors, 3), seed=None)
    both = [fit_importances(table, 600, 300, estimator) for estimator in ("fast", "sklearn")]
    (importances, accuracies), (sklearn_importances, sklearn_accuracies) = both
    # Many splits tie in so few rows: scikit-learn's own importances differ by 0.023 between five seeds.
    assert np.allclose(importances, sklearn_importances, atol=0.03)
    assert np.allclose(accuracies, sklearn_accuracies, atol=0.03)
    assert disentanglement(importances) == pytest.approx(disentanglement(sklearn_importances), abs=0.02)
    assert completeness(importances) == pytest.approx(completeness(sklearn_importances), abs=0.02)


def test_identity_and_duplicates():
    codes, factors = load_case("B_identity")
    few = {"train": 1_000, "test": 500}
    assert dci(codes, factors, **few) == pytest.approx((1, 1, 1), abs=1e-3)
    twins = dci(np.hstack([codes[:, :5], codes[:, :5]]), factors[:, :5], **few)
    assert twins.disentanglement == pytest.approx(1, abs=1e-3)
    assert twins.completeness == pytest.approx(TWICE, abs=0.05)


def test_noise_scores_next_to_nothing_and_dead_codes_nothing():
    _, factors = load_case("B_identity")
    few = {"train": 2_000, "test": 1_000}
    noise = dci(np.random.default_rng(0).standard_normal((len(factors), 10)), factors, **few)
    assert noise.disentanglement < 0.05
    assert noise.completeness < 0.05
    dead = dci(np.full((len(factors), 3), 3.7), factors, **few)
    assert (dead.disentanglement, dead.completeness) == (0, 0)
    guessing = np.mean([np.bincount(column).max() / len(factors) for column in factors.T])
    assert dead.informativeness == pytest.approx(guessing, abs=0.02)


def test_importances_are_fitted_once():
    codes, factors = load_case("B_identity")
    table = Representation(codes[:300], factors[:300])
    assert fit_importances(table, 200, 100, "fast") is fit_importances(table, 200, 100, "fast")


def test_refuses_an_unknown_estimator():
    codes, factors = load_case("B_identity")
    with pytest.raises(InputError, match="dci: unknown estimator of dci 'sklern': did you mean 'sklearn'"):
        dci(codes, factors, estimator="sklern")


def test_neither_scale_nor_origin_of_a_code_matters():
    """Trees merge float32 values within 1e-7: unscaled, 1e-6 of these codes scores 0.03."""
    codes, factors = (table[:1_500].astype(float) for table in load_case("A_noise05"))
    few = {"train": 1_000, "test": 500}
    expected = dci(codes, factors, **few)
    assert expected.disentanglement > 0.2
    for moved in (codes * 1e-6, codes * 1e-30, codes * 1e30, codes + 1e8, codes * [1e-9, 1, 1e9, -1, 1e-3]):
        assert dci(moved, factors, **few) == pytest.approx(expected, abs=0.003)


def test_twins_stay_twins_and_rows_far_out_are_no_obstacle():
    codes, factors = (table[:300].astype(float) for table in load_case("B_identity"))
    table = Representation(np.hstack([codes, codes]), factors, seed=None)
    importances, _ = fit_importances(table, 200, 100, "fast")
    of_twins = importances.reshape(2, 6, 6)
    assert (of_twins[0] > 0.2).any()
    assert of_twins.sum(axis=0) == pytest.approx(
        fit_importances(Representation(codes, factors, seed=None), 200, 100, "fast")[0], abs=0.02
    )
    codes[250:] *= 1e37  # in the test rows only
    assert 0 <= dci(codes * 1e-30, factors, train=200, test=100, seed=None).informativeness <= 1


def test_a_factor_of_many_values_is_fitted_without_warnings():
    factors = np.stack([np.arange(60) // 2, np.arange(60) % 2], axis=1)
    scores = dci(factors.astype(float), factors, train=40, test=20, estimator="sklearn")
    assert all(0 <= value <= 1 for value in scores)  # a warning would be raised


@pytest.mark.parametrize(
    "bend", [lambda code: np.exp(12 * code), lambda code: np.append(code[0] + 1e9, code[1:])]
)
def test_values_far_out_hide_no_others(bend):
    factors = np.random.default_rng(0).integers(0, [5, 6], size=(900, 2))
    codes = np.stack([bend(code) for code in factors.T.astype(float)], axis=1)
    assert dci(codes, factors, train=600, test=300, seed=None) == pytest.approx((1, 1, 1), abs=0.02)


def test_estimators_agree_on_ranks():
    factors = np.random.default_rng(0).integers(0, [5, 6], size=(900, 2))
    codes = np.exp(8 * (factors + np.random.default_rng(1).normal(0, 0.6, factors.shape)))
    few = {"train": 600, "test": 300, "seed": None}
    assert dci(codes, factors, **few) == pytest.approx(
        dci(codes, factors, **few, estimator="sklearn"), abs=0.02
    )
