"""Gradient-boosted trees with scikit-learn's results, in a fraction of its time.

:func:`fit_boosted_trees` does what scikit-learn's ``GradientBoostingClassifier()`` does with its defaults.
The algorithm is Friedman's (2001): his Algorithm 6 for several classes, Algorithm 5 for two. This file
contains the boosting; the trees, which take most of the time, are in ``regression_trees.py``.

References:
    J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 2001.
    scikit-learn, ``sklearn/ensemble/_gb.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from dis_bench.errors import InputError
from dis_bench.metrics.estimators.regression_trees import (
    LEAF,
    MAX_DEPTH,
    Bins,
    Trees,
    add_trees,
    allocate_trees,
    cut_into_bins,
    grow_trees,
    sum_in_bins,
)


class BoostedFit(NamedTuple):
    """The importances and accuracies of a boosted classifier.

    Attributes:
        importances: each code's share of the reduction in squared error `[D]`; zeros if nothing was split.
        train_accuracy: share of training rows whose label is predicted.
        test_accuracy: share of test rows whose label is predicted.
    """

    importances: np.ndarray
    train_accuracy: float
    test_accuracy: float


def fit_boosted_trees(
    codes_train: np.ndarray,
    labels_train: np.ndarray,
    codes_test: np.ndarray,
    labels_test: np.ndarray,
    *,
    stages: int = 100,
    depth: int = 3,
    learning_rate: float = 0.1,
    seed: int = 0,
) -> BoostedFit:
    """Fit boosted trees that predict labels from codes, and test them.

    Args:
        codes_train: `[N, D]`, compared as float32.
        labels_train: integers `[N]`, in any range.
        codes_test: `[M, D]`.
        labels_test: integers `[M]`. A label that no training row has counts as an error.
        stages: number of boosting stages, each with a tree per class, or with one tree for two classes.
        depth: number of splits between root and leaf, 1 to 7.
        learning_rate: factor on the values of each tree's leaves.
        seed: seed of the order in which codes are tried at each node. It matters only for ties.

    Returns:
        Importances and accuracies. If all training labels are equal, nothing is split.

    Raises:
        InputError: the shapes of the arrays do not match, an array is empty or contains numbers that are not
            finite, or the depth is out of range.

    Example:
        >>> codes = np.random.default_rng(0).random((200, 3))
        >>> fit = fit_boosted_trees(codes, codes[:, 1] > 0.5, codes, codes[:, 1] > 0.5)
        >>> fit.importances.round(2), float(fit.test_accuracy)
        (array([0., 1., 0.]), 1.0)
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise InputError(f"boosted trees cannot have depth {depth}: it must be between 1 and {MAX_DEPTH}.")
    labels_train, labels_test = np.asarray(labels_train), np.asarray(labels_test)
    codes, test_codes = _columns(codes_train, labels_train), _columns(codes_test, labels_test)
    if len(codes) != len(test_codes):
        raise InputError(
            f"training rows have {len(codes)} codes, test rows {len(test_codes)}: they must agree."
        )

    classes, label = np.unique(labels_train, return_inverse=True)
    if len(classes) == 1:
        return BoostedFit(np.zeros(len(codes)), 1.0, float(np.mean(labels_test == classes[0])))
    targets, initial = _targets(label)
    if len(classes) > 2:
        learning_rate *= (len(classes) - 1) / len(classes)  # in Algorithm 6 a factor of the leaf values
    scores, test_scores = np.tile(initial, len(label)), np.tile(initial, len(labels_test))
    gains = np.zeros(len(codes))
    for trees in _boost(targets, scores, cut_into_bins(codes), stages, depth, learning_rate, seed):
        add_trees(test_scores, trees, test_codes)
        split = trees.code != LEAF
        gains += np.bincount(trees.code[split], trees.gain[split], minlength=len(codes))
    return BoostedFit(
        importances=gains / gains.sum() if gains.any() else gains,
        train_accuracy=float(np.mean(classes[_predict(scores)] == labels_train)),
        test_accuracy=float(np.mean(classes[_predict(test_scores)] == labels_test)),
    )


def _columns(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Convert codes to float32 columns `[D, N]`.

    Raises:
        InputError: the shapes do not match, or the codes are not finite in float32.
    """
    shape, label_shape = np.shape(codes), np.shape(labels)
    if len(shape) != 2 or 0 in shape or label_shape != shape[:1]:
        raise InputError(f"codes {shape} and labels {label_shape} do not match: they must be [N, D] and [N].")
    with np.errstate(over="ignore"):
        columns = np.ascontiguousarray(np.asarray(codes, dtype=np.float32).T)
    if not np.isfinite(columns).all():
        raise InputError(
            "the codes contain NaN or numbers beyond float32: only finite codes can be compared."
        )
    return columns


def _targets(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of a stage's trees `[T, N]` and the initial scores `[T, 1]`.

    For two classes, a single tree predicts the second, and its score is the log-odds. For more, each class
    has a tree, and the scores are log-probabilities up to a constant.

    Args:
        label: class of each row `[N]`, from 0 up.
    """
    prior = (np.bincount(label) / len(label))[:, None]
    if len(prior) == 2:
        return label[None] == 1, np.log(prior[1:] / prior[:1])
    return label == np.arange(len(prior))[:, None], np.log(prior)


def _boost(
    targets: np.ndarray,
    scores: np.ndarray,
    bins: Bins,
    stages: int,
    depth: int,
    learning_rate: float,
    seed: int,
) -> Iterator[Trees]:
    """Fit trees to the residuals `[T, N]` stage by stage, and update scores in place.

    The residuals are targets less probabilities. Yields each stage's trees; the next stage overwrites them.
    """
    rng = np.random.default_rng(seed)
    trees = allocate_trees(len(targets), depth)
    trial_orders = np.tile(np.arange(len(bins.codes)), (*trees.code.shape, 1))
    residuals = np.empty_like(scores)
    for _ in range(stages):
        np.subtract(targets, _probabilities(scores, out=residuals), out=residuals)
        sums = sum_in_bins(residuals, bins)
        grow_trees(trees, residuals, bins, sums, rng.permuted(trial_orders, axis=-1))
        np.multiply(trees.value, learning_rate, out=trees.value)
        add_trees(scores, trees, bins.codes)
        yield trees


def _probabilities(scores: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Compute the logistic function of one row of scores, the softmax of several.

    The result is written to ``out``.
    """
    if len(scores) == 1:
        return expit(scores, out=out)
    np.exp(np.subtract(scores, scores.max(axis=0), out=out), out=out)
    return np.divide(out, out.sum(axis=0), out=out)


def _predict(scores: np.ndarray) -> np.ndarray:
    """Return the class `[N]` of the highest score `[T, N]`.

    For two classes, it is the second if its log-odds are at least 0.
    """
    return scores.argmax(axis=0) if len(scores) > 1 else (scores[0] >= 0).astype(np.int64)
