"""The rasteriser against an independent one: point in polygon, pixel by pixel."""

import math

import numpy as np
import pytest
import torch

from dis_bench.datasets.dsprites import outlines, rasteriser


def corners_of(shape, scale, orientation, x, y):
    """Compute an outline in 1/256 pixel from its description, with plain loops."""
    if shape == 0:
        points = [(-9.6, -9.6), (9.6, -9.6), (9.6, 9.6), (-9.6, 9.6)]
    elif shape == 1:
        turns = [2 * math.pi * k / 100 for k in range(100)]
        points = [(9.6 * 1.33 * math.cos(a), 9.6 / 1.33 * math.sin(a)) for a in turns]
    else:
        turns = [2 * math.pi * k / 150 for k in range(150)]
        height = [
            13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a) for a in turns
        ]
        points = [
            (9.6 * math.sin(a) ** 3, -9.6 / 14.5 * h - 1.44) for a, h in zip(turns, height, strict=True)
        ]
    size, angle = 0.5 + 0.1 * scale, 2 * math.pi * orientation / 39
    snapped = []
    for px, py in points:
        across = size * (px * math.cos(angle) + py * math.sin(angle)) + 16 + 32 * x / 31
        down = size * (py * math.cos(angle) - px * math.sin(angle)) + 16 + 32 * y / 31
        snapped.append((round(256 * across), round(256 * down)))
    return snapped


FINE = 1 << 40


def is_inside(corners, column, row):
    """Apply the even-odd rule to a pixel's centre.

    A centre on an edge counts as if it were a hair further right and less than a hair higher, so left and
    bottom edges are inside, right and top edges outside.
    """
    x = (256 * column + 128) * FINE + (1 << 22)
    y = (256 * row + 128) * FINE - 1
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        x0, y0, x1, y1 = (FINE * value for value in (x0, y0, x1, y1))
        if (y0 < y) != (y1 < y):
            side = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
            inside ^= side > 0 if y1 > y0 else side < 0
    return inside


def draw_slowly(factors):
    corners = corners_of(*factors)
    across, down = zip(*corners, strict=True)
    image = np.zeros((64, 64), np.uint8)
    for row in range(min(down) // 256, max(down) // 256 + 1):
        for column in range(min(across) // 256, max(across) // 256 + 1):
            image[row, column] = is_inside(corners, column, row)
    return image


RANDOM = np.random.default_rng(7).integers(0, (3, 6, 40, 32, 32), (24, 5)).tolist()
# Here the sides of the largest square, upright, pass through the centres of pixels.
ON_EDGES = [[0, 1, 0, 8, 8], [0, 1, 0, 23, 23], [0, 1, 39, 8, 23], [0, 1, 39, 23, 8]]
# The heart's lobes, which cross a row four times, and the extremes of the ranges.
OTHERS = [[2, 5, 0, 0, 0], [2, 0, 20, 31, 31], [1, 5, 39, 31, 0], [0, 5, 5, 0, 31]]


@pytest.mark.parametrize("factors", RANDOM + ON_EDGES + OTHERS, ids=str)
def test_every_pixel_is_that_of_the_slow_rasteriser(dsprites, factors):
    image = dsprites.images(dsprites.indices([[0, *factors]]))[0, 0].numpy()
    assert np.array_equal(image, draw_slowly(factors))


def test_centres_on_edges_do_occur():
    on_an_edge = [
        sum(value % 256 == 128 for corner in corners_of(*factors) for value in corner) for factors in ON_EDGES
    ]
    assert min(on_an_edge) >= 4


def test_no_corner_is_near_the_middle_of_two_steps():
    """Check snap_corners' claim: the last bit of a sine cannot move a corner."""
    x, y, turns = np.arange(32) / 31, np.linspace(0.5, 1, 6), np.linspace(0, 2 * np.pi, 40)
    nearest = 1.0
    for outline in outlines.outlines().values():
        px, py = outline.T
        for cos, sin in zip(np.cos(turns), np.sin(turns), strict=True):
            for across in (px * cos + py * sin, py * cos - px * sin):
                at = 256 * (y[:, None, None] * across + 16 + 32 * x[:, None])
                nearest = min(nearest, np.abs(at - np.floor(at) - 0.5).min())
    assert nearest > 2e-7


def test_words_unpack_to_their_bits():
    words = torch.zeros(1, 64, dtype=torch.int64)
    words[0, 3] = (1 << 0) | (1 << 9) | (1 << 62)
    words[0, 5] = -1
    pixels = rasteriser.unpack(words, torch.from_numpy(rasteriser.bits_of_bytes()))[0, 0]
    assert pixels[3].nonzero().flatten().tolist() == [0, 9, 62]
    assert pixels[5].sum() == 64
    assert pixels.sum() == 67
