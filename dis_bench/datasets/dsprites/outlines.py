"""The three dSprites outlines, and their corners once scaled, rotated and moved.

docs/datasets.md says how the constants were found, and how thoroughly they were checked.
"""

from __future__ import annotations

import numpy as np

VERSION = 1  # raise it when a pixel changes for a reason other than a constant below
RADIUS = 9.6  # of every outline at scale 1, in pixels; half the side of the square
ELLIPSE_CORNERS, HEART_CORNERS = 100, 150
ELLIPSE_STRETCH = 1.33  # multiplies its width and divides its height
HEART_UNITS, HEART_RISE = 14.5, 1.44  # units of the formula per radius; pixels upwards
FIRST_CENTRE, LAST_CENTRE = 16, 48  # of the sprite at positions 0 and 1, in pixels
SUBPIXELS = 256  # per pixel: the grid to which a GPU snaps corners

CONSTANTS = (
    VERSION,
    *(RADIUS, ELLIPSE_CORNERS, HEART_CORNERS, ELLIPSE_STRETCH, HEART_UNITS, HEART_RISE),
    *(FIRST_CENTRE, LAST_CENTRE, SUBPIXELS),
)


def outlines() -> dict[str, np.ndarray]:
    """Return each shape's corners at scale 1 and orientation 0.

    Returns:
        By shape, ``[corners, 2]`` in pixels, x to the right and y down.
    """
    square = RADIUS * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    a = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    ellipse = RADIUS * np.stack([ELLIPSE_STRETCH * np.cos(a), np.sin(a) / ELLIPSE_STRETCH], 1)
    a = np.linspace(0, 2 * np.pi, HEART_CORNERS, endpoint=False)
    height = 13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)
    heart = np.stack([RADIUS * np.sin(a) ** 3, -RADIUS / HEART_UNITS * height - HEART_RISE], 1)
    return {"square": square, "ellipse": ellipse, "heart": heart}


def snap_corners(
    outline: np.ndarray, scales: np.ndarray, orientations: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scale, rotate and move an outline, and round its corners to 1/256 pixel.

    No corner of dSprites is nearer to the midpoint of two steps than 2e-7 of a step, so the last bit of a
    sine, which may differ between machines, decides nothing.

    Args:
        outline: ``[corners, 2]``, from :func:`outlines`.
        scales: factors of the outline's size.
        orientations: radians, counter-clockwise on the screen.
        positions: 0 .. 1, the same for x and y.

    Returns:
        The x and y of the corners in 1/256 pixel, int32 ``[sprites, corners + 1]`` in the order (scale,
        orientation, position). The first corner is repeated at the end, so that edge i runs from corner i to
        corner i + 1.
    """
    x, y = np.concatenate([outline, outline[:1]]).T
    cos, sin = np.cos(orientations)[:, None], np.sin(orientations)[:, None]
    turned = np.stack([cos * x + sin * y, cos * y - sin * x])
    sprites = (scales[:, None, None] * turned[:, None]).reshape(2, -1, 1, len(x))
    centres = FIRST_CENTRE + (LAST_CENTRE - FIRST_CENTRE) * positions
    corners = SUBPIXELS * (sprites + centres[:, None])
    across, down = np.rint(corners, out=corners).astype(np.int32).reshape(2, -1, len(x))
    return across, down
