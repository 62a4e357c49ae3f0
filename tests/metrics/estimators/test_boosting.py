"""Boosted trees against scikit-learn's GradientBoostingClassifier, and what must hold by definition."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.boosting import BoostedFit, fit_boosted_trees

ROWS = 600  # to train on, and as many to test on


def noisy_codes(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels, and codes [2 ROWS, 4]: noisy labels, squares, noise, a dead one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, 2 * ROWS)
    noise = rng.standard_normal((3, 2 * ROWS))
    codes = np.stack([labels + noise[0], labels**2 + noise[1], noise[2], np.full(2 * ROWS, 0.3)], axis=1)
    return codes.astype(np.float32), labels


def fit(codes: np.ndarray, labels: np.ndarray, **settings: float) -> BoostedFit:
    return fit_boosted_trees(codes[:ROWS], labels[:ROWS], codes[ROWS:], labels[ROWS:], **settings)


def fit_sklearn(
    codes: np.ndarray, labels: np.ndarray, *, stages: int = 100, depth: int = 3, learning_rate: float = 0.1
) -> BoostedFit:
    model = GradientBoostingClassifier(
        n_estimators=stages, max_depth=depth, learning_rate=learning_rate, random_state=0
    ).fit(codes[:ROWS], labels[:ROWS])
    scores = (model.score(codes[part], labels[part]) for part in (slice(ROWS), slice(ROWS, None)))
    return BoostedFit(model.feature_importances_, *scores)


@pytest.mark.parametrize(
    ("classes", "settings"),
    [
        (2, {"depth": 1}),
        (2, {"stages": 30, "depth": 2}),
        (2, {"stages": 10}),
        (3, {"stages": 50, "depth": 1}),
        (3, {"stages": 10, "depth": 2, "learning_rate": 0.05}),
        (9, {"stages": 30, "depth": 1}),
    ],
)
def test_equals_sklearn_where_no_splits_tie(classes, settings):
    codes, labels = noisy_codes(classes)
    ours, theirs = fit(codes, labels, **settings), fit_sklearn(codes, labels, **settings)
    np.testing.assert_allclose(ours.importances, theirs.importances, atol=1e-9)
    assert ours.train_accuracy == theirs.train_accuracy
    assert ours.test_accuracy == theirs.test_accuracy


@pytest.mark.parametrize("classes", [4, 12])
def test_agrees_with_sklearn_where_small_nodes_tie(classes):
    codes, labels = noisy_codes(classes, seed=1)
    ours, theirs = fit(codes, labels), fit_sklearn(codes, labels)
    np.testing.assert_allclose(ours.importances, theirs.importances, atol=0.01)
    assert ours.train_accuracy == pytest.approx(theirs.train_accuracy, abs=0.01)
    assert ours.test_accuracy == pytest.approx(theirs.test_accuracy, abs=0.02)


@pytest.mark.parametrize("scale", [1e-4, 1e-6])
def test_agrees_with_sklearn_on_codes_that_are_close_to_the_tolerance(scale):
    codes, labels = noisy_codes(3)
    ours, theirs = fit(codes * scale, labels, stages=20), fit_sklearn(codes * scale, labels, stages=20)
    np.testing.assert_allclose(ours.importances, theirs.importances, atol=0.01)


def test_twins_share_the_importance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 2 * ROWS)
    strong = labels + 0.05 * rng.standard_normal(2 * ROWS)
    # An exact twin, and one that orders the labels alike but has only six values, hence other bins.
    codes = np.stack([strong, strong, np.exp(labels), rng.standard_normal(2 * ROWS)], axis=1)
    importances = np.mean([fit(codes, labels, stages=30, seed=seed).importances for seed in range(8)], axis=0)
    np.testing.assert_allclose(importances, [1 / 3, 1 / 3, 1 / 3, 0], atol=0.06)


def test_seed_decides_about_ties_only():
    codes, labels = noisy_codes(2)
    twice = np.hstack([codes, codes])
    first, again, other = (fit(twice, labels, stages=10, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.importances, again.importances)
    assert np.abs(first.importances - other.importances).max() > 1e-3
    assert first.train_accuracy == other.train_accuracy
    once, again = (fit(codes, labels, stages=10, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(once.importances, again.importances)


def test_importances_are_shares_and_a_dead_code_has_none():
    importances = fit(*noisy_codes(5), stages=10).importances
    assert importances.dtype == np.float64
    assert importances.sum() == pytest.approx(1, abs=1e-12)
    assert importances[0] > importances[2] > 0
    assert importances[3] == 0


def test_only_dead_codes_predict_the_most_frequent_label():
    labels = np.array([4, 7, 7, 9])
    result = fit_boosted_trees(np.ones((4, 2)), labels, np.ones((2, 2)), np.array([7, 9]))
    np.testing.assert_array_equal(result.importances, [0, 0])
    assert (result.train_accuracy, result.test_accuracy) == (0.5, 0.5)


def test_two_equal_classes_without_evidence_go_to_the_second():
    result = fit_boosted_trees(np.ones((4, 1)), np.array([3, 3, 8, 8]), np.ones((2, 1)), np.array([8, 8]))
    assert (result.train_accuracy, result.test_accuracy) == (0.5, 1.0)


def test_one_class_needs_no_split():
    codes, _ = noisy_codes(2)
    labels = np.full(2 * ROWS, 3)
    labels[ROWS] = 4  # unseen in training
    result = fit(codes, labels)
    np.testing.assert_array_equal(result.importances, np.zeros(4))
    assert result.train_accuracy == 1
    assert result.test_accuracy == 1 - 1 / ROWS


@pytest.mark.parametrize("classes", [2, 5])
def test_labels_may_be_any_integers(classes):
    codes, labels = noisy_codes(classes)
    renamed = np.array([-40, -3, 0, 7, 1000])[labels]
    ours, theirs = fit(codes, renamed, stages=10), fit(codes, labels, stages=10)
    np.testing.assert_array_equal(ours.importances, theirs.importances)
    assert ours[1:] == theirs[1:]


def test_label_unseen_in_training_is_an_error():
    codes, labels = noisy_codes(3)
    labels[ROWS:] = 99
    assert fit(codes, labels, stages=3).test_accuracy == 0


def test_perfect_code_is_all_that_matters():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 2 * ROWS)
    codes = np.stack([rng.standard_normal(2 * ROWS), labels], axis=1)
    result = fit(codes, labels)
    np.testing.assert_allclose(result.importances, [0, 1], atol=1e-9)
    assert (result.train_accuracy, result.test_accuracy) == (1, 1)


@pytest.mark.parametrize(
    ("codes", "labels", "settings", "message"),
    [
        (np.ones((4, 2)), np.arange(3), {}, r"codes \(4, 2\) and labels \(3,\) do not match"),
        (np.ones(4), np.arange(4), {}, r"codes \(4,\) and labels \(4,\) do not match"),
        (np.ones((0, 2)), np.arange(0), {}, r"codes \(0, 2\) and labels \(0,\) do not match"),
        (np.array([[1.0], [np.nan]]), np.arange(2), {}, "NaN"),
        (np.array([[1.0], [1e39]]), np.arange(2), {}, "beyond float32"),
        (np.ones((2, 3)), np.arange(2), {}, "training rows have 3 codes, test rows 1"),
        (np.ones((2, 1)), np.arange(2), {"depth": 0}, "cannot have depth 0"),
        (np.ones((2, 1)), np.arange(2), {"depth": 8}, "between 1 and 7"),
    ],
)
def test_bad_input_is_refused(codes, labels, settings, message):
    with pytest.raises(InputError, match=message):
        fit_boosted_trees(codes, labels, np.ones((2, 1)), np.arange(2), **settings)
