"""SAP against its reference and against values that follow from its definition."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics import Representation
from dis_bench.metrics.sap import accuracy_matrix, r2_matrix, sap, sap_continuous

from .cases import CASES, load_case, reference

BITS = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (30, 1))  # two independent bits, equally often
HALVES = {"train": 80, "test": 40, "seed": None}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case):
    table = Representation(*load_case(case), seed=None)
    published = reference(case)["sap"]
    assert sap(table) == pytest.approx(published["score"], abs=0.002)
    live = (
        np.ptp(table.codes, axis=0) > 0
    )  # for a dead code, liblinear does not quite guess the most common class
    accuracies = accuracy_matrix(table, 10_000, 5_000)
    assert np.allclose(accuracies[live], np.array(published["accuracies"])[live], atol=0.002)
    assert np.allclose(accuracies, published["accuracies"], atol=0.01)


@pytest.mark.parametrize("case", CASES)
def test_the_continuous_variant_agrees_with_the_reference(case):
    table = Representation(*load_case(case), seed=None)
    published = reference(case)["sap_continuous"]
    assert sap_continuous(table) == pytest.approx(published["score"], abs=1e-6)
    assert np.allclose(r2_matrix(table.rows(10_000)), published["r2"], atol=1e-6)


def test_closed_forms_of_two_bits():
    assert sap(BITS, BITS, **HALVES) == 0.5  # always right with one code, half of the time with the other
    assert sap(BITS[:, ::-1], BITS, **HALVES) == 0.5
    assert sap(np.hstack([BITS, BITS]), BITS, **HALVES) == 0.0
    assert sap(BITS[:, :1], BITS, **HALVES) == 0.25  # a single code, against guessing


def test_a_dead_code_is_as_good_as_guessing_wherever_it_lies():
    codes, factors = load_case("A_vae_like")
    factors = np.where(factors < 2, factors, 2)  # guessing is far from even
    for value in (0.0, 3.7, -1e6):
        codes = codes.copy()
        codes[:, 9] = value
        table = Representation(codes, factors, seed=None)
        training, testing = table.split(3_000, 1_000)
        commonest = [np.bincount(column).argmax() for column in training.factors.T]
        guessing = (testing.factors == commonest).mean(axis=0)
        assert np.array_equal(accuracy_matrix(table, 3_000, 1_000)[9], guessing)


def test_dead_codes_alone_score_zero():
    assert sap(np.full(BITS.shape, 3.7), BITS, **HALVES) == 0.0
    assert sap(np.full((len(BITS), 1), 3.7), BITS, **HALVES) == 0.0
    assert sap_continuous(np.full(BITS.shape, 3.7), BITS, rows=120) == 0.0


def test_r2_of_known_codes():
    codes = np.stack([3 - 2.0 * BITS[:, 0], BITS.sum(axis=1), np.full(len(BITS), 0.1)], axis=1)
    r2 = r2_matrix(Representation(codes, BITS, seed=None).rows(120))
    assert np.allclose(r2, [[1, 0], [0.5, 0.5], [0, 0]], atol=1e-15)
    assert sap_continuous(codes, BITS, rows=120) == pytest.approx(0.5)  # 1 - 0.5, and 0.5 - 0


def test_noise_scores_next_to_nothing():
    codes = np.random.default_rng(0).standard_normal((15_000, 4))
    assert 0 <= sap(codes, load_case("A_identity")[1]) < 0.01


def rare_factors(rows=15_000):
    """Return two factors with a common value, in 95% and 80% of the rows."""
    rng = np.random.default_rng(0)
    factors = np.stack([rng.random(rows) < 0.05, np.minimum(rng.geometric(0.8, rows) - 1, 4)], axis=1)
    return factors.astype(int), rng


def test_a_dead_code_beside_others_changes_nothing_on_unbalanced_factors():
    """It would guess better than any fit with balanced classes, and score 0.22 beside noise."""
    factors, rng = rare_factors()
    for codes in (rng.standard_normal((len(factors), 3)), factors.astype(float)):
        alone = sap(codes, factors)
        for position in (0, codes.shape[1]):
            assert sap(np.insert(codes, position, 3.7, axis=1), factors) == alone
        assert sap(np.hstack([codes, np.zeros((len(codes), 2))]), factors) == alone


def test_a_single_code_that_is_worse_than_guessing_scores_0():
    factors, rng = rare_factors()
    noise = rng.standard_normal((len(factors), 1))
    table = Representation(noise, factors)
    guessing = (table.factors[10_000:] == 0).mean(axis=0)
    assert guessing == pytest.approx([0.95, 0.8], abs=0.01)
    accuracies = accuracy_matrix(table, 10_000, 5_000)[0]
    assert accuracies[0] < 0.6
    assert (accuracies <= guessing).all()
    assert sap(noise, factors) == 0.0
    assert sap(np.insert(noise, 0, 0, axis=1), factors) == 0.0


def test_a_dead_code_changes_nothing_in_the_continuous_variant():
    factors, rng = rare_factors()
    for codes in (rng.standard_normal((len(factors), 1)), factors + 0.3 * rng.standard_normal(factors.shape)):
        with_dead = np.insert(codes, 0, 3.7, axis=1)
        assert sap_continuous(with_dead, factors) == pytest.approx(sap_continuous(codes, factors), abs=1e-12)


@pytest.mark.parametrize(("scale", "shift"), [(1, 1e13), (2.0**-46, 1), (1, -(2.0**52))])
def test_neither_scale_nor_shift_matters_to_the_continuous_variant(scale, shift):
    factors = np.random.default_rng(0).integers(0, [3, 6, 8], (10_000, 3))
    expected = sap_continuous(factors, factors)
    assert sap_continuous(scale * factors + shift, factors) == pytest.approx(expected, abs=1e-12)


def test_codes_that_hardly_vary_in_the_rows_that_are_read():
    rng = np.random.default_rng(0)
    codes, factors = rng.standard_normal((200, 2)), rng.integers(0, 3, (200, 2))
    tiny = np.vstack([codes[:100] * 1e-200, codes[100:]])
    expected = sap_continuous(codes, factors, seed=None, rows=100)
    assert sap_continuous(tiny, factors, seed=None, rows=100) == pytest.approx(expected, abs=1e-12)


def test_a_factor_of_many_values_is_scored_without_warnings():
    values = np.arange(120) // 2
    factors = np.stack([values, BITS[:, 0]], axis=1)
    assert 0 <= sap(BITS, factors, train=80, test=40) <= 1  # a warning would be raised
