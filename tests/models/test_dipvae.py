"""DIP-VAE: the covariance of means, or of codes, is penalised where it is not the identity."""

import pytest
import torch

from dis_bench.models.autoencoder import gaussian_kl
from dis_bench.models.dipvae import covariance, deviate_from_identity
from tests.models.reference import LOGVAR, MEAN, TOLERANCE, loss_of, terms

# Sums of squares off the diagonal, and of the diagonal less 1.
PENALTIES = {"dipvae1": (0.4714172168, 1.1357100811), "dipvae2": (0.4714172168, 0.1413834432)}
MODELS = pytest.mark.parametrize("name", PENALTIES)


def penalty(name, of, **weights):
    return loss_of(name, of, **weights) - loss_of("vae", of)


@MODELS
def test_penalties(name):
    off_diagonal, diagonal = PENALTIES[name]
    assert penalty(name, terms(), lambda_od=1.0, ratio=0.0) == pytest.approx(off_diagonal, **TOLERANCE)
    both = penalty(name, terms(), lambda_od=2.0, ratio=3.0)
    assert both == pytest.approx(2 * (off_diagonal + 3 * diagonal), **TOLERANCE)


@MODELS
def test_without_a_weight_it_is_the_vae(name):
    of = terms(reconstruction=3.0)
    assert loss_of(name, of, lambda_od=0.0) == loss_of("vae", of)


def test_white_means_cost_dipvae1_nothing():
    white = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    assert penalty("dipvae1", terms(mean=white)) == pytest.approx(0, **TOLERANCE)


def test_the_prior_costs_dipvae2_nothing():
    nothing = torch.zeros_like(MEAN)
    assert penalty("dipvae2", terms(nothing, nothing)) == 0
    assert penalty("dipvae1", terms(nothing, nothing), lambda_od=1.0, ratio=5.0) == 3 * 5


@MODELS
def test_the_order_of_images_does_not_matter(name):
    flipped = terms(MEAN.flip(0), LOGVAR.flip(0))
    assert penalty(name, flipped) == pytest.approx(penalty(name, terms()), **TOLERANCE)


def test_dipvae1_ignores_variances():
    assert penalty("dipvae1", terms(logvar=LOGVAR - 2)) == pytest.approx(
        penalty("dipvae1", terms()), **TOLERANCE
    )


def test_a_batch_of_one_has_no_covariance():
    of = terms(MEAN[:1], LOGVAR[:1])
    assert penalty("dipvae1", of, lambda_od=1.0, ratio=5.0) == pytest.approx(3 * 5, **TOLERANCE)


def test_its_minimum_is_white():
    means = (MEAN.repeat(4, 1) + torch.arange(16)[:, None].sin()).requires_grad_()
    optimiser = torch.optim.Adam([means], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        sum(deviate_from_identity(covariance(means))).backward()
        optimiser.step()
    torch.testing.assert_close(
        covariance(means.detach()), torch.eye(3, dtype=torch.float64), atol=1e-3, rtol=0
    )
    assert gaussian_kl(means, torch.zeros_like(means)).isfinite().all()
