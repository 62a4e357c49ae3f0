"""Logistic regression against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from dis_bench.metrics.estimators.logistic import fit_logistic
from dis_bench.metrics.estimators.standardise import standardise

from ..cases import load_case


def codes_and_labels(factor, rows=2_000):
    codes, factors = load_case("A_vae_like")
    return standardise(codes[:rows].astype(float)), factors[:rows, factor]


@pytest.mark.parametrize("factor", [0, 1, 3])
@pytest.mark.parametrize(("penalty", "balanced"), [(1.0, False), (0.0, True), (1e-4, False), (10.0, True)])
def test_it_is_scikit_learn_s_solution(factor, penalty, balanced):
    codes, labels = codes_and_labels(factor)
    if factor == 0:
        labels = labels // 2  # two classes
    theirs = LogisticRegression(
        C=1 / penalty if penalty else np.inf, class_weight="balanced" if balanced else None
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(codes, labels)
    ours = fit_logistic(codes, labels, penalty=penalty, balanced=balanced)
    log_probabilities = ours.log_probabilities(codes)
    assert np.allclose(np.exp(log_probabilities).sum(axis=1), 1)
    assert np.allclose(np.exp(log_probabilities), theirs.predict_proba(codes), atol=0.01)
    assert np.mean(ours.predict(codes) == theirs.predict(codes)) > 0.999
    truth = np.arange(len(labels)), labels
    assert log_probabilities[truth].mean() == pytest.approx(
        np.log(theirs.predict_proba(codes)[truth]).mean(), abs=1e-4
    )


def test_balanced_classes_weigh_the_same_whatever_their_size():
    labels = np.repeat([0, 1, 2], [100, 10, 1])
    fit = fit_logistic(np.zeros((111, 2)), labels, balanced=True)
    assert np.allclose(np.exp(fit.log_probabilities(np.zeros((1, 2)))), 1 / 3, atol=1e-4)
    by_size = fit_logistic(np.zeros((111, 2)), labels)
    assert np.allclose(
        np.exp(by_size.log_probabilities(np.zeros((1, 2)))), np.array([[100, 10, 1]]) / 111, atol=1e-3
    )


def test_the_penalty_shrinks_weights_but_not_intercepts():
    codes, labels = codes_and_labels(1)
    norms = [np.linalg.norm(fit_logistic(codes, labels, penalty=p).weights) for p in (0.1, 10, 1e3, 1e7)]
    assert norms == sorted(norms, reverse=True)
    shares = np.bincount(labels) / len(labels)
    flat = fit_logistic(codes, labels, penalty=1e7)
    assert np.allclose(np.exp(flat.log_probabilities(codes[:1]))[0], shares, atol=0.01)


def test_large_scores_do_not_overflow():
    codes = np.array([[-1e4], [1e4]] * 10)
    fit = fit_logistic(codes, np.tile([0, 1], 10), penalty=0.0)
    assert np.isfinite(fit.log_probabilities(codes)).all()
    assert (fit.predict(codes) == np.tile([0, 1], 10)).all()
