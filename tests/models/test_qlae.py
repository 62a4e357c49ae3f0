"""QLAE: latents take the nearest of a few values, which are learned beside the autoencoder."""

import pytest
import torch

from dis_bench.models import build_model
from dis_bench.models.model import Adam
from dis_bench.models.qlae import find_nearest
from dis_bench.runners.training.steps import Training
from tests.models.cells import SMALL, prepare_cell

VALUES = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 2.0, 4.0]])


def built(**hyperparameters):
    model, networks = build_model("qlae", network=SMALL, latent_size=3, **hyperparameters)
    return model, networks.double()


def batch_of(count=6):
    generator = torch.Generator().manual_seed(0)
    return {"images": torch.rand(count, 1, 64, 64, generator=generator, dtype=torch.float64)}


def test_the_nearest_value_is_that_of_the_latent_itself():
    codes = torch.tensor([[0.4, 0.9], [-7.0, 3.1], [0.6, 9.0]])
    assert find_nearest(codes, VALUES).tolist() == [[0.0, 0.0], [-1.0, 4.0], [1.0, 4.0]]


def test_values_are_their_own_nearest():
    codes = torch.stack([VALUES[0], VALUES[1].flip(0)], 1)
    assert torch.equal(find_nearest(codes, VALUES), codes)


def test_a_code_takes_few_values():
    model, networks = built(levels=3)
    codes, _ = model.encode(networks, batch_of(60)["images"])
    assert all(set(column.tolist()) <= {-0.5, 0.0, 0.5} for column in codes.T)


def test_values_start_evenly():
    _, networks = built(levels=5)
    assert networks.codebook.values.tolist() == [[-0.5, -0.25, 0.0, 0.25, 0.5]] * 3


def test_gradients_pass_straight_through():
    model, networks = built(commitment=0.0)
    batch, autoencoder = batch_of(), networks.autoencoder
    loss = model.step(networks, batch).losses["autoencoder"]
    ours = torch.autograd.grad(loss, list(autoencoder.encoder.parameters()))

    codes = autoencoder.encoder(batch["images"])
    values = find_nearest(codes, networks.codebook.values).detach().requires_grad_()
    nll = autoencoder.negative_log_likelihood(autoencoder.decoder(values), batch["images"]).mean()
    of_values = torch.autograd.grad(nll, values)[0]
    expected = torch.autograd.grad(codes, list(autoencoder.encoder.parameters()), of_values)
    for own, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(own, other)


def test_penalties_are_per_pixel_and_pull_one_side_each():
    model, networks = built(quantisation=0.02, commitment=0.03)
    batch = batch_of()
    step = model.step(networks, batch)
    codes = networks.autoencoder.encoder(batch["images"])
    error = (codes - find_nearest(codes, networks.codebook.values)).square().mean()
    torch.testing.assert_close(step.losses["codebook"], 0.02 * 4096 * error)
    reconstruction = step.measures["reconstruction"].mean()
    torch.testing.assert_close(step.losses["autoencoder"], reconstruction + 0.03 * 4096 * error)


def test_codes_on_their_values_cost_nothing():
    model, networks = built()
    last = networks.autoencoder.encoder[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(networks.codebook.values[:, 2])
    assert model.step(networks, batch_of()).losses["codebook"].item() == 0


def test_decay_and_clipping_spare_the_values():
    model, _ = built(weight_decay=0.25)
    assert model.optimisers() == {
        "autoencoder": Adam(weight_decay=0.25, clip_value=1.0),
        "codebook": Adam(),
    }


def test_a_limit_of_elements_is_per_pixel_and_for_the_networks_alone():
    def largest(**given):
        training = Training([prepare_cell("qlae", **given)])
        training.take(next(training.draw_ahead([1])))
        return {
            player: max(weight.grad.abs().max().item() for weight in weights)
            for player, weights in training._players.items()
        }

    free = largest(clip=0)
    limit = min(free.values()) / 2  # which the values exceed, too
    assert largest(clip=limit / 4096) == {
        "autoencoder": pytest.approx(limit),
        "codebook": pytest.approx(free["codebook"]),
    }
    assert largest(clip=1e6) == free


def test_the_limit_is_in_the_identity():
    """A record without one is of a time when nothing was clipped by default."""
    assert build_model("qlae")[0].chosen["clip"] == 1.0
    assert build_model("qlae", clip=0)[0].chosen["clip"] == 0.0
