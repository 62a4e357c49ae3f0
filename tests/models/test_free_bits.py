"""Free bits are a floor on the KL of each latent, averaged over the batch first."""

import dataclasses

import pytest
import torch

from dis_bench.models import build_model
from dis_bench.runners.training.loop import train
from tests.models.cells import prepare_cell, train_cell
from tests.models.reference import KL, LOGVAR, MEAN, TOLERANCE, terms

DECLARING = (
    *("vae", "betavae", "factorvae", "betatcvae", "dipvae1", "dipvae2", "infovae", "hfs"),
    *("adagvae", "adamlvae", "groupvae", "slowvae", "dcign", "s2_betavae", "s2_factorvae"),
)


def bounded_loss(name, of, **hyperparameters):
    return build_model(name, latent_size=3, **hyperparameters)[0].bounded_loss(of)


@pytest.mark.parametrize(("floor", "expected"), [(0.5, 1.5), (0.1, KL), (0.3, 0.6 + 0.3515418567)])
def test_the_kl_of_a_latent_is_at_least_the_floor(floor, expected):
    # The latents have 0.2955, 0.2750 and 0.3515 nats.
    tolerance = TOLERANCE if floor != 0.3 else {"abs": 1e-7}
    assert bounded_loss("vae", terms(), free_bits=floor).item() == pytest.approx(expected, **tolerance)


def test_below_the_floor_a_latent_has_no_gradient_and_above_it_its_own():
    def gradient(**given):
        mean = MEAN.clone().requires_grad_()
        bounded_loss("vae", terms(mean, LOGVAR), **given).backward()
        return mean.grad

    floored, plain = gradient(free_bits=0.3), gradient()
    assert (floored[:, :2] == 0).all()
    assert plain[:, :2].abs().min() > 0
    assert torch.equal(floored[:, 2], plain[:, 2])


def test_the_mean_over_the_batch_is_floored_and_not_each_image():
    mean = torch.tensor([[0.0], [4.0]], dtype=torch.float64)
    of = terms(mean, torch.zeros_like(mean), mean)  # KLs of 0 and 8, 4 on average
    assert bounded_loss("vae", of, free_bits=3.0).item() == 4.0  # each image apart would give 5.5
    assert bounded_loss("vae", of, free_bits=5.0).item() == 5.0


def test_beta_weights_the_floor_too():
    assert bounded_loss("betavae", terms(), beta=4.0, free_bits=0.5).item() == pytest.approx(6.0, **TOLERANCE)


@pytest.mark.parametrize("name", DECLARING)
def test_all_of_these_train_with_a_floor_and_are_themselves_without(name, tmp_path):
    def weights(**given):
        networks = train_cell(name, tmp_path, steps=3, **given).networks
        return torch.cat([weight.flatten() for weight in networks.autoencoder.parameters()])

    plain = weights()
    assert torch.equal(weights(free_bits=0.0), plain)
    assert not torch.equal(weights(free_bits=50.0), plain)


def test_none_are_left_out_of_the_identity_and_some_are_not():
    assert build_model("betavae", free_bits=0)[0].chosen == {"beta": 4.0}
    assert build_model("betavae", free_bits=0.5)[0].chosen == {"beta": 4.0, "free_bits": 0.5}
    assert build_model("betavae")[0].values == {"beta": 4.0, "free_bits": 0.0}
    assert "free_bits" in build_model("betavae", free_bits="linear(0.5,0)")[0].chosen


def test_a_floor_of_none_counts_all_of_a_kl_that_rounding_took_below_zero():
    of = dataclasses.replace(terms(), kl=torch.full((4, 3), -1e-9, dtype=torch.float64))
    assert bounded_loss("vae", of).item() == pytest.approx(-3e-9)


@pytest.mark.parametrize("name", ["betavae", "factorvae"])
def test_cells_with_and_without_a_floor_share_a_stack(name, tmp_path):
    floors = (0.0, 50.0, 0.1)
    together = [prepare_cell(name, steps=3, free_bits=floor) for floor in floors]
    logs = [tmp_path / f"{number}.csv" for number in range(len(floors))]
    assert train(together, logs=logs, watch=lambda *_: None).failures == [None] * 3
    for one, floor in zip(together, floors, strict=True):
        alone = train_cell(name, tmp_path, steps=3, free_bits=floor)
        for weights, own in zip(one.networks.parameters(), alone.networks.parameters(), strict=True):
            torch.testing.assert_close(weights, own, rtol=1e-3, atol=1e-5)
