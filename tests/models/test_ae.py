"""The autoencoder reconstructs and decays its weights; nothing in it is random."""

import torch

from dis_bench.models import build_model
from tests.models.cells import SMALL, prepare_cell, train_cell


def test_its_loss_is_the_reconstruction_of_the_codes_that_are_scored():
    model, networks = build_model("ae", network=SMALL)
    images = torch.rand(5, 1, 64, 64)
    step = model.step(networks, {"images": images})
    codes, log_variances = model.encode(networks, images)
    logits = model.decode(networks, codes)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / 5
    torch.testing.assert_close(step.losses["autoencoder"], expected)
    assert log_variances is None


def test_it_draws_images_alone():
    one = prepare_cell("ae")
    assert list(one.model.draw(one.draws())) == ["images"]


def norm(networks):
    return sum(weight.square().sum() for weight in networks.parameters()).item()


def test_weights_decay(tmp_path):
    decayed = train_cell("ae", tmp_path, steps=20, weight_decay=10.0)
    free = train_cell("ae", tmp_path, steps=20, weight_decay=0.0)
    assert norm(decayed.networks) < 0.8 * norm(free.networks)
