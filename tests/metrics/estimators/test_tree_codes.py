"""Codes for trees: standardised, or ranked where values far out would let the others merge."""

import numpy as np
import pytest

from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.tree_codes import make_tree_codes

RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal(3_000)
LEVELS = RNG.integers(6, size=3_000) / 2


@pytest.mark.parametrize(
    "code",
    [
        NORMAL,
        LEVELS,
        1e-12 * NORMAL + 1e6,
        np.exp(2 * NORMAL),
        RNG.standard_cauchy(3_000),
        LEVELS + 1e-9 * NORMAL,  # levels that rounding has blurred
        np.where(NORMAL > 1, NORMAL, 0.0),
        np.zeros(3_000),
    ],
    ids=["normal", "levels", "shifted", "bent", "cauchy", "blurred", "sparse", "dead"],
)
def test_other_codes_are_standardised(code):
    expected = standardise(code[:, None]).astype(np.float32)
    assert np.array_equal(make_tree_codes(code[:, None], code[:, None]), expected)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize(
    "code",
    [np.exp(12 * LEVELS), np.append(1e9, LEVELS[1:]), np.exp(6 * NORMAL), np.append(-1e12, NORMAL[1:])],
    ids=["bent", "outlier", "heavy", "far"],
)
def test_values_that_would_merge_are_ranked(code, scale):
    given = scale * code[:, None]
    ranks = np.unique(code, return_inverse=True)[1]
    assert np.array_equal(make_tree_codes(given, given)[:, 0], ranks)


def test_test_rows_keep_their_place():
    known = np.append(1e9, LEVELS[1:])[:, None]
    rows = np.array([-1e300, -1.0, 0.0, 0.1, 0.5, 2.5, 5e8, 1e9, 1e300])[:, None]
    assert make_tree_codes(rows, known)[:, 0] == pytest.approx([0, 0, 0, 0.2, 1, 5, 5.5, 6, 6])
