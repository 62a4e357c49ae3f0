"""The values between which each latent of a played cell moves."""

import numpy as np
import pytest

from dis_bench.records.pictures import Pictures
from dis_bench.reports.play.images import find_reach


def pictures(last, kl=None):
    images = np.zeros((1, 1, 4, 4), dtype=np.uint8)
    values = np.linspace(-last, last, 9)
    return Pictures(images, images, np.zeros((2, 9, 1, 4, 4), np.uint8), values, kl)


@pytest.fixture
def codes():
    """Return codes [N, 2], from -1.5 to 4.5 and from -0.4 to 0.6."""
    return np.linspace([-1.5, -0.4], [4.5, 0.6], 101)


def test_latents_of_a_posterior_go_as_far_as_their_prior(codes):
    low, high = find_reach(pictures(3.0, np.ones(2)), codes)
    assert (low.tolist(), high.tolist()) == ([-3, -3], [3, 3])


def test_other_latents_go_as_far_as_the_codes(codes):
    low, high = find_reach(pictures(3.0), codes)
    np.testing.assert_allclose(low, codes[1])
    np.testing.assert_allclose(high, codes[-2])


def test_no_latent_leaves_the_range_that_a_model_was_trained_on(codes):
    low, high = find_reach(pictures(1.0), codes)
    np.testing.assert_allclose(low, [-1, -0.39])
    np.testing.assert_allclose(high, [1, 0.59])


def test_a_latent_read_from_one_value_has_all_of_its_range():
    low, high = find_reach(pictures(1.0), np.full((5, 2), [2.0, 0.25]))
    assert (low.tolist(), high.tolist()) == ([-1, -1], [1, 1])
