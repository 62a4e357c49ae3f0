"""Ada-GVAE, Ada-ML-VAE and Group-VAE: what they take for shared, and which posterior they give it."""

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.models.adavae import find_changed
from dis_bench.models.draws import Draws
from dis_bench.models.merged import assign_latents, average_mean, average_product, compare_posteriors
from dis_bench.runners.scoring.evaluation import evaluate
from tests.models.cells import SMALL, prepare_cell
from tests.models.reference import LOGVAR, MEAN, TOLERANCE
from tests.tiny import Tiny

FIRST, SECOND = (MEAN[:1], LOGVAR[:1]), (MEAN[1:2], LOGVAR[1:2])


def exactly(values):
    return pytest.approx(values, rel=0, abs=5e-8)  # seven decimals are given


def test_latents_are_compared_as_published():
    apart = compare_posteriors(MEAN[:2], LOGVAR[:2])
    assert apart[0].tolist() == exactly([0.0066265, 1.5060615, 1.0585238])
    assert (apart.max() + apart.min()).item() / 2 == exactly(0.7563440)
    assert find_changed(MEAN[:2], LOGVAR[:2]).tolist() == [[False, True, True]]


def test_averages_are_those_published():
    mean, logvar = average_mean(FIRST, SECOND)
    assert mean[0].tolist() == exactly([0.8753842, -0.3078412, -0.6191699])
    assert logvar.exp()[0].tolist() == exactly([0.6942491, 0.6204249, 0.5838995])
    mean, logvar = average_product(FIRST, SECOND)
    assert mean[0].tolist() == exactly([0.8753842, -0.3612630, -0.5549606])
    assert logvar.exp()[0].tolist() == exactly([0.6942491, 0.6116406, 0.5630448])


def test_averages_do_not_depend_on_the_order_of_a_pair():
    for average in (average_mean, average_product):
        for one, other in zip(average(FIRST, SECOND), average(SECOND, FIRST), strict=True):
            torch.testing.assert_close(one, other)
    swapped = compare_posteriors(MEAN[:2].flip(0), LOGVAR[:2].flip(0))
    assert not torch.allclose(swapped, compare_posteriors(MEAN[:2], LOGVAR[:2]))


def test_averages_are_alike_where_variances_are():
    mean, _ = average_mean((MEAN[:2], LOGVAR[:2]), (MEAN[2:], LOGVAR[:2]))
    product, logvar = average_product((MEAN[:2], LOGVAR[:2]), (MEAN[2:], LOGVAR[:2]))
    torch.testing.assert_close(product, mean)
    torch.testing.assert_close(logvar, LOGVAR[:2])


@pytest.mark.parametrize("name", ["adagvae", "adamlvae", "groupvae"])
def test_equal_images_share_all_latents_and_the_loss_is_that_of_the_beta_vae(name):
    model, networks = build_model(name, network=SMALL, latent_size=4, beta=3.0)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 1, 64, 64, generator=generator).repeat(2, 1, 1, 1)
    noise = torch.randn(10, 4, generator=generator)
    batch = {"images": images, "noise": noise, "progress": torch.zeros(())}
    if name == "groupvae":
        batch["changed"] = torch.zeros(5, 4, dtype=torch.bool)
    else:
        mean, logvar = networks.autoencoder.posterior(images)
        assert not find_changed(mean, logvar).any()
    base, _ = build_model("betavae", network=SMALL, latent_size=4, beta=3.0)
    expected = base.step(networks, batch).losses["autoencoder"]
    torch.testing.assert_close(model.step(networks, batch).losses["autoencoder"], expected)


class Encoder(torch.nn.Module):
    """A toy: latent j is the mean brightness of column j of an image, seen with little noise."""

    def posterior(self, images):
        mean = images.mean(dim=(1, 2))
        return mean, torch.full_like(mean, -4.0)


@pytest.mark.parametrize("factor", range(4))
def test_a_pair_that_differs_in_one_factor_names_its_latent(factor):
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    partners = images.clone()
    partners[..., factor] = 1 - partners[..., factor] / 2
    mean, logvar = Encoder().posterior(torch.cat([images, partners]))
    changed = find_changed(mean, logvar)
    assert torch.equal(changed, (torch.arange(4) == factor).expand(6, 4))

    model, _ = build_model("adagvae", network=SMALL, latent_size=4)
    merged, _ = model.merge(mean, logvar, {})
    first, second = merged.chunk(2)
    kept = torch.arange(4) != factor
    assert torch.equal(first[:, kept], second[:, kept])
    torch.testing.assert_close(merged[:, factor], mean[:, factor])


def test_a_latent_so_far_apart_that_its_kl_overflows_has_changed():
    mean, logvar = torch.tensor([[0.0, 0.0], [2.0, 0.1]]), torch.tensor([[0.0, 0.0], [-88.0, 0.0]])
    assert find_changed(mean, logvar).tolist() == [[True, False]]


def test_each_pair_has_a_threshold_of_its_own():
    mean = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 1.0], [0.0, 0.1]])
    assert find_changed(mean, torch.zeros(4, 2)).tolist() == [[True, False], [False, True]]


def test_given_latents_are_shared_and_no_others():
    model, _ = build_model("groupvae", network=SMALL, latent_size=3, average="product")
    changed = torch.tensor([[True, False, False], [False, False, True]])
    mean, _ = model.merge(MEAN, LOGVAR, {"changed": changed})
    expected, _ = average_product((MEAN[:2], LOGVAR[:2]), (MEAN[2:], LOGVAR[2:]))
    for half, own in zip(mean.chunk(2), MEAN.chunk(2), strict=True):
        assert torch.equal(half, torch.where(changed, own, expected))


def test_each_factor_has_a_latent_and_the_others_are_shared():
    model, _ = build_model("groupvae", network=SMALL, latent_size=5, pairs="k=random")
    drawn = model.draw(Draws(len(Tiny.grid), 8, 5, seed=0, grid=Tiny.grid))
    first, second = Tiny.grid.factors(drawn["images"]).chunk(2)
    assert torch.equal(drawn["changed"], assign_latents(first != second, 5))
    assert not drawn["changed"][:, 3:].any()
    refusal = "latent_size must be at least 3 .*, but 2 was given"
    with pytest.raises(InputError, match=refusal):
        model.draw(Draws(len(Tiny.grid), 8, 2, seed=0, grid=Tiny.grid))


@pytest.mark.parametrize("name", ["adagvae", "groupvae", "slowvae"])
def test_records_are_of_single_images(name):
    paired, single = prepare_cell(name), prepare_cell("vae")
    single.networks.load_state_dict(paired.networks.state_dict())
    ours, expected = (evaluate(one, rows=64) for one in (paired, single))
    assert ours.measures == expected.measures
    assert (ours.codes == expected.codes).all()


@pytest.mark.parametrize(("name", "average"), [("adagvae", average_mean), ("adamlvae", average_product)])
def test_the_loss_is_the_mean_over_both_images_with_merged_posteriors(name, average):
    """(rec1 + rec2) / 2 + beta * (KL1 + KL2) / 2, Locatello et al. 2020, by hand for two unequal images."""
    model, networks = build_model(name, network=SMALL, latent_size=4, beta=3.0)
    networks.double()
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(2, 1, 64, 64, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    (m1, m2), (l1, l2) = (part.unbind() for part in networks.autoencoder.posterior(images))
    apart = (l1 - l2).exp() + (m1 - m2) ** 2 / l2.exp() - 1 - (l1 - l2)
    changed = apart > (apart.max() + apart.min()) / 2
    assert 0 < changed.sum() < 4
    shared_mean, shared_logvar = average((m1, l1), (m2, l2))
    expected = 0.0
    for image, own, (mean, logvar) in zip(images, noise, [(m1, l1), (m2, l2)], strict=True):
        mean = torch.where(changed, mean, shared_mean)
        variance = torch.where(changed, logvar, shared_logvar).exp()
        logits = networks.autoencoder.decoder((mean + variance.sqrt() * own)[None])[0]
        chance = logits.sigmoid()
        reconstruction = -(image * chance.log() + (1 - image) * (1 - chance).log()).sum()
        kl = 0.5 * (mean**2 + variance - 1 - variance.log()).sum()
        expected += (reconstruction + 3.0 * kl) / 2
    step = model.step(networks, {"images": images, "noise": noise, "progress": torch.zeros(())})
    assert step.losses["autoencoder"].item() == pytest.approx(expected.item(), rel=1e-9)


def test_a_known_average_of_losses():
    # both images have the same posterior in latent 0 and their own in 1 and 2
    model, _ = build_model("adagvae", network=SMALL, latent_size=3)
    mean, logvar = model.merge(MEAN[:2], LOGVAR[:2], {})
    assert mean[:, 0].tolist() == exactly([0.8753842] * 2)
    assert torch.equal(mean[:, 1:], MEAN[:2, 1:])
    assert logvar[:, 0].exp().tolist() == exactly([0.6942491] * 2)
    assert logvar[0, 1].item() == pytest.approx(LOGVAR[0, 1].item(), **TOLERANCE)
