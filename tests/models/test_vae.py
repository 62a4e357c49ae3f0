"""The KL of a Gaussian posterior, against reference numbers and against samples."""

import pytest
import torch

from dis_bench.models.autoencoder import gaussian_kl
from tests.models.reference import CODES, KL, LOGVAR, MEAN, TOLERANCE, loss_of, terms


def test_the_kl_is_the_reference():
    kl = gaussian_kl(MEAN, LOGVAR)
    assert kl.sum(1).mean().item() == pytest.approx(KL, **TOLERANCE)
    assert kl.mean(0).tolist() == pytest.approx([0.2955318, 0.2749544, 0.3515419], abs=5e-8)
    assert loss_of("vae", terms(reconstruction=3.0)) == pytest.approx(3 + KL, **TOLERANCE)
    assert loss_of("betavae", terms(reconstruction=3.0), beta=4.0) == pytest.approx(3 + 4 * KL, **TOLERANCE)


def test_codes_are_those_of_the_reference():
    assert CODES[0].tolist() == pytest.approx([1.674687, 0.591309, -1.305665], abs=5e-7)


def test_the_kl_is_the_mean_of_what_samples_say():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, *MEAN.shape, generator=generator, dtype=torch.float64)
    deviation = (0.5 * LOGVAR).exp()
    codes = MEAN + deviation * noise
    posterior, prior = torch.distributions.Normal(MEAN, deviation), torch.distributions.Normal(0.0, 1.0)
    sampled = (posterior.log_prob(codes) - prior.log_prob(codes)).mean(0)
    torch.testing.assert_close(sampled, gaussian_kl(MEAN, LOGVAR), atol=0.03, rtol=0)


def test_the_prior_itself_costs_nothing():
    assert not gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)).any()
