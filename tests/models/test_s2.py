"""S2 and supervised codes: their error, their limits, and which images each loss sees."""

import math

import pytest
import torch
import torch.nn.functional as F

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from dis_bench.models.s2 import measure_labels
from tests.models.cells import SMALL, train_cell
from tests.tiny import Tiny

ALL = torch.tensor([True, True])


def drawn(model, latents=4, count=6):
    batch = dict(model.draw(Draws(len(Tiny.grid), count, latents, seed=0, grid=Tiny.grid)))
    batch["images"] = Tiny().images(batch["images"]).float()
    return {**batch, "progress": torch.zeros(())}


def test_the_cross_entropy_sums_over_factors_and_averages_over_images():
    codes = torch.tensor([[0.0, 100.0, 7.0], [0.0, -100.0, 7.0]])
    targets = torch.tensor([[0.3, 1.0], [0.9, 0.0]])
    assert measure_labels(codes, targets, ALL, "xent").item() == pytest.approx(math.log(2))
    repeated = measure_labels(codes.repeat(5, 1), targets.repeat(5, 1), ALL, "xent")
    assert repeated.item() == pytest.approx(math.log(2))
    with_more = measure_labels(codes[:, [0, 0]], targets, ALL, "xent")
    assert with_more.item() == pytest.approx(2 * math.log(2))


def test_each_image_is_compared_with_its_own_labels():
    targets = torch.tensor([[0.2, 0.9], [0.8, 0.1], [0.5, 0.4]])
    codes = torch.logit(targets)
    assert measure_labels(codes, targets, ALL, "l2").item() == pytest.approx(0, abs=1e-12)
    expected = (targets.flip(0) - targets).square().sum(1).mean().item()
    assert measure_labels(codes.flip(0), targets, ALL, "l2").item() == pytest.approx(expected)


def test_factors_without_labels_do_not_count():
    codes = torch.tensor([[5.0, -3.0]], requires_grad=True)
    error = measure_labels(codes, torch.tensor([[0.0, 1.0]]), torch.tensor([False, True]), "xent")
    assert error.item() == pytest.approx(math.log1p(math.exp(3)))
    [gradient] = torch.autograd.grad(error, codes)
    assert gradient[0, 0] == 0


@pytest.mark.parametrize(("name", "base"), [("s2_betavae", "betavae"), ("s2_factorvae", "factorvae")])
def test_without_supervision_it_is_its_base(name, base):
    model, networks = build_model(name, network=SMALL, latent_size=4, supervision=0.0)
    batch = drawn(model)
    without = {**batch, "images": batch["images"][:-6]}
    expected = build_model(base, network=SMALL, latent_size=4)[0].step(networks, without)
    ours = model.step(networks, batch)
    assert ours.losses.keys() == expected.losses.keys()
    for player, loss in ours.losses.items():
        assert loss.item() == expected.losses[player].item()
        own = list(getattr(networks, player).parameters())
        gradients = [
            torch.autograd.grad(one.losses[player], own, retain_graph=True) for one in (ours, expected)
        ]
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["s2_betavae", "s2_factorvae"])
def test_supervision_weighs_the_error_of_labelled_images(name):
    model, networks = build_model(name, network=SMALL, latent_size=4, supervision=3.0)
    batch = drawn(model)
    mean, _ = networks.autoencoder.posterior(batch["images"][-6:])
    logits = mean[:, :3]
    error = F.binary_cross_entropy_with_logits(logits, batch["targets"], reduction="sum") / 6
    base, _ = build_model(name, network=SMALL, latent_size=4, supervision=0.0)
    ours, expected = (one.step(networks, batch).losses["autoencoder"] for one in (model, base))
    assert ours.item() - expected.item() == pytest.approx(3 * error.item(), rel=1e-4)


def test_labels_are_those_of_the_images():
    batch = build_model("s2_betavae", network=SMALL, latent_size=4)[0]
    draws = Draws(len(Tiny.grid), 6, 4, seed=0, grid=Tiny.grid)
    drawn = batch.draw(draws)
    classes = Tiny.grid.factors(drawn["images"][-6:])
    torch.testing.assert_close(drawn["targets"], classes / torch.tensor([7.0, 7.0, 3.0]))


def test_supervised_codes_come_from_labels_alone():
    model, networks = build_model("supervised", network=SMALL, latent_size=4)
    batch = drawn(model)
    losses = model.step(networks, batch).losses
    assert losses.keys() == {"encoder", "decoder"}
    other = {**batch, "images": torch.cat([1 - batch["images"][:6], batch["images"][6:]])}
    assert model.step(networks, other).losses["encoder"] == losses["encoder"]
    codes, log_variances = model.encode(networks, batch["images"])
    assert codes.shape == (12, 4)
    assert log_variances is None


@pytest.mark.parametrize("name", ["s2_betavae", "s2_factorvae", "supervised"])
def test_fewer_latents_than_factors_are_refused(name):
    model, _ = build_model(name, network=SMALL, latent_size=2)
    with pytest.raises(InputError, match=r"latent_size must be at least 3 .*, but 2 was given"):
        drawn(model, latents=2)


def test_labels_are_learned(tmp_path):
    one = train_cell("supervised", tmp_path, steps=300, batch_size=32, lr=1e-2, labels=256)
    indices = torch.arange(len(Tiny.grid))
    with torch.no_grad():
        codes, _ = one.model.encode(one.networks, one.pixels(indices))
    for latent, (column, size) in enumerate(zip(Tiny.grid.factors(indices).T, Tiny.grid.sizes, strict=True)):
        found = torch.sigmoid(codes[:, latent])
        assert torch.corrcoef(torch.stack([found, column / (size - 1)]))[0, 1] > 0.97
