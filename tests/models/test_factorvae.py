"""FactorVAE's two gradients equal those of code that detaches and freezes by hand."""

import pytest
import torch
import torch.nn.functional as F

from dis_bench.models import build_model
from dis_bench.models.draws import Draws


def drawn(model, seed=0, batch=6, latents=4):
    """Return a batch as the trainer draws it: two batches of images, noise, permutations."""
    batch = dict(model.draw(Draws(100, batch, latents, seed)))
    generator = torch.Generator().manual_seed(seed)
    batch["images"] = torch.rand(len(batch["images"]), 1, 64, 64, generator=generator)
    return {**batch, "progress": torch.zeros(())}


def by_hand(model, networks, batch, gamma):
    """Compute the gradients of each player as published code does (algorithm 2)."""
    autoencoder, critic = networks.autoencoder, networks.critic
    (first, second), (noise, more) = batch["images"].chunk(2), batch["noise"].chunk(2)

    def encode(images, noise):
        mean, logvar = autoencoder.encoder(images).chunk(2, 1)
        return mean, logvar, mean + (0.5 * logvar).exp() * noise

    mean, logvar, codes = encode(first, noise)
    logits = autoencoder.decoder(codes)
    reconstruction = F.binary_cross_entropy_with_logits(logits, first, reduction="sum") / len(first)
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum() / len(first)
    for weight in critic.parameters():
        weight.requires_grad_(False)
    told = critic(codes)
    loss = reconstruction + kl + gamma * (told[:, 0] - told[:, 1]).mean()
    own = torch.autograd.grad(loss, list(autoencoder.parameters()))

    for weight in critic.parameters():
        weight.requires_grad_(True)
    codes = codes.detach()
    shuffled = encode(second, more)[2].detach()
    columns = [shuffled[order, latent] for latent, order in enumerate(batch["orders"].T)]
    logits = torch.cat([critic(codes), critic(torch.stack(columns, 1))])
    classes = torch.arange(2).repeat_interleave(len(codes))
    return own, torch.autograd.grad(F.cross_entropy(logits, classes), list(critic.parameters()))


def by_player(model, networks, batch):
    losses = model.step(networks, batch).losses
    return [
        torch.autograd.grad(losses[player], list(getattr(networks, player).parameters()), retain_graph=True)
        for player in ("autoencoder", "critic")
    ]


def largest_difference(some, others):
    scale = max(one.abs().max() for one in others)
    return max((one - other).abs().max() / scale for one, other in zip(some, others, strict=True))


def test_each_player_has_the_gradient_of_code_that_detaches_and_freezes():
    model, networks = build_model("factorvae", latent_size=4, gamma=6.4)
    networks.double()
    batch = {name: part.double() if part.is_floating_point() else part for name, part in drawn(model).items()}
    for ours, theirs in zip(
        by_player(model, networks, batch), by_hand(model, networks, batch, 6.4), strict=True
    ):
        assert largest_difference(ours, theirs) < 1e-9


def test_without_gamma_it_is_the_vae():
    model, networks = build_model("factorvae", latent_size=4, gamma=0.0)
    vae, _ = build_model("vae", latent_size=4)
    batch = drawn(model)
    halves = {**batch, "images": batch["images"][:6], "noise": batch["noise"][:6]}
    loss = vae.step(networks, halves).losses["autoencoder"]
    expected = torch.autograd.grad(loss, list(networks.autoencoder.parameters()))
    ours = by_player(model, networks, batch)[0]
    assert all(torch.equal(*pair) for pair in zip(ours, expected, strict=True))


def test_the_critic_is_as_published():
    _, networks = build_model("factorvae", latent_size=10)
    layers = [layer for layer in networks.critic if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [1000] * 6 + [2]
    assert {layer.negative_slope for layer in networks.critic if isinstance(layer, torch.nn.LeakyReLU)} == {
        0.2
    }


def test_the_critic_has_an_adam_of_its_own():
    model, _ = build_model("factorvae")
    assert model.optimisers()["critic"].betas == (0.5, 0.9)


def test_a_fresh_critic_knows_nothing():
    model, networks = build_model("factorvae", latent_size=4)
    step = model.step(networks, drawn(model))
    assert step.losses["critic"].item() == pytest.approx(0.6931, abs=0.02)
    assert step.measures["total_correlation"].abs().item() < 0.1
