"""A loaded model encodes, decodes, traverses, samples and scores as its cell did."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import dis_bench
from dis_bench.errors import InputError
from dis_bench.records.codes import read_codes
from dis_bench.records.pictures import read_pictures
from dis_bench.runners.run import run_study
from dis_bench.runners.scoring.rows import draw_rows
from dis_bench.runners.trained.interpolation import interpolate
from tests.runners.trained.conftest import STUDY, TINY


@pytest.fixture(scope="module")
def vae(row):
    return dis_bench.load(row, dataset=TINY)


@pytest.fixture(scope="module")
def pca(table):
    return dis_bench.load(table[table["model"] == "pca"].iloc[0], dataset=TINY)


@pytest.fixture(scope="module")
def images(vae):
    return vae.dataset.images([0, 100, 255])


def test_scores_are_the_kept_ones_to_the_digit(vae, pca):
    for trained in (vae, pca):
        scores = trained.score()
        assert scores.to_dict() == trained.record["scores"]
        assert scores.attrs["small"] == trained.record["small"]
    assert "mig" in vae.record["scores"]
    assert vae.score(["sap"]).index.tolist() == ["sap"]


def test_codes_are_the_kept_ones(vae):
    rows = draw_rows(vae.dataset)
    codes, log_variances = vae.posterior(vae.dataset.images(rows))
    kept = read_codes(vae.record["folder"])
    assert np.abs(codes.numpy() - kept["codes"]).max() < 1e-5
    assert kept["log_variances"] == pytest.approx(log_variances.numpy(), rel=2**-9, abs=1e-5)
    assert vae.encode(vae.dataset.images(rows[:2]).numpy()).shape == (2, 4)


def test_a_model_that_works_in_place_changes_nothing_of_its_user(vae, images):
    class InPlace(type(vae.model)):
        def encode(self, networks, images):
            means, log_variances = super().encode(networks, images)
            return self.buffer[: len(images)].copy_(means), log_variances

        def decode(self, networks, codes):
            return super().decode(networks, codes.mul_(1.0).zero_())

    model = InPlace(**vae.model.values)
    model.buffer = torch.zeros(64, vae.latent_size)
    other = replace(vae, model=model)
    many = images.repeat(30, 1, 1, 1)  # several calls
    assert torch.equal(other.encode(many), vae.encode(many))
    codes = torch.ones(2, vae.latent_size)
    other.decode(codes)
    assert torch.equal(codes, torch.ones(2, vae.latent_size))


def test_reconstructions_are_the_kept_ones(vae):
    kept = read_pictures(vae.record["folder"])
    originals = torch.from_numpy(kept.originals // 255)  # of a dataset whose pixels are bits
    made = vae.reconstruct(originals)
    assert made.shape == (8, 1, 64, 64)
    assert np.abs((made * 255).round().numpy() - kept.reconstructions).max() <= 1


def test_a_traversal_varies_one_latent_and_fixes_the_others(vae, images):
    code = vae.encode(images)[0]
    strip = vae.traverse(images[0], 2, [-1.0, float(code[2]), 1.0])
    assert strip.shape == (3, 1, 64, 64)
    assert torch.allclose(strip[1], vae.reconstruct(images[:1])[0], atol=1e-6)
    varied = code.clone()
    varied[2] = -1.0
    assert torch.allclose(strip[0], vae.decode(varied)[0], atol=1e-6)
    every = vae.traverse(images[0])
    assert every.shape == (4, 21, 1, 64, 64)
    assert torch.allclose(every[vae.order.index(2)], vae.traverse(code, 2), atol=1e-6)
    assert vae.traverse(images[0], [3, 1]).shape == (2, 21, 1, 64, 64)


def test_latents_are_ordered_by_their_kl(vae, pca):
    kl = vae.kl_per_latent
    assert [kl[latent] for latent in vae.order] == sorted(kl, reverse=True)
    assert (pca.kl_per_latent, pca.order) == (None, [0, 1, 2, 3])


def test_a_path_has_both_ends(vae, images):
    both = vae.reconstruct(images[:2])
    for path in ("linear", "spherical"):
        made = vae.interpolate(images[0], images[1], 5, path)
        assert torch.allclose(made[[0, -1]], both, atol=1e-5)


def test_an_arc_keeps_the_distance_from_the_origin():
    first, last = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    assert torch.allclose(interpolate(first, last, 3, "linear")[1], torch.tensor([1.0, 1.0]))
    assert torch.allclose(interpolate(first, last, 3, "spherical")[1], torch.full((2,), math.sqrt(2)))
    assert torch.allclose(interpolate(first, 2 * first, 3, "spherical")[1], 1.5 * first)
    with pytest.raises(InputError, match="opposite directions"):
        interpolate(first, -first, 3, "spherical")
    with pytest.raises(InputError, match="unknown path 'sferical': did you mean 'spherical'"):
        interpolate(first, last, 3, "sferical")


def test_samples_are_decoded_draws_of_a_seed(vae, pca):
    first = vae.sample(3, seed=1)
    draws = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first, vae.decode(draws))
    assert torch.equal(first, vae.sample(3, seed=1))
    with pytest.raises(InputError, match="model 'pca' has no prior"):
        pca.sample(3)


def test_a_gan_samples_codes_of_the_range_that_it_was_trained_on(tmp_path):
    study = replace(STUDY, models=["infogan"], metrics=["mig"], settings={})
    gan = dis_bench.load(run_study(study, tmp_path / "results", workers=0).iloc[0], dataset=TINY)
    draws = 2 * torch.rand(3, 4, generator=torch.Generator().manual_seed(1)) - 1
    assert torch.equal(gan.sample(3, seed=1), gan.decode(draws))
    traversed = gan.traverse(draws[0], latent=0)
    assert torch.equal(traversed, gan.traverse(draws[0], latent=0, values=np.linspace(-1, 1, 21)))
    assert read_pictures(gan.record["folder"]).traversal_values.tolist() == np.linspace(-1, 1, 9).tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda images: images.float(), "uint8 images .* are needed, but float32 was given"),
        (lambda images: images.numpy() / 255, "but float64 was given"),
        (lambda images: images * 255, "have values up to 1, but 255 was given"),
        (lambda images: images[..., :32], r"an array \[3, 1, 64, 32\] was given"),
        (lambda images: images.repeat(1, 3, 1, 1), r"an array \[3, 3, 64, 64\] was given"),
        (lambda images: images[:0], r"an array \[0, 1, 64, 64\] was given"),
        (lambda images: "images", "but 'images' was given"),
        (lambda images: None, "but None was given"),
    ],
)
def test_other_images_are_refused(vae, images, change, said):
    with pytest.raises(InputError, match=said):
        vae.encode(change(images))


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (np.full((2, 4), np.nan), "must be finite"),
        (np.zeros((2, 5)), r"codes \[B, 4\] are needed, but an array \[2, 5\] was given"),
        (np.zeros((2, 4), complex), "must be numbers"),
        ("codes", "but 'codes' was given"),
    ],
)
def test_other_codes_are_refused(vae, codes, said):
    with pytest.raises(InputError, match=said):
        vae.decode(codes)


@pytest.mark.parametrize("latent", [4, -1, 0.5, True, "first", [0, 9], [], [[0], [1, 2]]])
def test_a_latent_that_is_none_is_refused(vae, images, latent):
    with pytest.raises(InputError, match="latent must be a number from 0 to 3, or a list of some, but"):
        vae.traverse(images[0], latent)


@pytest.mark.parametrize("values", ["abc", ["a"], [1j], [[1], [1, 2]], [[1, 2]], [], 3, [None]])
def test_values_that_are_no_numbers_are_refused(vae, images, values):
    with pytest.raises(InputError, match="values must be a list of numbers, but "):
        vae.traverse(images[0], 0, values)


def test_containers_of_numbers_are_taken(vae, images):
    given = [[0, 1], (0.0, 1.0), np.arange(2), torch.arange(2), [torch.tensor(0.0), torch.tensor(1.0)]]
    made = [vae.traverse(images[0], latent, values) for latent, values in zip([2] * 5, given, strict=True)]
    assert all(torch.equal(one, made[0]) for one in made)
    for latents in (np.int64(2), torch.tensor(2)):
        assert torch.equal(vae.traverse(images[0], latents, [0, 1]), made[0])
    for seed in (np.int64(1), 1):
        assert torch.equal(vae.sample(np.int64(2), seed=seed), vae.sample(2, seed=1))
    assert len(vae.sample(2, seed=2**64 - 1)) == 2
    with pytest.raises(InputError, match=f"seed must be a whole number from 0 to {2**64 - 1}, but {2**64}"):
        vae.sample(2, seed=2**64)


@pytest.mark.parametrize("path", [None, ["linear"], 3])
def test_a_path_that_is_no_text_is_refused(vae, images, path):
    with pytest.raises(InputError, match="path must be one of linear, spherical, but"):
        vae.interpolate(images[0], images[1], path=path)


def test_a_notebook_shows_a_slider_for_each_latent(vae, pca):
    for trained in (vae, pca):
        page = trained._repr_html_()
        assert page.count('type="range"') == 4
        assert page.count("data:image/png;base64,") == 5  # with the image itself
        assert "http" not in re.sub(r"base64,[^)]*", "", page)  # nothing is fetched
    kl = [
        float(nats) for nats in re.findall(r"latent \d+, ([\d.]+) nats", vae._repr_html_().split("<input")[0])
    ]
    assert kl == sorted(kl, reverse=True)
    assert "tiny vae seed=0, 3 steps, 4 latents" in repr(vae)


def test_codes_as_wide_as_images_have_no_decoder_and_the_scores_that_were_kept(tmp_path):
    study = replace(STUDY, models=["raw"], betas=(), metrics=["mig", "dci"], settings={})
    table = run_study(study, tmp_path, workers=0)
    raw = dis_bench.load(table.iloc[0], dataset=TINY)
    assert raw.latent_size == 64 * 64
    with pytest.raises(InputError, match="model 'raw' has no decoder"):
        raw.reconstruct(raw.dataset.images([0]))
    assert "has no decoder" in raw._repr_html_()
    assert raw.score().to_dict() == raw.record["scores"]
    assert raw.record["scores"].keys() == {"mig"}
