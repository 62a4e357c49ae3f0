"""Convolutions of stride 2 and their gradients, compiled for this processor.

oneDNN, which torch calls, reaches half of a core's peak in the gradients of strided convolutions, and less in
layers of one channel. Here every pass of every layer consists of small matrix products whose sums stay in
vector registers (:mod:`registers`) or in tiles (:mod:`tiles`). Images are processed one after the other, each
through all layers while its activations are in the cache.

Activations are framed: [B, H + 2, W + 2, C] with a border of zeros, so that no kernel reads beyond its image.
They are float32, or bf16 stored as uint16, of which two products at a time are added in float32. Factors come
in words of 32 bits: one float32 number or two bf16 numbers. Kernels are 4 or 2 wide, and :mod:`packing`
packs them.

Functions with an argument ``tiled`` use registers where it is None, and tiles elsewhere as far as they can.
Code is compiled for either case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, njit
from numpy.typing import NDArray

from dis_bench.compiling import compiled
from dis_bench.nn import registers, tiles
from dis_bench.nn.registers import FEATURES, HAS_BF16, HAS_FLOAT32, LINEAR

Array = NDArray[Any]

HAS_TILES = tiles.are_permitted()

INSTRUCTIONS = "AVX2"
if "+avx512f" in FEATURES:
    INSTRUCTIONS = "AVX-512 with BF16" if HAS_BF16 else "AVX-512"

RELU = np.float32(0)  # lower bound of activations


def why_unavailable(in_bf16: bool) -> str:
    """Return why float32 or bf16 kernels cannot run here, or an empty string."""
    if config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT is set"
    if not HAS_FLOAT32:
        return "this processor has no AVX2 and FMA"
    return "this processor has no AVX-512 BF16" if in_bf16 and not HAS_BF16 else ""


def describe_instructions(precision: str) -> str:
    """Return the instruction set of the kernels, which decides the rounding."""
    return "AVX-512 and AMX" if precision == "bf16" and HAS_TILES else INSTRUCTIONS


_compiled = compiled(inlines=[str(registers.__file__), str(tiles.__file__)])


@njit
def _shrink(big: Array, kernel: Array, bias: Array | None, floor: Any, small: Array, tiled: Any) -> None:
    """Convolve one image: framed [2H + 2, 2W + 2, C] to framed [H + 2, W + 2, N].

    ``kernel`` holds the words of [k, k * C, N]: rows, columns with their channels, channels of the result.
    Results below ``floor`` are set to it.
    """
    sums = np.zeros(small.shape[2], np.float32) if bias is None else bias
    if tiled is None:
        registers.shrink(big, kernel, sums, floor, small)
    else:
        tiles.shrink(big, kernel, sums, floor, small)


@njit
def _grow(small: Array, kernel: Array, bias: Array | None, floor: Any, big: Array, tiled: Any) -> None:
    """Apply a transposed convolution to one image.

    It maps framed [H + 2, W + 2, N] to framed [2H + 2, 2W + 2, C].

    The pixels of one phase (even or odd rows, even or odd columns) are a convolution of stride 1 with the
    taps of that phase. ``kernel`` holds the words of [2, 2, t, t * N, C]: phases, then as in a convolution.
    Results below ``floor`` are set to it.
    """
    sums = np.zeros(big.shape[2], np.float32) if bias is None else bias
    if tiled is None:
        registers.grow(small, kernel, sums, floor, big)
    else:
        tiles.grow(small, kernel, sums, floor, big)


@njit
def _grow_thin(small: Array, kernel: Array, bias: Array, products: Array, big: Array, tiled: Any) -> None:
    """Apply a transposed convolution with few output channels to one image.

    The result is float32 [2H, 2W, C], not framed. With so few columns, a product would leave
    registers empty. Each pixel is therefore multiplied by all taps of the kernel (of size 4, in words of [N,
    4 * 4 * C], padded) into ``products`` (framed), which are then added where they overlap.
    """
    if tiled is None:
        registers.multiply_taps(small, kernel, products)
    else:
        tiles.multiply_taps(small, kernel, products)
    for y in range(len(big)):
        _add_products(products[(y + 1) // 2], products[(y + 1) // 2 + 1], 1 - y % 2, bias, big[y])


@njit
def _add_products(above: Array, below: Array, tap: int, bias: Array, pixels: Array) -> None:
    """Add up one row of the result, [2W, C].

    It takes row ``tap`` + 2 of the taps from the pixels above, and row ``tap`` from those below.
    """
    channels = pixels.shape[1]
    for c in range(channels):
        upper, lower = (tap + 2) * 4 * channels + c, tap * 4 * channels + c
        left_above, left_below = above[:-2, upper + 3 * channels], below[:-2, lower + 3 * channels]
        here_above, here_below = above[1:-1, upper + channels], below[1:-1, lower + channels]
        even = pixels[0::2, c]
        for x in range(len(even)):
            even[x] = bias[c] + left_above[x] + here_above[x] + left_below[x] + here_below[x]
        here_above, here_below = above[1:-1, upper + 2 * channels], below[1:-1, lower + 2 * channels]
        right_above, right_below = above[2:, upper], below[2:, lower]
        odd = pixels[1::2, c]
        for x in range(len(odd)):
            odd[x] = bias[c] + here_above[x] + right_above[x] + here_below[x] + right_below[x]


@njit
def _correlate(big: Array, small: Array, pairs: Array | None, gradient: Array, tiled: Any) -> None:
    """Add one image's gradient of a kernel to ``gradient``, [k, k * C, N].

    It is the product of framed big [2H + 2, ...] and framed small [H + 2, ...], summed over pixels. Words of
    bf16 hold two pixels, and are assembled in ``pairs``, which has the size of big. In tiles, the sums grow
    in a buffer of their own instead (:func:`_turn_back`).
    """
    if pairs is None:
        registers.correlate(big, small, 1, gradient)
    elif tiled is None:
        registers.correlate_pairs(big, small, pairs, gradient)
    else:
        turned, sums = tiled
        if sums.size == 0:
            registers.correlate_pairs(big, small, pairs, gradient)
        else:
            tiles.correlate(big, small, pairs.reshape(-1), turned, sums)


@njit
def _turn_back(tiled: Any, gradient: Array) -> None:
    """Write a layer's sums [k, k * N, C], if any, as the gradient [k, k * C, N]."""
    if tiled is not None:
        sums = tiled[1]
        size, channels, wide = len(sums), sums.shape[2], gradient.shape[2]
        for i in range(size):
            for j in range(size):
                for c in range(channels):
                    for n in range(wide):
                        gradient[i, j * channels + c, n] = sums[i, j * wide + n, c]


@njit
def _release(tiled: Any) -> None:
    if tiled is not None:
        tiles.release()


@njit
def _rectify(gradient: Array, image: Array, bias: Array) -> None:
    """Set the framed gradient to 0 where ReLU's output is; add the rest to the bias's."""
    for y in range(1, image.shape[0] - 1):
        for x in range(1, image.shape[1] - 1):
            pixel, activation = gradient[y, x], image[y, x]
            for c in range(len(bias)):
                if isinstance(activation[c], np.float32):
                    pixel[c] = pixel[c] if activation[c] > 0 else np.float32(0)
                    bias[c] += pixel[c]
                else:
                    pixel[c] = pixel[c] if np.int16(activation[c]) > 0 else np.uint16(0)
                    bias[c] += np.uint32(np.uint32(pixel[c]) << np.uint32(16)).view(np.float32)


@njit
def _clear_frame(image: Array) -> None:
    image[0] = image[-1] = 0
    image[:, 0] = image[:, -1] = 0


Arrays = tuple[Array, ...]  # one of each layer


@_compiled
def convolve(images: Arrays, kernels: Arrays, biases: Arrays, tiled: Any) -> None:
    """Run layers of convolution and ReLU.

    Args:
        images: framed, the input of each layer and the output of the last; the first is read, the others are
            written.
        kernels: of each layer, in the format of :func:`_shrink`.
        biases: of each layer, float32.
        tiled: None unless tiles are to be used.
    """
    for image in range(len(images[0])):
        for layer in range(len(kernels)):
            result = images[layer + 1][image]
            _clear_frame(result)
            _shrink(images[layer][image], kernels[layer], biases[layer], RELU, result, tiled)
    _release(tiled)


@_compiled
def convolve_backward(
    images: Arrays, gradient: Array, kernels: Arrays, between: Arrays, pairs: Any, of_kernels: Arrays,
    of_biases: Arrays, tiled: Any,
) -> None:  # fmt: skip
    """Compute the gradients of the kernels and biases of :func:`convolve`.

    Args:
        images: as :func:`convolve` left them.
        gradient: of the output of the last layer, framed.
        kernels: of all layers except the first, in the format of :func:`_grow`.
        between: framed buffers of zeros for one image's gradient of each layer's output.
        pairs: buffers for the words of one input image of each layer; None for float32.
        of_kernels: float32, added to; written where sums are made in tiles.
        of_biases: float32, added to.
        tiled: None for each layer, or buffers for its numbers [N, H * W] and zeros for its sums
            [k, k * N, C], which are empty where the layer does not divide into tiles.
    """
    last = len(between) - 1
    for image in range(len(gradient)):
        between[last][:] = gradient[image]
        for layer in range(last, -1, -1):
            _rectify(between[layer], images[layer + 1][image], of_biases[layer])
            _correlate(images[layer][image], between[layer], pairs[layer], of_kernels[layer], tiled[layer])
            if layer > 0:
                _grow(between[layer], kernels[layer - 1], None, LINEAR, between[layer - 1], tiled[layer])
    for layer in range(last + 1):
        _turn_back(tiled[layer], of_kernels[layer])
    _release(tiled[0])


@_compiled
def convolve_transposed(
    images: Arrays, kernels: Arrays, thin_kernel: Array, biases: Arrays, products: Array, result: Array,
    tiled: Any,
) -> None:  # fmt: skip
    """Run layers of transposed convolution, with ReLU after all but the last.

    Args:
        images: framed, the input of each layer; the first is read, the others are written.
        kernels: of all layers except the last, in the format of :func:`_grow`.
        thin_kernel: of the last layer, in the format of :func:`_grow_thin`.
        biases: of each layer, float32.
        products: framed buffer of zeros for the last layer's products.
        result: the output of the last layer, float32 [B, H, W, C]; written.
        tiled: None unless tiles are to be used.
    """
    last = len(kernels)
    for image in range(len(result)):
        for layer in range(last):
            wider = images[layer + 1][image]
            _clear_frame(wider)
            _grow(images[layer][image], kernels[layer], biases[layer], RELU, wider, tiled)
        _grow_thin(images[last][image], thin_kernel, biases[last], products, result[image], tiled)
    _release(tiled)


@_compiled
def convolve_transposed_backward(
    images: Arrays, gradient: Array, kernels: Arrays, between: Arrays, pairs: Any, of_kernels: Arrays,
    of_biases: Arrays, of_images: Array, tiled: Any,
) -> None:  # fmt: skip
    """Compute the gradients of :func:`convolve_transposed`, except the last bias's.

    Args:
        images: as :func:`convolve_transposed` left them.
        gradient: of the result, framed.
        kernels: of all layers, in the format of :func:`_shrink`.
        between: framed buffers of zeros for one image's gradient of each layer's output.
        pairs: buffers for the words of those; None for float32.
        of_kernels: float32, added to; written where sums are made in tiles.
        of_biases: float32, added to, except the last.
        of_images: framed, written.
        tiled: as for :func:`convolve_backward`.
    """
    last = len(between) - 1
    for image in range(len(gradient)):
        between[last][:] = gradient[image]
        for layer in range(last, -1, -1):
            if layer < last:
                _rectify(between[layer], images[layer + 1][image], of_biases[layer])
            _correlate(between[layer], images[layer][image], pairs[layer], of_kernels[layer], tiled[layer])
            smaller = between[layer - 1] if layer > 0 else of_images[image]
            _shrink(between[layer], kernels[layer], None, LINEAR, smaller, tiled[layer])
    for layer in range(last + 1):
        _turn_back(tiled[layer], of_kernels[layer])
    _release(tiled[0])
