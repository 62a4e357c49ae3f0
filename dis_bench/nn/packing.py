"""Arguments of the compiled kernels: framed images, packed weights, and room for results.

Kernels take numpy arrays, in which bf16 numbers are uint16 (:mod:`kernels` has the layouts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dis_bench.nn.patches import frame


def frame_images(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert [B, C, H, W] to [B, H + 2, W + 2, C] with a border of zeros."""
    return frame(images.detach().permute(0, 2, 3, 1).to(dtype), 1).contiguous()


def unframe(framed: Tensor) -> Tensor:
    """Return framed [B, H + 2, W + 2, C] without its border, as [B, C, H, W]."""
    return framed[:, 1:-1, 1:-1].permute(0, 3, 1, 2)


def make_room(framed: Tensor, times: float, channels: int) -> Tensor:
    """Allocate framed images that are ``times`` as high and wide."""
    count, height, width, _ = framed.shape
    return framed.new_empty(count, int((height - 2) * times) + 2, int((width - 2) * times) + 2, channels)


def make_room_for_pairs(shape: Sequence[int], dtype: torch.dtype) -> NDArray[Any] | None:
    """Allocate words of two bf16 numbers for one framed image; None for float32.

    Args:
        shape: the shape of the image, [H + 2, W + 2, C], which the words have too.
        dtype: type of its numbers.
    """
    return None if dtype == torch.float32 else _allocate(shape, torch.int32).view(np.uint32)


def make_room_for_tiles(
    kernel: Sequence[int], small: Sequence[int], columns: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Allocate what the gradient of a kernel needs in tiles.

    Args:
        kernel: the shape [k, k * C, N].
        small: the shape of framed images, [H + 2, W + 2, N].
        columns: the number of which C and N must be multiples for tiles to be used.

    Returns:
        Room for a turned image [N, H * W], and zeros for sums [k, k * N, C]; both are empty if tiles cannot
        be used.
    """
    size, length, wide = kernel
    channels, pixels = length // size, (small[0] - 2) * (small[1] - 2)
    if channels % columns or wide % columns:
        wide = channels = 0
    sums = _allocate((size, size * wide, channels), torch.float32)
    sums[:] = 0
    return _allocate((wide, pixels), torch.int16).view(np.uint16), sums


def _allocate(shape: Sequence[int], dtype: torch.dtype) -> NDArray[Any]:
    """Allocate an array that starts at a cache line.

    torch aligns memory like this. numpy does not: rows of tiles then span two lines, and take twice as long.
    """
    array: NDArray[Any] = torch.empty(shape, dtype=dtype, device="cpu").numpy()
    return array


def make_sums(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return zeros for gradients: [k, k * C, N] per weight [N, C, k, k], and biases."""
    shapes = [(size, size * channels, wide) for wide, channels, size, _ in (w.shape for w in weights)]
    of_weights = [torch.zeros(shape, dtype=torch.float32, device="cpu") for shape in shapes]
    return of_weights, [torch.zeros_like(bias) for bias in biases]


def pack(weight: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """Pack a convolution's weight [N, C, k, k] into words of [k, k * C, N]."""
    return _words(weight.detach().to(dtype).permute(2, 3, 1, 0).flatten(1, 2))


def pack_transposed(weight: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """Pack a transposed convolution's weight into words of [2, 2, t, t * N, C].

    The weight is [N, C, 2 t, 2 t].
    """
    taps = weight.shape[2] // 2
    if taps == 2:  # with padding 1, the last taps meet the first pixel
        weight = weight.flip(2, 3)
    phases = weight.detach().to(dtype).unflatten(3, (taps, 2)).unflatten(2, (taps, 2))
    return _words(phases.permute(3, 5, 2, 4, 0, 1).flatten(3, 4))


def pack_thin(weight: Tensor, dtype: torch.dtype, columns: int) -> NDArray[Any]:
    """Pack a weight with few output channels C into words of [N, 4 * 4 * C].

    The columns are padded with zeros to a multiple of ``columns``.
    """
    taps = weight.detach().to(dtype).permute(0, 2, 3, 1).flatten(1)
    return _words(F.pad(taps, (0, -taps.shape[1] % columns)))


def _words(kernel: Tensor) -> NDArray[Any]:
    """Return [..., K, N] in float32, or [..., K / 2, N] words of two bf16 per column."""
    if kernel.dtype == torch.float32:
        return kernel.contiguous().numpy()
    pairs = kernel.unflatten(-2, (-1, 2)).transpose(-1, -2).contiguous()
    return pairs.view(torch.uint16).numpy().view(np.uint32)[..., 0]


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return a contiguous tensor's memory as an array of its shape, bf16 as uint16."""
    assert tensor.is_contiguous(), "the kernels need contiguous memory"
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def as_arrays(tensors: Sequence[Tensor]) -> tuple[NDArray[Any], ...]:
    """Return the memory of tensors of any shapes, as :func:`as_array` does."""
    return tuple(map(as_array, tensors))
