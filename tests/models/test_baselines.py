"""Baselines: ICA finds what images are mixed from, and the others take no advantage of data."""

import numpy as np
import pytest
import torch

from dis_bench.models import build_model
from dis_bench.models.ica import find_independent
from tests.models.cells import SMALL, prepare_cell, train_cell

NUMBERS = torch.Generator().manual_seed(0)
SOURCES = torch.rand(2000, 3, generator=NUMBERS) - 0.5
MIXING = torch.tensor([[3.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 0.5, 2.0]]) @ (
    torch.linalg.qr(torch.randn(256, 3, generator=NUMBERS))[0].T
)
IMAGES = (0.5 + SOURCES @ MIXING / 9).view(2000, 1, 16, 16)
SHAPE = {"image_shape": (1, 16, 16), "network": SMALL, "latent_size": 3}


def fitted(name, **given):
    model, networks = build_model(name, **SHAPE, **given)
    with torch.no_grad():
        model.fit(networks, lambda count: IMAGES[:count])
    return model, networks


def match(codes):
    """Return the correlation of each source with the code that follows it best."""
    return np.abs(np.corrcoef(codes.T, SOURCES.T)[:3, 3:]).max(0)


def test_ica_finds_independent_sources_and_pca_does_not():
    found = {}
    for name in ("ica", "pca"):
        model, networks = fitted(name)
        found[name] = match(model.encode(networks, IMAGES)[0])
    assert found["ica"].min() > 0.98
    assert found["pca"].min() < 0.95


def test_codes_of_ica_are_white():
    model, networks = fitted("ica")
    codes, log_variances = model.encode(networks, IMAGES)
    torch.testing.assert_close(torch.cov(codes.T, correction=0), torch.eye(3), atol=1e-3, rtol=0)
    assert log_variances is None


@pytest.mark.parametrize("name", ["ica", "pca"])
def test_images_that_it_spans_come_back(name):
    model, networks = fitted(name)
    decoded = model.decode(networks, model.encode(networks, IMAGES)[0])
    torch.testing.assert_close(torch.sigmoid(decoded), IMAGES, atol=2e-3, rtol=0)


def test_directions_without_variance_are_left_out():
    codes = np.stack([SOURCES[:, 0], SOURCES[:, 1], 0 * SOURCES[:, 2]], 1)
    unmixed = (codes - codes.mean(0)) @ find_independent(codes - codes.mean(0))
    assert unmixed.std(0) == pytest.approx([1, 1, 0], abs=1e-3)
    assert not find_independent(0 * codes).any()


@pytest.mark.parametrize("name", ["ica", "pca"])
@pytest.mark.parametrize("count", [2, 2000])
def test_latents_beyond_what_varies_are_zero_and_last(name, count):
    images = IMAGES[:count]
    model, networks = build_model(name, image_shape=IMAGES.shape[1:], latent_size=30, network="mlp")
    with torch.no_grad():
        model.fit(networks, lambda most: images[:most])
    codes, _ = model.encode(networks, images)
    deviations = codes.std(0)
    there = min(3, count - 1)
    assert (deviations[:there] > 0.01 * deviations.max()).all()
    assert (deviations[there:] < 1e-3 * deviations.max()).all()


def test_random_directions_are_the_seeds_and_not_the_datas():
    projections = [build_model("random", **SHAPE, seed=seed)[1].linear.project for seed in (0, 0, 1)]
    assert torch.equal(projections[0], projections[1])
    assert not torch.equal(projections[0], projections[2])
    _, networks = fitted("random", seed=1)
    assert torch.equal(networks.linear.project, build_model("random", **SHAPE, seed=1)[1].linear.project)
    torch.testing.assert_close(networks.linear.mean, IMAGES.mean(0))


def test_untrained_networks_are_those_that_the_vae_starts_from(tmp_path):
    one = train_cell("untrained", tmp_path, seed=3)
    first = prepare_cell("vae", seed=3).networks.state_dict()
    assert not one.is_trained_by_steps
    assert all(torch.equal(weight, first[name]) for name, weight in one.networks.state_dict().items())


def test_ae_ica_unmixes_the_codes_of_the_autoencoder(tmp_path):
    one = train_cell("ae_ica", tmp_path, steps=30)
    ae = train_cell("ae", tmp_path, steps=30)
    images = one.images(256)
    with torch.no_grad():
        codes, log_variances = one.model.encode(one.networks, images)
        expected = ae.model.decode(ae.networks, ae.model.encode(ae.networks, images)[0])
        torch.testing.assert_close(one.model.decode(one.networks, codes), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(torch.cov(codes.T, correction=0), torch.eye(4), atol=1e-2, rtol=0)
    assert log_variances is None


def test_ae_ica_fits_in_fp32_whatever_it_trained_in():
    model, networks = build_model("ae_ica", **SHAPE)
    from dis_bench.nn.precision import networks_in

    means = []
    for precision in ("fp32", "bf16"):
        with torch.no_grad(), networks_in(precision):
            model.fit(networks, lambda count: IMAGES[:count])
        means.append(networks.unmixing.mean.clone())
    assert torch.equal(*means)
