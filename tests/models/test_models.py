"""Objectives equal their definitions, likelihoods and KL equal those of torch's distributions."""

import math

import pytest
import torch
from torch import distributions as D

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.autoencoder import gaussian_kl
from dis_bench.models.likelihoods import bernoulli, gaussian
from dis_bench.models.model import Hyperparameter
from dis_bench.models.pca import PCA
from dis_bench.nn.precision import networks_in


def images(count=6, channels=1):
    return torch.rand(count, channels, 64, 64, generator=torch.Generator().manual_seed(0))


def batch_of(images, noise):
    return {"images": images, "noise": noise, "progress": torch.zeros(())}


def test_bernoulli_is_the_log_probability_of_the_pixels():
    pixels, logits = images().round(), torch.randn(6, 1, 64, 64)
    expected = -D.Bernoulli(logits=logits).log_prob(pixels).sum((1, 2, 3))
    torch.testing.assert_close(bernoulli(logits, pixels), expected)


def test_gaussian_is_the_log_density_of_the_pixels():
    pixels, logits = images(), torch.randn(6, 1, 64, 64)
    expected = -D.Normal(torch.sigmoid(logits), 1.0).log_prob(pixels).sum((1, 2, 3))
    torch.testing.assert_close(gaussian(logits, pixels), expected)
    assert math.isclose(0.5 * math.log(2 * math.pi) * 4096, 3763.98, abs_tol=0.1)  # as the docstring says


def test_kl_is_that_of_two_gaussians():
    mean, logvar = torch.randn(5, 3), torch.randn(5, 3)
    expected = D.kl_divergence(D.Normal(mean, (0.5 * logvar).exp()), D.Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, logvar), expected)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_reconstruction_plus_beta_kl(beta):
    model, networks = build_model("betavae", beta=beta)
    terms = model.terms(networks, batch_of(images(), torch.zeros(6, 10)))
    expected = terms.reconstruction.sum() / 6 + beta * terms.kl.sum() / 6
    torch.testing.assert_close(model.loss(terms), expected)


def test_vae_is_betavae_with_beta_one():
    (vae, networks), (betavae, _) = build_model("vae"), build_model("betavae", beta=1.0)
    terms = vae.terms(networks, batch_of(images(), torch.randn(6, 10)))
    torch.testing.assert_close(vae.loss(terms), betavae.loss(terms))


def test_beta_may_be_a_tensor():
    model, networks = build_model("betavae")
    terms = model.terms(networks, batch_of(images(), torch.zeros(6, 10)))
    model.beta = torch.tensor(4.0, requires_grad=True)
    model.loss(terms).backward()
    torch.testing.assert_close(model.beta.grad, terms.kl.sum(1).mean())


def test_the_sample_is_reparametrised():
    model, networks = build_model("vae")
    noise = torch.randn(6, 10)
    terms = model.terms(networks, batch_of(images(), noise))
    torch.testing.assert_close(terms.codes, terms.mean + (0.5 * terms.logvar).exp() * noise)


def test_seed_decides_the_weights_and_leaves_the_callers_stream_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights = [next(build_model("vae", seed=seed)[1].parameters()) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"network": "burges"}, "unknown network 'burges': did you mean 'burgess'?"),
        ({"likelihood": "poisson"}, "unknown likelihood 'poisson'"),
        ({"image_shape": (1, 28, 28)}, "32x32, 64x64 or 128x128 pixels, but these have 28x28."),
        ({"bta": 1.0}, "unknown hyperparameter of betavae 'bta': did you mean 'beta'?"),
        ({"beta": -1}, "beta must be at least 0, but -1 was given."),
        ({"beta": float("nan")}, "beta must be finite"),
        ({"beta": "abc"}, "beta must be a number, but 'abc' was given."),
        ({"beta": True}, "beta must be a number"),
    ],
)
def test_refusals(arguments, sentence):
    with pytest.raises(InputError) as caught:
        build_model("betavae", **arguments)
    assert sentence in str(caught.value)


def test_hyperparameters_keep_their_type():
    assert Hyperparameter("n", 3, "").parse("7") == 7
    assert Hyperparameter("on", True, "").parse("false") is False
    assert Hyperparameter("word", "a", "").parse("b") == "b"
    assert isinstance(Hyperparameter("x", 1.0, "").parse("2"), float)
    with pytest.raises(InputError, match="from 0 to 1, but 2"):
        Hyperparameter("p", 0.5, "", low=0, high=1).parse(2)


def test_words_are_the_only_ones():
    kernel = Hyperparameter("kernel", "rbf", "", words=("rbf", "imq"))
    assert kernel.parse("imq") == "imq"
    with pytest.raises(InputError, match="unknown kernel 'rbg': did you mean 'rbf'"):
        kernel.parse("rbg")


@pytest.mark.parametrize("given", [{"grid": (1.0, -1.0)}, {"grid": [1.0]}, {"grid": ("a",)}, {"words": "ab"}])
def test_grids_and_words_are_checked_where_they_are_declared(given):
    with pytest.raises(InputError):
        Hyperparameter("beta", 4.0, "", low=0.0, **given)


def test_terms_are_fp32_where_the_networks_run_in_bf16():
    model, networks = build_model("betavae")
    batch = batch_of(images(), torch.zeros(6, 10))
    with networks_in("bf16"):
        terms = model.terms(networks, batch)
    assert {getattr(terms, name).dtype for name in ("mean", "logvar", "logits", "kl", "reconstruction")} == {
        torch.float32
    }
    exact = model.terms(networks, batch)
    assert not torch.equal(terms.mean, exact.mean)
    torch.testing.assert_close(model.loss(terms), model.loss(exact), rtol=1e-2, atol=0)


def test_a_note_is_not_inherited():
    assert build_model("vae")[0].note
    assert build_model("untrained")[0].note == build_model("factorvae")[0].note == ""


def test_being_a_baseline_is_not_inherited():
    class Better(PCA):
        name = "better"

    assert PCA.baseline
    assert not Better.baseline
    assert not build_model("betavae")[0].baseline
