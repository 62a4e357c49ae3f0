"""InfoGAN: its players and its limits; a study and a report of a model that does not reconstruct."""

import math

import pytest
import torch
import torch.nn.functional as F

from dis_bench.errors import COMMAND, InputError
from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from dis_bench.records.pictures import read_pictures
from dis_bench.reports.report import build_report
from dis_bench.runners.run import run_study
from dis_bench.runners.scoring.evaluation import evaluate
from dis_bench.runners.study import Study
from tests.models.cells import SMALL, train_cell
from tests.runners.test_run import TINY


@pytest.fixture
def game():
    """Return a model whose power iterations and batch statistics are fixed, and a batch."""
    model, networks = build_model("infogan", latent_size=5)
    networks.train()
    batch = drawn(model)
    for _ in range(3):
        model.step(networks, batch)
    return model, networks.double().eval(), {name: part.double() for name, part in batch.items()}


def drawn(model, batch=4):
    batch = dict(model.draw(Draws(100, batch, 5, seed=0)))
    generator = torch.Generator().manual_seed(0)
    batch["images"] = torch.rand(len(batch["images"]), 1, 64, 64, generator=generator)
    return {**batch, "progress": torch.zeros(())}


def by_hand(networks, batch, weight):
    """Return the gradients of both players as code with two optimisers has them."""
    generator, critic = networks.generator, networks.critic
    inputs = torch.cat([batch["codes"], batch["noise"]], 1)

    def judge(images):
        features = critic.trunk(images)
        return torch.sigmoid(critic.verdict(features)), critic.reader(features)

    def likelihood(read):
        distribution = torch.distributions.Normal(read, 1.0)
        return distribution.log_prob(batch["codes"]).sum(1).mean()

    real, read = judge(torch.sigmoid(generator(inputs)))
    loss = -real.log().mean() - weight * likelihood(read)
    of_generator = torch.autograd.grad(loss, list(generator.parameters()))
    real, read = judge(torch.sigmoid(generator(inputs)).detach())
    loss = -judge(batch["images"])[0].log().mean() - (1 - real).log().mean() - weight * likelihood(read)
    return of_generator, torch.autograd.grad(loss, list(critic.parameters()))


def by_player(model, networks, batch):
    losses = model.step(networks, batch).losses
    return [
        torch.autograd.grad(losses[player], list(getattr(networks, player).parameters()), retain_graph=True)
        for player in ("generator", "critic")
    ]


def test_each_player_has_the_gradient_of_code_with_two_optimisers(game):
    model, networks, batch = game
    model.weight = 0.7
    for ours, theirs in zip(by_player(*game), by_hand(networks, batch, 0.7), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_without_weight_it_is_a_gan(game):
    model, networks, batch = game
    model.weight = 0.0
    step = model.step(networks, batch)
    made = networks.generator(torch.cat([batch["codes"], batch["noise"]], 1)).sigmoid()
    of_made = networks.critic.verdict(networks.critic.trunk(made))
    of_real = networks.critic.verdict(networks.critic.trunk(batch["images"]))
    ones, zeros = torch.ones_like(of_made), torch.zeros_like(of_made)
    cross_entropy = F.binary_cross_entropy_with_logits
    assert step.losses["generator"].item() == pytest.approx(cross_entropy(of_made, ones).item())
    expected = cross_entropy(of_real, ones) + cross_entropy(of_made, zeros)
    assert step.losses["critic"].item() == pytest.approx(expected.item())
    unread = list(networks.critic.reader.parameters())
    assert not any(gradient.any() for gradient in torch.autograd.grad(step.losses["critic"], unread))


def test_the_error_is_the_likelihood_of_codes_but_for_a_constant(game):
    model, networks, batch = game
    error = model.step(networks, batch).measures["code_error"].item()
    read = networks.critic.reader(
        networks.critic.trunk(networks.generator(torch.cat([batch["codes"], batch["noise"]], 1)).sigmoid())
    )
    log_likelihood = torch.distributions.Normal(read, 1.0).log_prob(batch["codes"]).sum(1).mean().item()
    assert log_likelihood == pytest.approx(-error - 2.5 * math.log(2 * math.pi))


def test_codes_are_read_and_noise_is_not(game):
    model, networks, _ = game
    codes, log_variances = model.encode(networks, torch.rand(3, 1, 64, 64, dtype=torch.float64))
    assert codes.shape == (3, 5)
    assert log_variances is None
    assert networks.generator[0].in_features == 5 + 5
    assert model.decode(networks, codes).shape == (3, 1, 64, 64)


def test_weights_of_the_critic_have_singular_values_of_one(game):
    networks = game[1]
    layers = [
        layer for layer in networks.critic.modules() if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))
    ]
    assert len(layers) == 4 + 1 + 1 + 2
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1, abs=0.05)


def test_the_players_have_rates_of_their_own():
    adams = build_model("infogan")[0].optimisers()
    assert {player: (adam.lr, adam.betas) for player, adam in adams.items()} == {
        "generator": (1e-3, (0.5, 0.999)),
        "critic": (2e-3, (0.5, 0.999)),
    }


def test_images_of_other_sizes_are_refused():
    with pytest.raises(
        InputError, match="the networks of InfoGAN take images of 64x64 pixels, but these have 32x32"
    ):
        build_model("infogan", image_shape=(1, 32, 32))


def test_other_networks_are_refused_in_a_sentence():
    with pytest.raises(InputError) as refusal:
        Study(models=["vae", "infogan"], network="locatello", metrics=()).plan()
    refusal.value.door = COMMAND
    assert str(refusal.value) == (
        "model 'infogan' has networks of its own, but network 'locatello' was given: train it in a study "
        "without --network locatello."
    )
    assert Study(models=["vae"], network=SMALL, metrics=(), seeds=1).plan().cells


def test_it_has_no_reconstruction_but_samples(tmp_path):
    one = train_cell("infogan", tmp_path, steps=2)
    measures = evaluate(one, rows=16).measures
    assert measures.keys() == {"active_latents"}


def test_a_report_shows_samples(tmp_path):
    study = Study(**{**vars(TINY), "models": ["betavae", "infogan"], "betas": [1], "seeds": 1, "steps": 2})
    table = run_study(study, tmp_path / "out", workers=0)
    assert set(table["status"]) == {"done"}
    table = table.set_index("model")
    assert math.isnan(table.loc["infogan", "reconstruction"])
    assert math.isfinite(table.loc["betavae", "reconstruction"])
    pictures = read_pictures(table.loc["infogan", "folder"])
    assert pictures.reconstructions.shape == pictures.originals.shape
    assert pictures.traversals.shape[0] == 4
    page = build_report(tmp_path / "out").files["index.html"].decode()
    assert "Rows without nats do not reconstruct: they are samples with the same codes." in page


def test_a_report_of_it_alone_is_of_samples(tmp_path):
    study = Study(**{**vars(TINY), "models": ["infogan"], "betas": (), "seeds": 1, "steps": 2})
    run_study(study, tmp_path / "out", workers=0)
    page = build_report(tmp_path / "out").files["index.html"].decode()
    assert "Originals and samples with the same codes" in page
    assert "samples with the codes that are read from these images (seed 0)" in page
    assert "8 images, and samples with the same codes, of 1 model: " in page
    assert "Originals and reconstructions" not in page
    assert "Nats are" not in page
