"""3DShapes images as sums of planes.

Every hue mixes its three channels from six levels (0, 1/5 .. 1), and down-sampling rays to pixels is linear.
Each of the 480 geometries (scale × shape × orientation) is therefore stored as 21 planes: the contributions
of the floor, the wall and the solid to a channel at each level, and of the sky to each channel. A channel of
an image is the sum of four planes, clipped once; this is within 1 level of 255 of rendering that image
directly.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import torch

from dis_bench.datasets.shapes3d import scene
from dis_bench.datasets.shapes3d.scene import RAYS, SIDE
from dis_bench.neutral import one_thread

HUES = [colorsys.hsv_to_rgb(k / 10, 1, 1) for k in range(10)]
LEVELS = [[round(5 * channel) for channel in rgb] for rgb in HUES]  # [10 hues][3 channels], 0 .. 5
REGIONS = (scene.FLOOR, scene.WALL, scene.SOLID)  # in the order of their six planes each
PLANES = 6 * len(REGIONS) + 3  # the last three are the sky's
STEP_BITS = 6
STEPS = 1 << STEP_BITS  # of a plane's int16 per level of 255


def lanczos() -> torch.Tensor:
    """Return the original's down-sampling: Lanczos-3, ``[64 pixels, 192 rays]``.

    Each row sums to one.
    """
    rays = RAYS // SIDE
    centres = (torch.arange(SIDE, dtype=torch.float64) + 0.5) * rays
    distance = (torch.arange(RAYS) + 0.5 - centres[:, None]) / rays
    weight = torch.sinc(distance) * torch.sinc(distance / 3) * (distance.abs() < 3)
    return (weight / weight.sum(1, keepdim=True)).float()


def paint(region: torch.Tensor, shade: torch.Tensor, gleam: torch.Tensor) -> torch.Tensor:
    """Compute the contribution of every ray to every plane.

    Args:
        region: ``[O, h, w]``, like the other two from :class:`scene.Scene`.
        shade: the factor on the region's colour.
        gleam: white light added on top, 0 .. 1.

    Returns:
        float32 ``[O, 21, h, w]``, in whole levels of 255, because the original was rounded before
        down-sampling.
    """
    levels = torch.arange(6)[:, None, None] * (255 / 5)
    lit = (levels * shade[:, None] + 255 * gleam[:, None]).round_().clamp_(max=255)
    planes = torch.empty(len(region), PLANES, *region.shape[1:])
    for part, six in zip(REGIONS, planes.split(6, 1), strict=False):
        torch.mul(lit, (region == part)[:, None], out=six)
    planes[:, -3:] = torch.tensor(scene.CONSTANTS["sky"])[:, None, None] * (region == scene.SKY)[:, None]
    return planes


def build_planes(
    scales: Sequence[float], shapes: Sequence[str], orientations: Sequence[float]
) -> torch.Tensor:
    """Build the planes of all geometries.

    Returns:
        int16 ``[scales × shapes × orientations, 21, 64 × 64]``, 83 MB.
    """
    # With thousands of short operations, a second thread saves a third of a second on an idle machine. On a
    # busy one, where threads wait for each other, a build of 4 seconds took 33.
    with one_thread():
        return _build_planes(scales, shapes, orientations)


def _build_planes(
    scales: Sequence[float], shapes: Sequence[str], orientations: Sequence[float]
) -> torch.Tensor:
    view = scene.look(orientations)
    room = scene.enter_room(view)
    down = lanczos()
    empty = paint(room.region, room.shade, torch.zeros_like(room.shade))
    base = STEPS * (down @ (empty @ down.T))
    base[:, -3:] += STEPS / 2  # so that truncating the sum to whole levels rounds it
    planes = torch.empty(len(scales), len(shapes), *base.shape, dtype=torch.int16)
    for i, scale in enumerate(scales):
        for j, shape in enumerate(shapes):
            # A solid and its shadow change the empty room only within a window.
            solid = scene.make_solid(shape, scale)
            rows, columns = window = scene.find_window(view, solid)
            change = paint(*scene.place_solid(view, room, solid, window)).sub_(empty[..., rows, columns])
            planes[i, j] = (base + STEPS * (down[:, rows] @ (change @ down[:, columns].T))).round_()
    return planes.view(-1, PLANES, SIDE * SIDE)


def compose(planes: torch.Tensor, levels: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Compose images from their planes.

    Args:
        planes: from :func:`build_planes`.
        levels: :data:`LEVELS` as a tensor, ``[10, 3]``.
        indices: int64 ``[B]``, in the order (floor hue, wall hue, object hue, geometry).

    Returns:
        uint8 ``[B, 3, 64, 64]``.
    """
    hues, geometry = indices // len(planes), indices % len(planes) * PLANES
    rows = planes.flatten(0, 1)
    sky = torch.arange(PLANES - 3, PLANES, device=planes.device)
    total = rows.index_select(0, (geometry[:, None] + sky).flatten())
    for region, hue in enumerate((hues // 100, hues // 10 % 10, hues % 10)):
        plane = geometry[:, None] + 6 * region + levels.index_select(0, hue)
        total += rows.index_select(0, plane.flatten())
    pixels = (total >> STEP_BITS).clamp_(0, 255).to(torch.uint8)
    return pixels.view(len(indices), 3, SIDE, SIDE)
