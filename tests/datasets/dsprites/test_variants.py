"""dSprites in colour, in noise and before a painting: by index, and by the published rules."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dis_bench.datasets import load_dataset
from dis_bench.datasets.counter import draw_bytes
from dis_bench.datasets.dsprites.variants import ColorDSprites, NoisyDSprites, ScreamDSprites
from dis_bench.errors import InputError
from tests.datasets.official import tiny_dsprites

VARIANTS = [ColorDSprites, NoisyDSprites, ScreamDSprites]
INDICES = np.random.default_rng(0).integers(0, 737_280, 200)


@pytest.fixture
def painting(tmp_path):
    """Write a painting that is larger than what it is shrunk to; return its folder."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 9, 3)).astype(np.uint8))
    coarse.resize((600, 800), Image.Resampling.BICUBIC).save(tmp_path / "scream.jpg", quality=95)
    return tmp_path


def draw(kind, folder, indices=INDICES, **options):
    dataset = load_dataset(kind.name, data_dir=folder, **options)
    assert (dataset.image_shape, dataset.pixel_max) == ((3, 64, 64), 255)
    return dataset.images(indices).numpy()


@pytest.fixture(scope="module")
def sprites():
    return load_dataset("dsprites").images(INDICES).numpy().astype(bool)


def test_sprites_have_a_colour_each(sprites):
    images = draw(ColorDSprites, None)
    assert not images[~np.repeat(sprites, 3, axis=1)].any()
    found = images.max((2, 3))
    assert np.array_equal(images, np.where(sprites, found[:, :, None, None], 0))
    assert found.min() >= 128
    assert len(np.unique(found, axis=0)) == len(np.unique(INDICES))
    assert abs(found.mean() - 191.5) < 5  # of numbers from 128 to 255


def test_noise_is_uniform_around_a_white_sprite(sprites):
    images = draw(NoisyDSprites, None)
    where = np.repeat(sprites, 3, axis=1)
    assert (images[where] == 255).all()
    noise = images[~where]
    counts = np.bincount(noise, minlength=256)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 330
    pixels = images[:, :, 0, 0].astype(float)
    assert np.abs(np.corrcoef(pixels.T)[np.triu_indices(3, 1)]).max() < 0.25  # each channel has its own


def test_a_sprite_inverts_a_piece_of_the_painting(sprites, painting):
    images = draw(ScreamDSprites, painting)
    with Image.open(painting / "scream.jpg") as image:
        image.thumbnail((350, 274))
        shrunk = np.array(image).astype(int)
    assert shrunk.shape == (274, 205, 3)
    for index, image, where in zip(INDICES[:20], images, sprites, strict=False):
        words = draw_bytes(torch.tensor([index]), 16, key=3)[0].numpy()
        top, left = (words[:8].view("<i4") & 0x7FFFFFFF) % (274 - 64, 205 - 64)
        piece = shrunk[top : top + 64, left : left + 64]
        background = ((piece + words[8:11].astype(int)) // 2).transpose(2, 0, 1)
        assert np.array_equal(image, np.where(where, 255 - background, background))


@pytest.mark.parametrize("kind", VARIANTS)
def test_an_image_depends_on_its_index_alone(kind, painting):
    images = draw(kind, painting)
    order = np.random.default_rng(1).permutation(200)
    assert np.array_equal(draw(kind, painting, INDICES[order]), images[order])
    assert np.array_equal(draw(kind, painting, INDICES[:1]), images[:1])
    dataset = load_dataset(kind.name, data_dir=painting)
    assert dataset.images([]).shape == (0, 3, 64, 64)
    assert "is drawn once for each of its 737,280 images" in dataset.own_caveat


@pytest.mark.parametrize("kind", VARIANTS)
def test_sprites_may_come_from_the_official_file(kind, painting):
    tiny, images = tiny_dsprites(painting)
    small = type("Small", (kind,), {"grid": tiny.grid, "archive": tiny.archive, "drawn": kind.drawn})
    found = small("official", painting).images(np.arange(48)).numpy()
    where = np.repeat(images[:, None].astype(bool), 3, axis=1)
    if kind is ColorDSprites:
        assert np.array_equal(found > 0, where)
    elif kind is NoisyDSprites:
        assert (found[where] == 255).all()
    else:
        empty = type("Empty", (kind,), {"grid": tiny.grid, "archive": tiny.archive, "drawn": kind.drawn})
        shown = empty("official", painting)
        plain = shown.surround(torch.zeros(48, 1, 64, 64, dtype=torch.uint8), torch.arange(48)).numpy()
        assert np.array_equal(found, np.where(where, 255 - plain, plain))


def test_fingerprints_differ_between_variants_and_from_dsprites(painting):
    found = [load_dataset(kind.name, data_dir=painting).fingerprint for kind in VARIANTS]
    found.append(load_dataset("dsprites").fingerprint)
    assert len(set(found)) == 4
    assert found[-1] == "drawn:177cb1a37a144192"  # cells from before there were variants stay finished


def test_another_painting_has_another_fingerprint(painting, monkeypatch):
    monkeypatch.delattr(Path, "read_bytes")  # a file of any size would be in memory
    before = load_dataset("scream_dsprites", data_dir=painting).fingerprint
    assert load_dataset("scream_dsprites", data_dir=painting).fingerprint == before
    with Image.open(painting / "scream.jpg") as image:
        turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned.save(painting / "scream.jpg")
    assert load_dataset("scream_dsprites", data_dir=painting).fingerprint != before


def save(folder, size, mode="RGB", kind="JPEG"):
    Image.new(mode, size).save(folder / "scream.jpg", kind)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: (f / "scream.jpg").unlink(), "get it from https://upload.wikimedia.org"),
        (lambda f: (f / "scream.jpg").write_bytes(b""), "cannot be read as a JPEG or PNG image"),
        (
            lambda f: (f / "scream.jpg").write_bytes((f / "scream.jpg").read_bytes()[:900]),
            "cannot be read as a JPEG or PNG image",
        ),
        (lambda f: save(f, (64, 64)), "must be larger than 64x64 pixels"),
        (lambda f: save(f, (3000, 500)), "has 350x58 then"),
        (lambda f: save(f, (100, 100), kind="GIF"), "cannot be read as a JPEG or PNG image"),
    ],
)
def test_wrong_paintings_are_refused_in_a_sentence(painting, change, sentence):
    change(painting)
    with pytest.raises(InputError) as error:
        load_dataset("scream_dsprites", data_dir=painting)
    assert sentence in str(error.value)


def test_a_grey_painting_has_three_equal_channels(painting):
    save(painting, (300, 300), "L")
    assert load_dataset("scream_dsprites", data_dir=painting).images([5]).shape == (1, 3, 64, 64)
