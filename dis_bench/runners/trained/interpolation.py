"""Paths between two codes: straight lines, and arcs on a sphere."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dis_bench.errors import InputError, unknown

PARALLEL = 1e-4  # radians; below this angle an arc is a line, up to rounding


def interpolate(first: Tensor, last: Tensor, steps: int, path: str) -> Tensor:
    """Return codes [steps, D] from one code [D] to another, both included.

    Args:
        first, last: the two ends.
        steps: number of codes, at least 2.
        path: ``linear`` or ``spherical``.

    Raises:
        InputError: there is no such path, or the ends lie in opposite directions, so that no arc is shortest.
    """
    if not isinstance(path, str) or path not in PATHS:
        raise unknown("path", path, PATHS)
    shares = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device)[:, None]
    return PATHS[path](first, last, shares)


def _draw_line(first: Tensor, last: Tensor, shares: Tensor) -> Tensor:
    return first + shares * (last - first)


def _draw_arc(first: Tensor, last: Tensor, shares: Tensor) -> Tensor:
    """Interpolate along an arc (Shoemake 1985), with the angle of the directions."""
    lengths = float(first.norm() * last.norm())
    if not lengths:  # the origin has no direction
        return _draw_line(first, last, shares)
    angle = math.acos(max(-1.0, min(1.0, float(first @ last) / lengths)))
    if math.pi - angle < PARALLEL:
        raise InputError(
            "these codes lie in opposite directions, so no spherical path between them is shortest."
        )
    if angle < PARALLEL:
        return _draw_line(first, last, shares)
    return (((1 - shares) * angle).sin() * first + (shares * angle).sin() * last) / math.sin(angle)


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": _draw_line, "spherical": _draw_arc}
