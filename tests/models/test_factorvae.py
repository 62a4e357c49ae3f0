"""FactorVAE's two gradients equal those of code that detaches and freezes by hand."""

import math
import statistics

import pytest
import torch
import torch.nn.functional as F

from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from dis_bench.networks.critics import factorvae_critic
from dis_bench.neutral import own_streams


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


def test_a_permutation_keeps_the_values_of_each_latent_and_changes_their_pairs():
    batch = drawn(build_model("factorvae")[0], batch=64, latents=4)
    codes = torch.randn(64, 4)
    shuffled = codes.gather(0, batch["orders"])
    assert torch.equal(shuffled.sort(0).values, codes.sort(0).values)
    assert not (shuffled[:, None] == codes).all(2).any(1).all()  # rows are not those of images
    assert len({tuple(order.tolist()) for order in batch["orders"].T}) == 4  # each latent has its own


def learn_to_tell(correlation, steps=60):
    """Train a critic on pairs of Gaussian latents, new ones in each step.

    Returns:
        Its total correlation and its loss, each averaged over the second half of the steps: a single estimate
        moves by a fifth from step to step.
    """
    torch.manual_seed(0)
    critic, generator = factorvae_critic(2), torch.Generator().manual_seed(1)
    adam = torch.optim.Adam(critic.parameters(), lr=3e-4, betas=(0.5, 0.9))

    def draw(count):
        first, other = torch.randn(2, count, generator=generator)
        return torch.stack([first, correlation * first + (1 - correlation**2) ** 0.5 * other], 1)

    correlations, losses = [], []
    for _ in range(steps):
        product = draw(128)
        product[:, 1] = product[torch.randperm(128, generator=generator), 1]
        told = torch.cat([critic(draw(128)), critic(product)])
        loss = F.cross_entropy(told, torch.arange(2).repeat_interleave(128))
        correlations.append((told[:128, 0] - told[:128, 1]).mean().item())
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
    return statistics.mean(correlations[steps // 2 :]), statistics.mean(losses[steps // 2 :])


@pytest.mark.slow
def test_a_trained_critic_knows_the_total_correlation_of_gaussian_codes():
    with own_streams(0):
        independent, loss = learn_to_tell(0.0)
        assert abs(independent) < 0.05
        assert loss == pytest.approx(math.log(2), abs=0.01)
        dependent, loss = learn_to_tell(0.9)
    assert dependent == pytest.approx(-0.5 * math.log(1 - 0.9**2), abs=0.2)  # 0.8304
    assert loss < 0.55


def test_a_fresh_critic_knows_nothing():
    model, networks = build_model("factorvae", latent_size=4)
    step = model.step(networks, drawn(model))
    assert step.losses["critic"].item() == pytest.approx(0.6931, abs=0.02)
    assert step.measures["total_correlation"].abs().item() < 0.1
