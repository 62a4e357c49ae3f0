"""Multinomial logistic regression with scikit-learn's solution, in a fraction of its time.

:func:`fit_logistic` minimises the objective of scikit-learn's ``LogisticRegression()`` with the same L-BFGS,
the same start and the same stopping rules, so it stops where scikit-learn does, converged or not. It is
faster because rows are along the last axis, and because metrics call it under
:func:`~dis_bench.metrics.estimators.threads.map_threads`, which multiplies matrices on one thread: the
matrices are so narrow that several threads would mostly wait for each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class LogisticFit(NamedTuple):
    """A linear classifier.

    Attributes:
        weights: [V, D], per class and code.
        intercepts: [V], per class.
    """

    weights: Array
    intercepts: Array

    def log_probabilities(self, codes: Array) -> Array:
        """Compute the log-probability of each class [N, V], for codes [N, D]."""
        scores = codes @ self.weights.T + self.intercepts
        scores -= scores.max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    def predict(self, codes: Array) -> NDArray[np.int64]:
        """Return the most likely class [N], for codes [N, D]."""
        return (codes @ self.weights.T + self.intercepts).argmax(axis=1)


def fit_logistic(
    codes: Array, labels: NDArray[np.int64], *, penalty: float = 1.0, balanced: bool = False
) -> LogisticFit:
    """Fit a linear classifier, in at most 100 iterations.

    Args:
        codes: [N, D], preferably at unit variance.
        labels: [N], from 0 to V - 1; each class occurs, and there are at least two.
        penalty: factor on half the squared weights, added to the log-loss summed over rows; scikit-learn's
            1/C.
        balanced: whether to weight rows so that all classes have the same total weight.
    """
    from scipy.optimize import minimize

    counts = np.bincount(labels)
    n_rows, n_classes = len(labels), len(counts)
    row_weights = (1 / (n_classes * counts) if balanced else np.full(n_classes, 1 / n_rows))[labels]
    columns = np.vstack([codes.T, np.ones(n_rows)])
    # Two classes have a single vector of weights; the first class scores 0.
    n_free = 1 if n_classes == 2 else n_classes
    truth = labels, np.arange(n_rows)

    def loss_and_gradient(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(n_free, -1)
        scores = np.zeros((n_classes, n_rows))
        np.matmul(weights, columns, out=scores[-n_free:])
        scores -= scores.max(axis=0)
        true_scores = scores[truth]
        exponentials = np.exp(scores, out=scores)
        totals = exponentials.sum(axis=0)
        loss = row_weights @ (np.log(totals) - true_scores)
        slopes = np.multiply(exponentials, row_weights / totals, out=exponentials)
        slopes[truth] -= row_weights
        gradient = slopes[-n_free:] @ columns.T
        loss += penalty / n_rows / 2 * np.square(weights[:, :-1]).sum()
        gradient[:, :-1] += penalty / n_rows * weights[:, :-1]
        return float(loss), gradient.ravel()

    stop = {"maxiter": 100, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
    start = np.zeros(n_free * len(columns))
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=stop).x
    weights = np.zeros((n_classes, len(columns)))
    weights[-n_free:] = found.reshape(n_free, -1)
    return LogisticFit(weights[:, :-1], weights[:, -1])
