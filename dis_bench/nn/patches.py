"""Convolutions of stride 2 as matrix products of image patches and kernels.

Where many models are trained as one, ``torch.func.vmap`` turns their convolutions into grouped convolutions,
and these products into batched matrix products. The GPU decides which is faster, so there are three
algorithms: grouped convolutions, the same with channels last, and patches. They share their
parameters and give the same results up to rounding::

    with convolving("patches"):
        terms = networks(images, noise)

A convolution makes a wide image narrow, a transposed convolution makes a narrow one wide, and each is the
other's gradient. Two functions therefore suffice for both, forwards and backwards. The rows of the matrices
are pixels with their channels, which is the memory layout of channels_last tensors.
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

WAYS = ("torch", "patches", "channels_last")  # the last is torch's own as well, in another memory layout

_way: ContextVar[str | None] = ContextVar("way", default=None)


@contextmanager
def convolving(way: str) -> Iterator[None]:
    """Make networks compute as in a stack within a block, with one of :data:`WAYS`.

    Args:
        way: the convolution algorithm: ``torch``, ``patches`` or ``channels_last``.

    Raises:
        InputError: ``way`` is not one of them.
    """
    if way not in WAYS:
        raise unknown("way of convolving", way, WAYS)
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)


def by_patches() -> bool:
    """Return True if convolutions are to be computed with patches."""
    return _way.get() == "patches"


def in_stack() -> bool:
    """Return True inside :func:`convolving`, as when many models are trained as one."""
    return _way.get() is not None


def lay_out(images: Tensor) -> Tensor:
    """Return images [B, C, H, W] in the memory layout of the chosen algorithm."""
    return _ChannelsLast.apply(images) if _way.get() == "channels_last" else images


class _ChannelsLast(torch.autograd.Function):
    """A conversion of images to channels last, jointly for all models of a stack.

    vmap folds the models [K, B, C, H, W] into the channels of a grouped convolution [B, K C, H, W]. If the
    memory holds [B, H, W, K, C], this is channels last and needs no copy, and the results have the same
    layout.
    """

    @staticmethod
    def forward(images: Tensor) -> Tensor:
        return images.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Save nothing: the gradient of a change of layout does not depend on the inputs."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], images: Tensor) -> tuple[Tensor, int]:
        pixels = images.movedim(in_dims[0], 0).permute(1, 3, 4, 0, 2).contiguous()  # [B, H, W, K, C]
        return pixels.permute(0, 3, 4, 1, 2), 1


def as_autocast(*tensors: Tensor) -> list[Tensor]:
    """Convert tensors to autocast's type.

    Autocast itself sees neither into custom autograd functions nor into vmap.
    """
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    return [tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors]


def add_bias(products: Tensor, bias: Tensor) -> Tensor:
    """Add the bias [O] to products [B, O, ...] in the products' own type.

    Under vmap an fp32 bias would promote bf16 products, and everything downstream, to fp32.
    """
    return products + bias.to(products.dtype).view(-1, *[1] * (products.dim() - 2))


def convolve(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute ``conv2d`` with stride 2: kernel 4 with padding 1, or kernel 2 without.

    Args:
        images: [B, C, 2 H, 2 W].
        weight: [O, C, 4, 4] or [O, C, 2, 2].
        bias: [O].

    Returns:
        [B, O, H, W], channels last in memory.
    """
    return _apply(_Narrowing, images, weight, bias)


def convolve_transposed(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute ``conv_transpose2d`` with stride 2, kernel 4 and padding 1, or kernel 2.

    Args:
        images: [B, C, H, W].
        weight: [C, O, 4, 4] or [C, O, 2, 2].
        bias: [O].

    Returns:
        [B, O, 2 H, 2 W], channels last in memory.
    """
    return _apply(_Widening, images, weight, bias)


def _apply(function: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply a function in autocast's type, and add the bias."""
    return add_bias(function.apply(*as_autocast(images, weight)), bias)


class _Narrowing(torch.autograd.Function):
    """A convolution: wide [B, C, 2 H, 2 W], weight [O, C, k, k] -> [B, O, H, W]."""

    generate_vmap_rule = True

    @staticmethod
    def forward(wide: Tensor, weight: Tensor) -> Tensor:
        return _narrow(wide, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        wide, weight = ctx.saved_tensors
        # Images from a dataset need no gradient.
        of_wide = _widen(gradient, weight) if ctx.needs_input_grad[0] else None
        return of_wide, _weigh(wide, gradient, weight)


class _Widening(torch.autograd.Function):
    """Its transpose: narrow [B, O, H, W], weight [O, C, k, k] -> [B, C, 2 H, 2 W]."""

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
        return _narrow(gradient, weight), _weigh(gradient, narrow, weight)


# Four pixels of the padded wide image form a block [4 C]. A kernel has one tap [O, 4 C] for each of the T x T
# blocks that it covers: two by two with kernel 4, one with kernel 2. Patches take T T times the memory, so
# they are made from the side with fewer channels. If that is the side of the result, the product is computed
# first, and the contributions of the taps are then added up. In bf16 this would round each contribution, so
# there the patches are made in any case.


def _narrow(wide: Tensor, weight: Tensor) -> Tensor:
    """Compute each narrow pixel from the blocks that its kernel covers."""
    taps, blocks = _taps(weight), _blocks(wide, weight)
    if _is_wide_thin(weight) or _is_coarse(weight):
        kernels = taps.transpose(2, 3).flatten(0, 2)  # [T T 4 C, O]
        pixels = _multiply(_unfold(blocks, len(taps)), kernels)
    else:
        kernels = taps.permute(3, 0, 1, 2)  # [4 C, T, T, O]
        pixels = _add_up(_multiply(blocks, kernels.flatten(1)).unflatten(3, kernels.shape[1:]))
    return pixels.permute(0, 3, 1, 2)


def _widen(narrow: Tensor, weight: Tensor) -> Tensor:
    """Compute each block from the narrow pixels whose kernels cover it.

    Later taps belong to earlier pixels, hence the flips.
    """
    taps, pixels = _taps(weight), narrow.permute(0, 2, 3, 1)
    if _is_wide_thin(weight) and not _is_coarse(weight):
        kernels = taps.permute(2, 0, 1, 3).flip(1, 2)  # [O, T, T, 4 C]
        products = _multiply(pixels, kernels.flatten(1)).unflatten(3, kernels.shape[1:])
        blocks = _add_up(frame(products, len(taps) - 1))
    else:
        kernels = taps.flip(0, 1).flatten(0, 2)  # [T T O, 4 C]
        blocks = _multiply(_unfold(frame(pixels, len(taps) - 1), len(taps)), kernels)
    rows = blocks.unflatten(3, (2, 2, -1)).permute(0, 1, 3, 2, 4, 5)
    wide = rows.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
    return wide[:, :, 1:-1, 1:-1] if len(taps) == 2 else wide


def _weigh(wide: Tensor, narrow: Tensor, weight: Tensor) -> Tensor:
    """Compute the gradient of the weight, which correlates blocks with narrow pixels."""
    outputs, channels, kernel, _ = weight.shape
    blocks, pixels, count = _blocks(wide, weight), narrow.permute(0, 2, 3, 1), kernel // 2
    if _is_wide_thin(weight):
        products = _unfold(blocks, count).flatten(0, 2).mT @ pixels.flatten(0, 2)  # [T T 4 C, O]
        taps = products.unflatten(0, (count, count, -1)).transpose(2, 3)
    else:
        patches = _unfold(frame(pixels, count - 1), count)
        products = patches.flatten(0, 2).mT @ blocks.flatten(0, 2)  # [T T O, 4 C]
        taps = products.unflatten(0, (count, count, -1)).flip(0, 1)
    phases = taps.unflatten(3, (2, 2, channels))  # [y tap, x tap, O, y phase, x phase, C]
    return phases.permute(2, 5, 0, 3, 1, 4).reshape(outputs, channels, kernel, kernel)


def _is_wide_thin(weight: Tensor) -> bool:
    """Return True if a block has fewer channels than a narrow pixel."""
    return 4 * weight.shape[1] < weight.shape[0]


def _is_coarse(weight: Tensor) -> bool:
    """Return True if summing several products would be less exact than one product."""
    return weight.dtype in (torch.bfloat16, torch.float16)


def _multiply(patches: Tensor, kernels: Tensor) -> Tensor:
    """Multiply patches [B, H, W, I] by kernels [I, O], as one product of two matrices.

    Given a batched product, torch repeats the kernels for each image if the rows of the patches are not
    contiguous, as in a gradient that is not channels last.
    """
    return (patches.flatten(0, 2) @ kernels).unflatten(0, patches.shape[:3])


def _taps(weight: Tensor) -> Tensor:
    """Convert kernels [O, C, k, k] to taps [T, T, O, 4 C]."""
    count = weight.shape[-1] // 2
    # [O, C, y tap, y phase, x tap, x phase]
    phases = weight.unflatten(3, (count, 2)).unflatten(2, (count, 2))
    return phases.permute(2, 4, 0, 3, 5, 1).flatten(3)


def _blocks(wide: Tensor, weight: Tensor) -> Tensor:
    """Pad a wide image [B, C, 2 H, 2 W] and return its blocks [B, h, w, 4 C]."""
    pixels = frame(wide.permute(0, 2, 3, 1), weight.shape[-1] // 2 - 1)
    return pixels.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).permute(0, 1, 3, 2, 4, 5).flatten(3)


def frame(pixels: Tensor, margin: int) -> Tensor:
    """Pad pixels [B, H, W, ...] with a frame of zeros that is ``margin`` pixels wide."""
    channels = (0, 0) * (pixels.dim() - 3)
    return F.pad(pixels, (*channels, margin, margin, margin, margin)) if margin else pixels


def _unfold(pixels: Tensor, taps: int) -> Tensor:
    """Return patches [B, H, W, T T I] of pixels [B, H + T - 1, W + T - 1, I]."""
    return pixels.unfold(1, taps, 1).unfold(2, taps, 1).permute(0, 1, 2, 4, 5, 3).flatten(3)


def _add_up(products: Tensor) -> Tensor:
    """Sum the taps' contributions to each pixel.

    Args:
        products: [B, H + T - 1, W + T - 1, T, T, O].

    Returns:
        [B, H, W, O].
    """
    taps = products.shape[3]
    height, width = (size - taps + 1 for size in products.shape[1:3])
    shifted = [products[:, y : y + height, x : x + width, y, x] for y in range(taps) for x in range(taps)]
    return sum(shifted[1:], start=shifted[0])
