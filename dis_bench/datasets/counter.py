"""Random numbers that depend on an index alone, for images with something drawn at random.

An image must be the same whenever it is drawn, so what is random about it comes from a generator with a
counter instead of a state: splitmix64 (Steele et al. 2014), seeded with a hash of key and index. All is
arithmetic on 64-bit integers, so the numbers are the same on every device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_STEP = 0x9E3779B97F4A7C15
_FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def draw_bytes(indices: torch.Tensor, count: int, key: int) -> torch.Tensor:
    """Draw uniform bytes for each index.

    Args:
        indices: int64 ``[B]``.
        count: bytes per index; a multiple of 8.
        key: what tells one use of the same indices from another, below 2^63.

    Returns:
        uint8 ``[B, count]``, on the same device.
    """
    import torch

    seeds = _mix(indices * _signed(_STEP) + key)
    steps = torch.arange(1, count // 8 + 1, device=indices.device) * _signed(_STEP)
    return _mix(seeds[:, None] + steps).view(torch.uint8)


def _mix(words: torch.Tensor) -> torch.Tensor:
    """Mix the bits of int64 words, as splitmix64 does; products wrap at 2^64."""
    for shift, factor in _FACTORS:
        words = (words ^ _shift(words, shift)) * _signed(factor)
    return words ^ _shift(words, 31)


def _shift(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Shift bits down, and zeros in, where int64 would copy its sign."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """Return the int64 with the same bits."""
    return number - (1 << 64) if number >= 1 << 63 else number
