"""InfoGAN-CR: pairs that share a code, a critic that finds it, and InfoGAN as its limit."""

import copy
import math

import pytest
import torch
from torch import nn

from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from tests.models.cells import train_cell

DIMENSIONS = 5


@pytest.fixture
def game():
    """Return a model whose power iterations and batch statistics are fixed, and a batch."""
    model, networks = build_model("infogan_cr", latent_size=DIMENSIONS, share=0.5)
    networks.train()
    batch = drawn(model, 4)
    for _ in range(3):
        model.step(networks, batch)
    return (
        model,
        networks.double().eval(),
        {name: part.double() if part.is_floating_point() else part for name, part in batch.items()},
    )


def drawn(model, count, progress=1.0):
    batch = dict(model.draw(Draws(100, count, DIMENSIONS, seed=0)))
    generator = torch.Generator().manual_seed(0)
    batch["images"] = torch.rand(count, 1, 64, 64, generator=generator)
    return {**batch, "progress": torch.tensor(progress)}


def gradients(networks, losses, player):
    weights = list(getattr(networks, player).parameters())
    return torch.autograd.grad(losses[player], weights, retain_graph=True)


def test_pairs_share_one_code_each_which_any_may_be():
    batch = build_model("infogan_cr")[0].draw(Draws(100, 500, DIMENSIONS, seed=0))
    same = batch["first"] == batch["second"]
    assert (same.sum(1) == 1).all()
    assert torch.equal(same.int().argmax(1), batch["shared"])
    assert torch.bincount(batch["shared"], minlength=DIMENSIONS).min() > 60
    assert batch["first"].abs().max() <= 1
    assert batch["noise_of_pairs"].shape == (500, 5)  # one for both images


def by_hand(model, networks, batch):
    """Return the cross-entropy of the second critic, as the authors' code has it."""
    images = [
        torch.sigmoid(networks.generator(torch.cat([batch[codes], batch["noise_of_pairs"]], 1)))
        for codes in ("first", "second")
    ]
    chances = networks.contrast(torch.cat(images, 1)).softmax(1)
    return -chances[range(len(chances)), batch["shared"]].log().mean()


def test_the_second_critic_and_the_generator_have_the_gradients_of_its_cross_entropy(game):
    model, networks, batch = game
    losses, measures = model.step(networks, batch)
    entropy = by_hand(*game)
    assert measures["contrast_error"].item() == pytest.approx(entropy.item())
    critic = torch.autograd.grad(entropy, list(networks.contrast.parameters()), retain_graph=True)
    for one, other in zip(gradients(networks, losses, "contrast"), critic, strict=True):
        torch.testing.assert_close(one, other)

    plain, _ = build_model("infogan", latent_size=DIMENSIONS)
    of_infogan = gradients(networks, plain.step(networks, batch).losses, "generator")
    of_entropy = torch.autograd.grad(entropy, list(networks.generator.parameters()))
    for one, own, more in zip(gradients(networks, losses, "generator"), of_infogan, of_entropy, strict=True):
        torch.testing.assert_close(one, own + 2 * more)


@pytest.mark.parametrize(("contrast", "progress"), [(0.0, 1.0), (2.0, 0.49)])
def test_without_contrast_and_before_its_share_it_is_infogan(contrast, progress, game):
    model, networks, batch = game
    model.contrast, batch["progress"] = contrast, torch.tensor(progress)
    ours = model.step(networks, batch).losses
    theirs = build_model("infogan", latent_size=DIMENSIONS)[0].step(networks, batch).losses
    for player in ("generator", "critic"):
        assert torch.equal(ours[player], theirs[player])
        for one, other in zip(
            gradients(networks, ours, player), gradients(networks, theirs, player), strict=True
        ):
            assert torch.equal(one, other)


def test_without_contrast_weights_are_those_of_infogan_and_statistics_are_not():
    model, ours = build_model("infogan_cr", latent_size=DIMENSIONS, contrast=0.0)
    theirs, plain = copy.deepcopy(ours), build_model("infogan", latent_size=DIMENSIONS)[0]
    for one, networks in ((model, ours), (plain, theirs)):
        networks.train()
        for _ in range(3):
            losses = one.step(networks, drawn(model, 4)).losses
            for player in ("generator", "critic"):
                found = gradients(networks, losses, player)
                with torch.no_grad():
                    for weight, gradient in zip(getattr(networks, player).parameters(), found, strict=True):
                        weight -= 0.01 * gradient
    for player in ("generator", "critic"):
        one, other = (dict(getattr(networks, player).named_parameters()) for networks in (ours, theirs))
        assert all(torch.equal(weight, other[name]) for name, weight in one.items())
    counts = [
        {
            layer.num_batches_tracked.item()
            for layer in networks.modules()
            if isinstance(layer, nn.BatchNorm2d)
        }
        for networks in (ours, theirs)
    ]
    assert counts == [{9}, {3}]


def test_a_critic_that_knows_nothing_costs_the_logarithm_of_the_codes(game):
    model, networks, batch = game
    with torch.no_grad():
        networks.contrast[-1].weight.zero_()
        networks.contrast[-1].bias.zero_()
    error = model.step(networks, batch).measures["contrast_error"].item()
    assert error == pytest.approx(math.log(DIMENSIONS))


def test_the_second_critic_sees_both_images_and_its_last_layer_is_not_normalised(game):
    networks = game[1]
    first, last = networks.contrast[0], networks.contrast[-1]
    assert (first.in_channels, last.out_features) == (2, DIMENSIONS)
    assert "weight" in dict(last.named_parameters())  # a normalised one has "parametrizations.weight..."
    layers = [layer for layer in networks.contrast.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    for layer in layers[:-1]:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.05)


def test_it_has_the_published_settings():
    model, _ = build_model("infogan_cr")
    assert (model.contrast, model.share * 28, model.weight) == (2.0, 25.0, 0.05)
    adam = model.optimisers()["contrast"]
    assert (adam.lr, adam.betas) == (2e-3, (0.5, 0.999))


def test_it_trains_and_encodes_with_the_critic_of_infogan(tmp_path):
    one = train_cell("infogan_cr", tmp_path, steps=3, share=0.0)
    codes, log_variances = one.model.encode(one.networks, one.images(6))
    assert codes.shape == (6, 4)
    assert log_variances is None
    header = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert {"told_apart", "code_error", "contrast_error"} < set(header)
