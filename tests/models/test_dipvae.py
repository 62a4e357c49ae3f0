"""DIP-VAE: the covariance of means, or of codes, is penalised where it is not the identity."""

import pytest
import torch

from dis_bench.models import build_model
from tests.models.cells import SMALL
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


def mix(contrast):
    """Return two independent sources [N, 2], and images [N, 1, 16, 16] in which they overlap."""
    generator = torch.Generator().manual_seed(0)
    sources = (torch.rand(2000, 2, generator=generator) - 0.5) * 12**0.5
    mixing = torch.tensor([[1.0, 0.4], [0.4, 1.0]]) @ torch.randn(2, 256, generator=generator)
    return sources, torch.sigmoid(contrast * sources @ mixing).view(-1, 1, 16, 16)


def learn_codes(name, images, lambda_od, seed, steps=250, batch=256):
    """Train on images; return the posterior means of all of them."""
    model, networks = build_model(
        name, image_shape=(1, 16, 16), network=SMALL, latent_size=2, seed=seed, lambda_od=lambda_od
    )
    adam = torch.optim.Adam(networks.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        some = images[torch.randint(len(images), (batch,), generator=generator)]
        noise = torch.randn(batch, 2, generator=generator)
        step = model.step(networks, {"images": some, "noise": noise, "progress": torch.ones(())})
        adam.zero_grad()
        step.losses["autoencoder"].backward()
        adam.step()
    with torch.no_grad():
        return model.encode(networks, images)[0]


@MODELS
def test_codes_of_independent_sources_are_uncorrelated_as_those_of_the_vae_are_not(name):
    _, images = mix(contrast=2.0)
    left = {
        weight: [torch.cov(learn_codes(name, images, weight, seed).T)[0, 1].abs().item() for seed in (1, 2)]
        for weight in (0.0, 50.0)
    }
    assert min(left[0.0]) > 0.15
    assert max(left[50.0]) < 0.11
    assert sum(left[50.0]) < sum(left[0.0]) / 3


def test_dipvae1_finds_the_sources_of_faint_images_of_which_the_vae_keeps_a_mixture():
    sources, images = mix(contrast=1.0)

    def match(codes):
        """Return how well the code that follows a source best does, for the worse of both."""
        both = torch.corrcoef(torch.cat([codes, sources], 1).T)[:2, 2:].abs()
        return both.max(0).values.min().item()

    assert match(learn_codes("dipvae1", images, 0.0, seed=0)) < 0.8
    assert match(learn_codes("dipvae1", images, 50.0, seed=0)) > 0.9
