"""dSprites: checks of the drawings that do not need the authors' file."""

import zlib

import numpy as np
import pytest
import torch

from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.dsprites.outlines import outlines


def images_of(dataset, **classes):
    """Return all images with the given classes; the other factors take all values."""
    axes = [
        [classes[name]] if name in classes else range(size)
        for name, size in zip(dataset.grid.names, dataset.grid.sizes, strict=True)
    ]
    factors = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    return dataset.images(dataset.indices(factors))[:, 0]


def polygon_area(corners):
    x, y = corners.T
    return abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def test_the_grid_is_the_authors():
    assert DSprites.grid.names == ("color", "shape", "scale", "orientation", "posX", "posY")
    assert DSprites.grid.sizes == (1, 3, 6, 40, 32, 32)
    assert len(DSprites.grid) == 737_280
    values = {factor.name: factor.values for factor in DSprites.grid}
    assert values["scale"] == pytest.approx((0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    assert values["orientation"][-1] == pytest.approx(2 * np.pi)
    assert values["posX"][:2] == pytest.approx((0, 1 / 31))


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_the_mean_area_is_that_of_the_outline(dsprites, shape):
    """Average over all positions, where pixel centres fall everywhere in the sprite."""
    area = polygon_area(list(outlines().values())[shape])
    for scale, factor in ((0, 0.5), (5, 1.0)):
        count = (
            images_of(dsprites, color=0, shape=shape, scale=scale, orientation=7).sum((1, 2)).float().mean()
        )
        assert count == pytest.approx(area * factor**2, rel=0.005)


@pytest.mark.parametrize("shape", [0, 1])
def test_the_centre_moves_from_16_to_48_pixels(dsprites, shape):
    at = torch.arange(64) + 0.5
    for axis, name in ((1, "posX"), (0, "posY")):
        other = {"posX": "posY", "posY": "posX"}[name]
        images = images_of(dsprites, color=0, shape=shape, scale=5, orientation=0, **{other: 16}).float()
        centres = (images.sum(2 if axis == 0 else 1) * at).sum(1) / images.sum((1, 2))
        # Whole pixels follow the outline within half a pixel.
        assert (centres - (16 + 32 * torch.arange(32) / 31)).abs().max() < 0.5


def test_orientation_turns_counter_clockwise_on_the_screen(dsprites):
    image = images_of(dsprites, color=0, shape=1, scale=5, orientation=5, posX=16, posY=16)[0]
    row, column = image.nonzero().T.double()
    assert torch.corrcoef(torch.stack([column, row]))[0, 1] < -0.4  # a wide ellipse, its right end raised


def test_a_heart_stands_on_its_tip(dsprites):
    image = images_of(dsprites, color=0, shape=2, scale=5, orientation=0, posX=15, posY=15)[0]
    rows = image.any(1).nonzero().flatten()
    assert image[rows[-1]].sum() <= 2
    assert image[rows[0]].int().diff().abs().sum() == 4  # two lobes


def test_the_first_and_last_orientation_are_the_same(dsprites):
    generator = np.random.default_rng(0)
    factors = generator.integers(0, dsprites.grid.sizes, (500, 6))
    first, last = factors.copy(), factors.copy()
    first[:, 3], last[:, 3] = 0, 39
    assert torch.equal(dsprites.images(dsprites.indices(first)), dsprites.images(dsprites.indices(last)))


def test_all_other_orientations_of_a_large_heart_differ(dsprites):
    images = images_of(dsprites, color=0, shape=2, scale=5, posX=10, posY=20)
    assert len(torch.unique(images.flatten(1), dim=0)) == 39


def test_positions_are_not_shifted_copies(dsprites):
    """Use the step of 32/31 pixel, whose pattern repeats only after 31 steps."""
    images = images_of(dsprites, color=0, shape=0, scale=3, orientation=4, posY=0)
    first, last = images[0], images[31]
    assert torch.equal(first.roll(32, 1), last)
    assert not all(torch.equal(first.roll(k, 1), images[k]) for k in range(1, 31))


def test_sprites_stay_away_from_the_border(dsprites):
    images = images_of(dsprites, color=0, scale=5, posX=0, posY=31)
    assert images[:, :, :2].sum() == 0
    assert images[:, -2:].sum() == 0


def test_the_drawings_have_not_changed(dsprites):
    """Guard against changes, not errors; if intended, raise the outlines' VERSION."""
    indices = np.random.default_rng(2).integers(0, len(dsprites), 4096)
    assert zlib.crc32(dsprites.images(indices).numpy().tobytes()) == 2591483768
    assert dsprites.fingerprint == "drawn:177cb1a37a144192"
