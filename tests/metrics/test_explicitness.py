"""Explicitness against its reference, scikit-learn, and values that follow from its definition."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from dis_bench.errors import InputError
from dis_bench.metrics.explicitness import areas_under_curves, explicitness

from .cases import CASES, load_case, reference

BITS = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (30, 1))  # two independent bits, equally often
HALVES = {"train": 80, "test": 40, "seed": None}


@pytest.mark.parametrize("case", [case for case in CASES if "explicitness" in reference(case)])
def test_agrees_with_the_reference(case):
    # The reference fits in float32 and stops at other digits of the optimum.
    assert explicitness(*load_case(case), seed=None) == pytest.approx(
        reference(case)["explicitness"]["score"], abs=1e-4
    )


def test_scores_dead_codes_which_the_reference_cannot():
    codes, factors = load_case("A_vae_like")  # the last of ten codes is dead
    expected = explicitness(codes[:, :9], factors, seed=None)
    assert explicitness(codes, factors, seed=None) == expected
    codes = codes.copy()
    codes[:, 9] = 3.7
    assert explicitness(codes, factors, seed=None) == expected


def test_is_what_scikit_learn_gives():
    codes, factors = load_case("A_vae_like")
    codes, factors = codes[:1_500].astype(float), factors[:1_500]
    standard = codes[:, :9] - codes[:1_000, :9].mean(axis=0)
    standard /= codes[:1_000, :9].std(axis=0)
    areas = []
    for factor in factors.T:
        model = LogisticRegression().fit(standard[:1_000], factor[:1_000])
        truth = np.eye(factor.max() + 1)[factor[1_000:]]
        areas.append(roc_auc_score(truth, model.predict_proba(standard[1_000:])))
    ours = explicitness(codes, factors, train=1_000, test=500, seed=None)
    assert ours == pytest.approx(np.mean(areas), abs=1e-6)


def test_areas_with_ties_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    values, scores = rng.integers(0, 4, 200), rng.integers(0, 6, (200, 4)).astype(float)
    expected = roc_auc_score(np.eye(4)[values], scores, average=None)
    assert areas_under_curves(scores, values) == pytest.approx(expected)


def test_areas_by_hand():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.1, 0.9]])
    assert areas_under_curves(scores, np.array([0, 0, 1, 1])) == pytest.approx([3 / 4, 3 / 4])
    assert areas_under_curves(np.zeros((4, 2)), np.array([0, 0, 1, 1])) == pytest.approx([0.5, 0.5])
    # A value that does not occur has no area.
    assert areas_under_curves(np.hstack([scores, scores]), np.array([0, 0, 3, 3])) == pytest.approx(
        [3 / 4] * 2
    )


def test_closed_forms_of_two_bits():
    assert explicitness(BITS, BITS, **HALVES) == 1.0
    assert explicitness(np.hstack([BITS, BITS]), BITS, **HALVES) == 1.0
    assert explicitness(BITS @ [[1, 1], [1, -1]], BITS, **HALVES) == 1.0  # any linear mixture will do
    assert explicitness(BITS[:, :1], BITS, **HALVES) == pytest.approx(0.75)  # all of one, chance of the other
    exclusive_or = np.logical_xor(*BITS.T)[:, None]
    assert explicitness(exclusive_or, BITS, **HALVES) == pytest.approx(0.5)  # no linear function of the code


def test_dead_codes_alone_score_chance():
    for value in (0.0, 3.7):
        assert explicitness(np.full(BITS.shape, value), BITS, **HALVES) == 0.5
        assert explicitness(np.full((len(BITS), 1), value), BITS, **HALVES) == 0.5


def test_noise_scores_chance():
    _, factors = load_case("B_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    assert explicitness(noise, factors) == pytest.approx(0.5, abs=0.02)


def test_neither_scale_nor_shift_nor_rotation_matters():
    codes, factors = load_case("A_rot_pairs")
    few = {"train": 2_000, "test": 1_000}
    expected = explicitness(codes, factors, **few)
    moved = codes * np.array([1e-6, 1e3, 1, 1, 1]) + [5, 0, -200, 0, 0]
    assert explicitness(moved, factors, **few) == pytest.approx(expected, abs=1e-4)
    assert explicitness(load_case("A_identity")[0], factors, **few) == pytest.approx(expected, abs=2e-3)


def test_values_missing_in_training_or_test_rows():
    factor = np.repeat([0, 1, 2, 0, 1, 3], 10)[:, None]
    codes = factor.astype(float)
    # Value 2 has no test row. Value 3 has no training row, so all test rows are equally unlikely to have it.
    score = explicitness(codes, factor, train=30, test=30, seed=None)
    assert score == pytest.approx((1 + 1 / 2 + 1 / 2) / 3, abs=0.2)
    alone = np.array([0, 1, 0, 1, 0, 2] * 5)[:, None]
    assert 0 <= explicitness(alone.astype(float), alone, train=5, test=25, seed=None) <= 1


def test_a_factor_of_one_value_in_the_test_rows_is_left_out():
    factors = np.stack([np.repeat([0, 1, 1], 40), *BITS.T], axis=1)
    codes = BITS[:, :1].astype(float)  # of the first factor nothing, of the second all, of the third nothing
    assert explicitness(codes, factors, **HALVES) == pytest.approx((1 + 0.5) / 2)


def test_refuses_test_rows_in_which_no_factor_varies():
    factor = np.repeat([0, 1, 1], 10)[:, None]
    with pytest.raises(InputError, match="explicitness: every factor has a single value in the 10 test rows"):
        explicitness(factor.astype(float), factor, train=20, test=10, seed=None)
