"""The three dSprites outlines, and where their corners fall for every scale, orientation and position.

docs/datasets.md says how the constants were found, and how far they were checked.
"""

from __future__ import annotations

import numpy as np

VERSION = 1  # raise it when a pixel changes for another reason than a constant below
RADIUS = 9.6  # of every outline at scale 1, in pixels; the square's half side
ELLIPSE_CORNERS, HEART_CORNERS = 100, 150
ELLIPSE_STRETCH = 1.33  # its width is multiplied by this, its height divided
HEART_UNITS, HEART_RISE = 14.5, 1.44  # units of the formula in a radius; pixels upwards
FIRST_CENTRE, LAST_CENTRE = 16, 48  # of the sprite at positions 0 and 1, in pixels
SUBPIXELS = 256  # in a pixel: the grid that a GPU snaps corners to

CONSTANTS = (
    VERSION,
    *(RADIUS, ELLIPSE_CORNERS, HEART_CORNERS, ELLIPSE_STRETCH, HEART_UNITS, HEART_RISE),
    *(FIRST_CENTRE, LAST_CENTRE, SUBPIXELS),
)


def outlines() -> dict[str, np.ndarray]:
    """Every shape's corners at scale 1 and orientation 0: ``[corners, 2]`` pixels, x to the right, y down."""
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
    """Scale, turn and move an outline, and round its corners to 1/256 pixel.

    No corner of dSprites comes nearer to the middle of two steps than 2e-7 of a step: the last bit of a
    sine, which may differ between machines, decides nothing.

    Args:
        outline: ``[corners, 2]``, of :func:`outlines`.
        scales: factors.
        orientations: radians, counter-clockwise on the screen.
        positions: 0 .. 1, the same for x and y.

    Returns:
        The x and the y of the corners in 1/256 pixel, int32 ``[sprites, corners + 1]`` in the order (scale,
        orientation, position): the first corner stands again at the end, and edge i runs from corner i to
        i + 1.
    """
    x, y = np.concatenate([outline, outline[:1]]).T
    cos, sin = np.cos(orientations)[:, None], np.sin(orientations)[:, None]
    turned = np.stack([cos * x + sin * y, cos * y - sin * x])
    sprites = (scales[:, None, None] * turned[:, None]).reshape(2, -1, 1, len(x))
    centres = FIRST_CENTRE + (LAST_CENTRE - FIRST_CENTRE) * positions
    corners = SUBPIXELS * (sprites + centres[:, None])
    across, down = np.rint(corners, out=corners).astype(np.int32).reshape(2, -1, len(x))
    return across, down
