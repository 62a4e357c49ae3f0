"""Convolutions of stride 2 as products of matrices: the patches of the images times the kernels.

Where many models are trained as one, ``torch.func.vmap`` makes grouped convolutions of their convolutions,
and batched products of matrices of these. Which is faster depends on the GPU, so both ways are there, with
the same parameters and, up to rounding, the same results::

    with convolving("patches"):
        terms = networks(images, noise)

A convolution makes a wide image narrow, a transposed convolution makes a narrow one wide, and each is the
other's gradient: so two functions do for both, forwards and backwards. The rows of the matrices are pixels
with their channels, the layout that channels_last tensors have in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dis_bench.errors import unknown

WAYS = ("torch", "patches")

_way: ContextVar[str] = ContextVar("way", default="torch")


@contextmanager
def convolving(way: str) -> Iterator[None]:
    """Let the networks convolve by one of :data:`WAYS` in this block.

    Raises:
        InputError: there is no such way.
    """
    if way not in WAYS:
        raise unknown("way of convolving", way, WAYS)
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)


def by_patches() -> bool:
    """Whether convolutions are to be done here."""
    return _way.get() == "patches"


def convolve(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``conv2d`` with stride 2: kernel 4 with padding 1, or kernel 2 without.

    Args:
        images: [B, C, 2 H, 2 W].
        weight: [O, C, 4, 4] or [O, C, 2, 2].
        bias: [O].

    Returns:
        [B, O, H, W], channels last in memory.
    """
    return _apply(_Narrowing, images, weight, bias)


def convolve_transposed(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``conv_transpose2d`` with stride 2: kernel 4 with padding 1, or kernel 2 without.

    Args:
        images: [B, C, H, W].
        weight: [C, O, 4, 4] or [C, O, 2, 2].
        bias: [O].

    Returns:
        [B, O, 2 H, 2 W], channels last in memory.
    """
    return _apply(_Widening, images, weight, bias)


def _apply(function: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Call a function in the type that autocast asks for, and add the bias."""
    device = images.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        images, weight, bias = images.to(dtype), weight.to(dtype), bias.to(dtype)
    return function.apply(images, weight) + bias.view(-1, 1, 1)


class _Narrowing(torch.autograd.Function):
    """wide [B, C, 2 H, 2 W], weight [O, C, k, k] -> narrow [B, O, H, W]."""

    generate_vmap_rule = True

    @staticmethod
    def forward(wide: Tensor, weight: Tensor) -> Tensor:
        return _narrow(_patches(wide, weight), weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        wide, weight = ctx.saved_tensors
        # Pixels of a dataset need no gradient.
        of_wide = _widen(gradient, weight) if ctx.needs_input_grad[0] else None
        # The patches are made again: kept, they would take four times the memory of the images.
        return of_wide, _weigh(_patches(wide, weight), gradient, weight)


class _Widening(torch.autograd.Function):
    """narrow [B, O, H, W], weight [O, C, k, k] -> wide [B, C, 2 H, 2 W]."""

    generate_vmap_rule = True

    @staticmethod
    def forward(narrow: Tensor, weight: Tensor) -> Tensor:
        return _widen(narrow, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        narrow, weight = ctx.saved_tensors
        patches = _patches(gradient, weight)
        return _narrow(patches, weight), _weigh(patches, narrow, weight)


def _narrow(patches: Tensor, weight: Tensor) -> Tensor:
    """Each pixel of the narrow image from the patch of the wide one that its kernel covers."""
    kernels = weight.permute(2, 3, 1, 0).flatten(0, 2)  # [k k C, O]
    return (patches @ kernels).permute(0, 3, 1, 2)


def _widen(narrow: Tensor, weight: Tensor) -> Tensor:
    """Four pixels of the wide image at once, one of each phase (even or odd row, even or odd column).

    With kernel 4 the four come from a 2x2 patch of the narrow image, and the frame around the result is what
    padding 1 cuts off; with kernel 2 they come from one pixel.
    """
    taps = weight.shape[-1] // 2
    # [O, C, y tap, y phase, x tap, x phase]; a later tap reaches an earlier pixel.
    kernels = weight.unflatten(3, (taps, 2)).unflatten(2, (taps, 2)).flip(2, 4)
    kernels = kernels.permute(2, 4, 0, 3, 5, 1).flatten(3).flatten(0, 2)  # [taps taps O, 4 C]
    phases = (_unfold(narrow, taps, stride=1, margin=taps - 1) @ kernels).unflatten(3, (2, 2, -1))
    wide = phases.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
    return wide[:, :, 1:-1, 1:-1] if taps == 2 else wide


def _weigh(patches: Tensor, narrow: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the weight: what patches and narrow pixels have to do with each other."""
    products = patches.flatten(0, 2).mT @ narrow.permute(0, 2, 3, 1).flatten(0, 2)  # [k k C, O]
    outputs, channels, *kernel = weight.shape
    return products.view(*kernel, channels, outputs).permute(3, 2, 0, 1)


def _patches(wide: Tensor, weight: Tensor) -> Tensor:
    """What the kernel sees at each of its steps of 2: [B, H, W, k k C]."""
    kernel = weight.shape[-1]
    return _unfold(wide, kernel, stride=2, margin=kernel // 2 - 1)


def _unfold(images: Tensor, kernel: int, stride: int, margin: int) -> Tensor:
    """Patches of [B, C, H, W] in a frame of zeros, as rows of pixels with their channels."""
    pixels = images.permute(0, 2, 3, 1)
    framed = F.pad(pixels, (0, 0, margin, margin, margin, margin)) if margin else pixels
    return framed.unfold(1, kernel, stride).unfold(2, kernel, stride).permute(0, 1, 2, 4, 5, 3).flatten(3)
