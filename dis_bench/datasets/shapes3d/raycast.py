"""Intersections of rays with a cube, cylinder, sphere or capsule on z = 0.

A point or direction is a triple of tensors (x, y, z) that broadcast together, so that quantities which depend
only on an image's column or row are computed only once per column or row.
"""

from __future__ import annotations

import torch

Vector = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

NEAREST = 1e-6  # in lengths of the direction: a ray does not hit the surface that it starts on


def cast(
    shape: str, radius: float, half: float, origin: Vector, direction: Vector
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find where rays first hit a solid that stands on z = 0 around the z axis.

    Args:
        shape: ``cube``, ``cylinder``, ``sphere`` or ``capsule``.
        radius: half the width.
        half: half the height; for the capsule without its end balls; unused for the sphere.
        origin: the starting points of the rays.
        direction: their directions, of any length.

    Returns:
        The distance to the hit in lengths of ``direction``, inf if there is none; and the part that was hit.
        Cube: the axis perpendicular to the face. Cylinder: 0 the side, 1 the top, 2 the bottom.
        Capsule: 0 the side, 1 the upper ball, 2 the lower. Sphere: 1.
    """
    if shape == "cube":
        return _cast_box(radius, 2 * half, origin, direction)
    if shape == "sphere":
        distance = _cast_ball(radius, radius, origin, direction)
        return distance, torch.ones_like(distance, dtype=torch.uint8)
    if shape == "cylinder":
        side = _cast_tube(radius, 0, 2 * half, origin, direction)
        ends = [_cast_disc(radius, height, origin, direction) for height in (2 * half, 0)]
    else:
        side = _cast_tube(radius, radius, radius + 2 * half, origin, direction)
        ends = [_cast_ball(radius, height, origin, direction) for height in (radius + 2 * half, radius)]
    nearest, part = side, torch.zeros_like(side, dtype=torch.uint8)
    for number, end in enumerate(ends, 1):
        part = part.masked_fill(end < nearest, number)
        nearest = torch.minimum(nearest, end)
    return nearest, part


def _cast_box(
    radius: float, height: float, origin: Vector, direction: Vector
) -> tuple[torch.Tensor, torch.Tensor]:
    enter, leave = [], []
    bounds = ((-radius, radius), (-radius, radius), (0, height))
    for o, d, (low, high) in zip(origin, direction, bounds, strict=True):
        a, b = (low - o) / d, (high - o) / d
        enter.append(torch.minimum(a, b))
        leave.append(torch.maximum(a, b))
    near = torch.maximum(torch.maximum(enter[0], enter[1]), enter[2])
    far = torch.minimum(torch.minimum(leave[0], leave[1]), leave[2])
    distance = torch.where(near > NEAREST, near, far)  # from inside, where the ray leaves
    distance = distance.masked_fill((near > far) | (far <= NEAREST), torch.inf)
    axis = torch.where(enter[2] == near, 2, torch.where(enter[1] == near, 1, 0))
    return distance, axis.to(torch.uint8)


def _cast_ball(radius: float, height: float, origin: Vector, direction: Vector) -> torch.Tensor:
    """Return the distances to a ball with its centre at ``height``."""
    (x, y, z), (dx, dy, dz) = origin, direction
    z = z - height
    b = dx * x + dy * y + dz * z
    return _first_root(dx * dx + dy * dy + dz * dz, b, x * x + y * y + z * z - radius * radius)


def _cast_tube(radius: float, low: float, high: float, origin: Vector, direction: Vector) -> torch.Tensor:
    """Return the distances to an upright tube without its ends."""
    (x, y, z), (dx, dy, dz) = origin, direction
    distance = _first_root(dx * dx + dy * dy, dx * x + dy * y, x * x + y * y - radius * radius)
    height = z + distance * dz
    return torch.where((height >= low) & (height <= high), distance, torch.inf)


def _cast_disc(radius: float, height: float, origin: Vector, direction: Vector) -> torch.Tensor:
    (x, y, z), (dx, dy, dz) = origin, direction
    distance = (height - z) / dz
    x, y = x + distance * dx, y + distance * dy
    inside = (distance > NEAREST) & (x * x + y * y <= radius * radius)
    return torch.where(inside, distance, torch.inf)


def _first_root(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Return the smaller root of a t² + 2 b t + c; inf if there is none ahead."""
    inside = b * b - a * c
    root = -(b + inside.clamp_min(0).sqrt()) / a
    return root.masked_fill((inside <= 0) | (root <= NEAREST), torch.inf)
