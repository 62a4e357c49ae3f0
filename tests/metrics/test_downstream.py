"""Downstream accuracy: closed forms, few labels, and classes that no label shows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from dis_bench.errors import InputError
from dis_bench.metrics import score
from dis_bench.metrics.downstream import downstream

from .cases import CASES, load_case, whole_grid

BITS = np.tile(whole_grid(2, 2), (50, 1))
SMALL = {"labels": (10, 100), "test": 100, "seed": None}


def test_columns_are_named_after_the_number_of_labels():
    codes, factors = load_case("B_identity")
    scores = score(codes, factors, ["downstream"])
    assert list(scores.index) == ["downstream_10", "downstream_100", "downstream_1000", "downstream_10000"]
    assert scores.is_monotonic_increasing
    assert scores["downstream_10000"] == 1.0


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (BITS, 1.0),
        (BITS * [1e-6, -1e6] + [3, 1e5], 1.0),
        (np.hstack([BITS, BITS]), 1.0),
        (BITS[:, :1], 0.75),  # one factor is told, the other guessed
        (BITS.sum(axis=1, keepdims=True) % 2, 0.5),  # exclusive or
        (np.zeros((200, 2)), 0.5),
        (np.full((200, 1), 3.7), 0.5),
    ],
    ids=["identity", "scaled", "twice", "missing", "xor", "dead", "dead_at_3.7"],
)
def test_closed_forms(codes, expected):
    assert downstream(codes.astype(float), BITS, **SMALL)["100"] == pytest.approx(expected, abs=1e-12)


def test_values_that_no_label_shows_are_never_predicted():
    values = np.concatenate([np.arange(20) % 2, np.arange(80) % 4])[:, None]
    scores = downstream(values.astype(float), values, labels=(20,), test=80, seed=None)
    assert scores == {"20": 0.5}  # of the four values in the test rows two are known


def test_labels_of_one_value_predict_that_value():
    values = np.concatenate([np.zeros(10, int), np.arange(90) % 3])[:, None]
    scores = downstream(values.astype(float), values, labels=[1, 10, 40], test=60, seed=None)
    assert scores["1"] == scores["10"] == pytest.approx(1 / 3)
    assert scores["40"] > 0.9
    alone = downstream(values.astype(float), values, labels=[10], test=90, seed=None)
    assert alone["10"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("case", ["A_vae_like", "B_warp"])
def test_it_is_scikit_learn_s_accuracy(case):
    codes, factors = load_case(case)
    accuracies = []
    scaled = codes - codes[:1_000].mean(axis=0)
    scaled /= np.where(np.ptp(codes, axis=0) > 0, codes[:1_000].std(axis=0), 1)
    for factor in factors.T:
        classifier = LogisticRegression(C=1e4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(scaled[:100], factor[:100])
        accuracies.append(classifier.score(scaled[1_000:6_000], factor[1_000:6_000]))
    ours = downstream(codes, factors, labels=(100, 1_000), seed=None)
    assert ours["100"] == pytest.approx(np.mean(accuracies), abs=0.005)


# The published protocol, which cross-validates the penalty, on the same rows.
CROSS_VALIDATED = {"A_identity": 0.998, "A_noise05": 0.338, "A_vae_like": 0.565}


@pytest.mark.parametrize("case", CROSS_VALIDATED)
def test_it_is_near_the_published_protocol_with_10000_labels(case):
    ours = downstream(*load_case(case), labels=(10_000,), seed=None)
    assert ours["10000"] == pytest.approx(CROSS_VALIDATED[case], abs=0.01)


def test_chance_is_what_noise_scores():
    _, factors = load_case("A_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    chance = np.mean(1 / np.array([3, 6, 40, 32, 32]))
    assert downstream(noise, factors, labels=(1_000,))["1000"] == pytest.approx(chance, abs=0.01)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"labels": ()}, r"labels must be distinct whole numbers of at least 1, but \[\] was given"),
        ({"labels": (0, 10)}, "labels must be distinct whole numbers of at least 1"),
        ({"labels": (10, 10)}, r"labels must be distinct whole numbers of at least 1, but \[10, 10\]"),
        ({"labels": (10.0,)}, "each of labels of downstream must be a whole number, but 10.0"),
        ({"labels": (True,)}, "each of labels of downstream must be a whole number, but True"),
        ({"labels": 100}, "labels of downstream must be a list such as .*, but 100"),
        ({"penalty": float("nan")}, "penalty of downstream must be a finite number, but nan"),
        ({"penalty": -1.0}, "penalty must be at least 0, but -1.0"),
        ({"test": 0}, "test must be at least 1, but 0"),
        ({"labels": (20_000,)}, "needs 20000 labelled and 5000 test rows, but there are 15000"),
    ],
)
def test_refusals(parameters, message):
    with pytest.raises(InputError, match=message):
        downstream(*load_case("B_identity"), **parameters)


@pytest.mark.parametrize("labels", [(5, 5), (0, 5), (5, 500, 500), (0, 500)])
def test_labels_are_refused_as_given_where_the_protocol_would_be_cut(labels):
    with pytest.raises(InputError) as refusal:
        downstream(BITS, BITS, labels=labels, allow_small=True)
    assert f"at least 1, but {list(labels)} was given" in str(refusal.value)


def test_labels_that_there_are_rows_for_stay_in_a_small_table():
    accuracies = downstream(BITS, BITS, labels=(10, 50), allow_small=True)
    assert accuracies == downstream(BITS, BITS, labels=(10, 50), test=150)


def test_all_cases_can_be_scored():
    for case in CASES:
        codes, factors = load_case(case)
        assert all(0 < value <= 1 for value in downstream(codes, factors, labels=(10, 100)).values())
