"""Information from nearest neighbours: against scikit-learn's, by hand, and against the truth."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif

from dis_bench.metrics.estimators.nearest_neighbours import neighbour_information, separate_values

from ..cases import load_case


def generator(purpose):
    """Return random numbers for one purpose."""
    return np.random.default_rng(zlib.crc32(purpose.encode()))


def slow_information(code, labels, neighbours):
    """Compute Ross's equations row by row."""
    terms = []
    chosen = np.bincount(labels)[labels] > 1
    code, labels = code[chosen], labels[chosen]
    for row, label in enumerate(labels):
        same = np.sort(np.abs(code[labels == label] - code[row]))
        k = min(neighbours, len(same) - 1)
        closer = (np.abs(code - code[row]) < same[k]).sum()
        terms.append(digamma(k) - digamma(len(same)) - digamma(closer))
    return max(0.0, digamma(len(code)) + np.mean(terms))


@pytest.mark.parametrize("neighbours", [1, 3, 10, 100])
def test_it_is_ross_s_estimate(neighbours):
    rng = np.random.default_rng(neighbours)
    labels = np.append(rng.integers(0, 4, 150), [4, 5, 5])  # one label has one row, one has two
    code = labels + rng.standard_normal(len(labels))
    ours = neighbour_information(code, labels, neighbours)
    assert ours == pytest.approx(slow_information(code, labels, neighbours), abs=1e-12)
    assert ours > 0.1


@pytest.mark.parametrize("factor", range(5))
def test_it_is_scikit_learn_s_estimate(factor):
    codes, factors = load_case("A_noise05")
    codes, factor = codes[:3_000].astype(float), factors[:3_000, factor]
    theirs = mutual_info_classif(codes, factor, discrete_features=False, n_neighbors=10, random_state=0)
    separate = separate_values(codes, generator)
    ours = [neighbour_information(code, factor, 10) for code in separate.T]
    # Its intervals take in the neighbour at their end now and then, by rounding.
    assert np.allclose(ours, theirs, atol=3e-4)


def test_it_knows_the_truth():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 20_000)
    overlapping = labels + rng.uniform(0, 2, len(labels))  # half of the time the label shows
    assert neighbour_information(overlapping, labels) == pytest.approx(np.log(2) / 2, abs=0.02)
    assert neighbour_information(rng.standard_normal(len(labels)), labels) < 0.01
    separate = separate_values(labels[:, None].astype(float), generator)[:, 0]
    assert neighbour_information(separate, labels) == pytest.approx(np.log(2), abs=0.01)


def test_labels_that_occur_once_tell_nothing():
    assert neighbour_information(np.arange(5.0), np.arange(5)) == 0.0


def test_equal_values_are_separated_alike_in_every_code():
    codes = np.repeat([[1.0, 3.7, 1e30], [2.0, 3.7, 0.0]], 500, axis=0)
    separate = separate_values(codes, generator)
    # Two numbers next to 1 may round to the same one, even so.
    assert all(len(np.unique(code)) > 0.99 * len(codes) for code in separate.T)
    assert np.ptp(separate[:500], axis=0).max() < 1e-8
    alone = separate_values(codes[:, [2]], generator)
    assert np.array_equal(alone[:, 0], separate[:, 2])


def test_noise_is_drawn_by_the_order_of_the_values():
    up = np.repeat([0.0, 1.0], 500)
    other = np.tile([0.0, 1.0], 500)
    separate = separate_values(np.stack([up, 1024 * up - 7, other], axis=1), generator)
    assert np.array_equal(separate[:, 0], separate[:, 1])
    noise = separate - np.sign(separate)
    assert np.corrcoef(noise.T)[0, 2] == pytest.approx(0, abs=0.1)
    # At 1 a float64 has steps of 1.1 to 2.2 in 10^16: 10^-10 of noise keeps six digits.
    assert noise.std(axis=0) == pytest.approx(1e-10 * np.ones(3), rel=0.1)
