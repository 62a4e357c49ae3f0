"""SlowVAE: its cross-entropy in closed form, and its limits."""

import math

import pytest
import torch

from dis_bench.models import build_model
from dis_bench.models.slowvae import laplace_cross_entropy, measure_slowness
from tests.models.reference import LOGVAR, MEAN, loss_of, terms


def cross_entropy(mean, deviation, rate):
    numbers = torch.tensor([mean, 2 * math.log(deviation)], dtype=torch.float64)
    return laplace_cross_entropy(*numbers, rate).item()


@pytest.mark.parametrize(
    ("mean", "deviation", "rate", "expected"),
    [(0, 1, 6, 3.6886950762), (0.5, 0.3, 6, 1.9727632973), (-1.2, 0.8, 1, 1.9400380506)],
)
def test_the_cross_entropy_is_the_reference(mean, deviation, rate, expected):
    assert cross_entropy(mean, deviation, rate) == pytest.approx(expected, rel=0, abs=1e-9)


def test_the_cross_entropy_is_that_of_samples():
    samples = 0.7 + 0.4 * torch.randn(
        400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    sampled = (3 * samples.abs() - math.log(3 / 2)).mean().item()
    assert cross_entropy(0.7, 0.4, 3.0) == pytest.approx(sampled, abs=0.01)


def test_an_equal_pair_without_variance_has_the_largest_density():
    assert cross_entropy(0.0, 1e-9, 6.0) == pytest.approx(-math.log(3.0), abs=1e-6)


def test_slowness_is_both_directions_minus_one_entropy():
    (first, second), (of_first, of_second) = MEAN.chunk(2), LOGVAR.chunk(2)
    entropies = 0.5 * (LOGVAR + math.log(2 * math.pi * math.e))
    expected = (
        laplace_cross_entropy(first - second, of_first, 6.0).sum(1).mean()
        + laplace_cross_entropy(second - first, of_second, 6.0).sum(1).mean()
        - entropies.sum(1).mean()
    )
    found = measure_slowness(MEAN, LOGVAR, 6.0).sum(1).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_without_gamma_it_is_twice_a_beta_vae_of_half_the_beta():
    some = terms(reconstruction=7.0)
    assert loss_of("slowvae", some, gamma=0.0, beta=3.0) == pytest.approx(
        2 * loss_of("betavae", some, beta=1.5)
    )


@pytest.mark.parametrize("gamma", [0.0, 10.0])
def test_the_log_keeps_what_the_kl_costs_beside_one_reconstruction(gamma):
    model, _ = build_model("slowvae", latent_size=3, gamma=gamma, beta=3.0)
    some = terms(reconstruction=7.0)
    measures = model.measures(some, model.loss(some))
    assert measures["weighted_kl"].item() == pytest.approx(1.5 * some.kl.sum(1).mean().item())


@pytest.mark.parametrize("logvar", [-100.0, -170.0, -1e4])
def test_a_posterior_without_variance_has_finite_gradients(logvar):
    mean = torch.tensor(0.5, requires_grad=True)
    logvar = torch.tensor(logvar, requires_grad=True)
    value = laplace_cross_entropy(mean, logvar, 6.0)
    value.backward()
    assert value.item() == pytest.approx(6 * 0.5 - math.log(3.0), abs=1e-6)
    assert mean.grad.item() == pytest.approx(6.0)
    assert logvar.grad.item() == pytest.approx(0.0, abs=1e-9)
