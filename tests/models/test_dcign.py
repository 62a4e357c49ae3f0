"""DC-IGN: clamped codes, and the gradients of active and inactive latents."""

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from tests.models.cells import SMALL
from tests.models.reference import LOGVAR, MEAN
from tests.tiny import Tiny

LATENTS = 4


def batch_of(active, images=None):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 1, 64, 64, generator=generator, dtype=torch.float64) if images is None else images
    noise = torch.randn(6, LATENTS, generator=generator, dtype=torch.float64)
    return {"images": images, "noise": noise, "active": torch.tensor(active), "progress": torch.zeros(())}


def game(**hyperparameters):
    model, networks = build_model("dcign", network=SMALL, latent_size=LATENTS, **hyperparameters)
    return model, networks.double()


def gradients_of_posteriors(model, networks, batch):
    """Return the gradient of the loss in the encoder's outputs [B, 2 * D]."""
    outputs = []
    handle = networks.autoencoder.encoder.register_forward_hook(lambda *passed: outputs.append(passed[-1]))
    [loss] = model.step(networks, batch).losses.values()
    handle.remove()
    [output] = outputs
    [gradient] = torch.autograd.grad(loss, output)
    return output.detach(), gradient


def test_the_first_image_gives_inactive_latents():
    model, _ = build_model("dcign", network=SMALL, latent_size=3)
    for clamped, own in zip(
        model.merge(MEAN, LOGVAR, {"active": torch.tensor([False, True, False])}), (MEAN, LOGVAR), strict=True
    ):
        assert torch.equal(clamped[:, 1], own[:, 1])
        assert torch.equal(clamped[:, [0, 2]], own[:1, [0, 2]].expand(4, 2))


def test_inactive_latents_have_no_gradient_at_strength_zero():
    active = [False, False, True, False]
    _, gradient = gradients_of_posteriors(*game(strength=0.0, beta=4.0), batch_of(active))
    inactive = ~torch.tensor(active * 2)
    assert (gradient[:, inactive] == 0).all()
    assert (gradient[:, ~inactive] != 0).all()


def test_the_pull_replaces_the_gradient_of_inactive_latents():
    active = [True, False, False, False]
    output, gradient = gradients_of_posteriors(*game(strength=0.3), batch_of(active))
    inactive = ~torch.tensor(active * 2)
    pull = 0.3 * (output - output.mean(0)) / len(output)  # of a mean over the batch
    torch.testing.assert_close(gradient[:, inactive], pull[:, inactive])
    _, free = gradients_of_posteriors(*game(strength=0.0), batch_of(active))
    torch.testing.assert_close(gradient[:, ~inactive], free[:, ~inactive])


def gradients(name, batch, **hyperparameters):
    model, networks = build_model(name, network=SMALL, latent_size=LATENTS, **hyperparameters)
    [loss] = model.step(networks.double(), batch).losses.values()
    return torch.autograd.grad(loss, list(networks.parameters()))


def test_where_all_latents_are_active_the_gradients_are_those_of_the_vae():
    batch = batch_of([True] * LATENTS)
    for one, other in zip(gradients("dcign", batch, strength=5.0), gradients("vae", batch), strict=True):
        assert torch.equal(one, other)


def test_on_equal_images_the_clamp_is_the_identity():
    model, networks = game(beta=2.0)
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    batch = batch_of([False] * LATENTS, image.expand(6, 1, 64, 64))
    base, _ = build_model("betavae", network=SMALL, latent_size=LATENTS, beta=2.0)
    [ours], [expected] = (one.step(networks, batch).losses.values() for one in (model, base))
    torch.testing.assert_close(ours, expected)


def test_the_latent_of_the_varying_factor_is_active():
    model, _ = game()
    draws = Draws(len(Tiny.grid), 64, LATENTS, seed=0, grid=Tiny.grid)
    seen = set()
    for _ in range(40):
        drawn = model.draw(draws)
        classes = Tiny.grid.factors(drawn["images"])
        [active] = drawn["active"].nonzero().flatten().tolist()
        seen.add(active)
        assert [len(classes[:, place].unique()) > 1 for place in range(3)] == [
            place == active for place in range(3)
        ]
    assert seen == {0, 1, 2}


def test_fewer_latents_than_factors_are_refused():
    model, _ = game()
    with pytest.raises(InputError, match=r"latent_size must be at least 3 .*, but 2 was given"):
        model.draw(Draws(len(Tiny.grid), 8, 2, seed=0, grid=Tiny.grid))
