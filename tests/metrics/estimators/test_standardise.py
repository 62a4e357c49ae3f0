"""Codes at mean 0 and variance 1, and codes near 0."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.metrics.estimators.standardise import remove_offset, standardise

CODES = np.random.default_rng(0).standard_normal((50, 3)) * [1, 5, 0.1]


def test_means_are_0_and_variances_1():
    standard = standardise(CODES)
    assert np.allclose(standard.mean(axis=0), 0, atol=1e-14)
    assert np.allclose(standard.var(axis=0), 1)
    assert np.allclose(standard, (CODES - CODES.mean(axis=0)) / CODES.std(axis=0))


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e30])
def test_units_do_not_matter(unit):
    assert np.allclose(standardise(CODES * unit), standardise(CODES), atol=1e-12)


def test_a_code_that_varies_little_around_a_large_value():
    steps = np.array([[0.0], [1.0], [2.0], [3.0]])
    close = 1e6 + steps * np.spacing(1e6)
    assert np.allclose(standardise(close), standardise(steps), atol=1e-14)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e30])
def test_a_constant_code_is_zero(value):
    codes = np.insert(CODES.astype(np.float32), 1, value, axis=1).astype(float)
    assert (standardise(codes)[:, 1] == 0).all()


def test_other_rows_are_seen_by_the_training_rows():
    training = np.array([[0.0, 5.0], [2.0, 5.0]])
    testing = np.array([[4.0, 6.0], [1.0, 5.0]])
    assert standardise(testing, like=training).tolist() == [[3.0, 0.0], [0.0, 0.0]]


def test_only_what_is_far_from_0_is_shifted_there():
    codes = np.random.default_rng(0).standard_normal((50, 4))
    codes[:, 1] = 1 + np.abs(codes[:, 1])
    codes[:, 2] = np.arange(50) + 2.0**52
    codes[:, 3] = -1 - 2.0**-52 * np.arange(50)
    shifted = remove_offset(codes)
    assert np.array_equal(shifted[:, :2], codes[:, :2])
    assert np.array_equal(shifted[:, 2:], np.outer(np.arange(50), [1, -(2.0**-52)]))
