"""Rays against solids: closed forms, and a march that tests points along the ray."""

import math

import pytest
import torch

from dis_bench.datasets.shapes3d.raycast import cast

RADIUS, HALF = 1.3, 1.7


def is_inside(shape, x, y, z):
    """Return True for points inside a solid, from its definition."""
    flat = x * x + y * y
    if shape == "cube":
        return (x.abs() < RADIUS) & (y.abs() < RADIUS) & (z > 0) & (z < 2 * HALF)
    if shape == "cylinder":
        return (flat < RADIUS**2) & (z > 0) & (z < 2 * HALF)
    if shape == "sphere":
        return flat + (z - RADIUS) ** 2 < RADIUS**2
    from_axis = z - z.clamp(RADIUS, RADIUS + 2 * HALF)
    return flat + from_axis**2 < RADIUS**2


@pytest.mark.parametrize("shape", ["cube", "cylinder", "sphere", "capsule"])
def test_the_first_meeting_is_the_first_point_inside(shape):
    generator = torch.Generator().manual_seed(3)
    start = (
        torch.nn.functional.normalize(torch.randn(3, 2000, generator=generator, dtype=torch.float64), dim=0)
        * 9
    )
    aim = torch.randn(3, 2000, generator=generator, dtype=torch.float64) * 1.5 + torch.tensor(
        [[0.0], [0], [2]]
    )
    direction = aim - start
    distance, _ = cast(shape, RADIUS, HALF, tuple(start), tuple(direction))

    steps = torch.linspace(0, 3, 3001, dtype=torch.float64)[:, None]
    inside = is_inside(shape, *(o + steps * d for o, d in zip(start, direction, strict=True)))
    first = torch.where(inside.any(0), inside.int().argmax(0), -1)
    met = distance.isfinite()
    # A ray that only grazes the solid may pass between two steps.
    assert (met | (first < 0)).all()
    assert ((first >= 0) | ~met).double().mean() > 0.99
    both = met & (first >= 0)
    assert both.sum() > 500
    assert (distance[both] - steps[first[both], 0]).abs().max() < 3 / 3000 + 1e-9


def ray(shape, origin, direction):
    vectors = [tuple(torch.tensor(float(value)) for value in vector) for vector in (origin, direction)]
    distance, part = cast(shape, RADIUS, HALF, *vectors)
    return distance.item(), part.item()


def test_closed_forms():
    level = (-5, 0, 1)
    assert ray("cube", level, (1, 1e-9, 1e-9)) == (pytest.approx(5 - RADIUS), 0)
    assert ray("cube", (0, -5, 1), (1e-9, 2, 1e-9)) == (pytest.approx((5 - RADIUS) / 2), 1)
    assert ray("cube", (0.1, 0.1, 9), (1e-9, 1e-9, -1)) == (pytest.approx(9 - 2 * HALF), 2)
    assert ray("cylinder", level, (1, 0, 0)) == (pytest.approx(5 - RADIUS), 0)
    assert ray("cylinder", (0.5, 0, 9), (0, 0, -1)) == (pytest.approx(9 - 2 * HALF), 1)
    assert ray("cylinder", (0.5, 0, -2), (0, 0, 1)) == (pytest.approx(2), 2)
    assert ray("sphere", (-5, 0, RADIUS), (1, 0, 0)) == (pytest.approx(5 - RADIUS), 1)
    assert ray("capsule", (-5, 0, RADIUS + HALF), (1, 0, 0)) == (pytest.approx(5 - RADIUS), 0)
    assert ray("capsule", (0, 0, 20), (0, 0, -1)) == (pytest.approx(20 - 2 * (HALF + RADIUS)), 1)
    assert ray("capsule", (0, 0, -5), (0, 0, 1)) == (pytest.approx(5), 2)


@pytest.mark.parametrize("shape", ["cube", "cylinder", "sphere", "capsule"])
def test_rays_that_miss(shape):
    assert ray(shape, (-5, 0, 1), (-1, 1e-9, 1e-9))[0] == math.inf  # behind
    assert ray(shape, (-5, 0, 9), (1, 1e-9, 1e-9))[0] == math.inf  # above


def test_rows_and_columns_broadcast():
    x, z = torch.linspace(-2, 2, 5)[None, :], torch.linspace(0.5, 4, 7)[:, None]
    distance, part = cast("cylinder", 1.0, 1.0, (x, torch.tensor(-5.0), z), (x * 0, torch.tensor(1.0), z * 0))
    assert distance.shape == part.shape == (7, 5)
    assert distance.isfinite().any(0).tolist() == [False, False, True, False, False]
