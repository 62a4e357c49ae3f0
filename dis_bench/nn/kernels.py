"""Convolutions of stride 2 and their gradients, compiled for this processor.

oneDNN, which torch calls, reaches half of a core's peak in the gradients of strided convolutions, and less in
layers of one channel. Here every pass of every layer consists of small matrix products whose sums stay in
vector registers (:func:`_multiply`). Images are processed one after the other, each through all layers while
its activations are in the cache.

Activations are framed: [B, H + 2, W + 2, C] with a border of zeros, so that no kernel reads beyond its image.
They are float32, or bf16 stored as uint16, of which two products at a time are added in float32. Factors come
in words of 32 bits: one float32 number or two bf16 numbers. Kernels are 4 or 2 wide, and :mod:`packing`
packs them.

All compiled code is in this file, because numba invalidates its cache per file.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils, codegen
from numba.core.caching import FunctionCache
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

# The target of numba's compilation: this processor, unless numba's environment variables say otherwise.
_FEATURES = set(
    (codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES).split(",")
)
HAS_FLOAT32 = {"+avx2", "+fma"} <= _FEATURES and not config.DISABLE_JIT
HAS_BF16 = HAS_FLOAT32 and "+avx512bf16" in _FEATURES

INSTRUCTIONS = "AVX2"
if "+avx512f" in _FEATURES:
    INSTRUCTIONS = "AVX-512 with BF16" if HAS_BF16 else "AVX-512"

LANES = 16 if "+avx512f" in _FEATURES else 8  # float32 numbers in a register
ROWS = LANES // 2  # of a tile, whose sums fill half of all registers
COLUMNS = 2 * LANES  # of a tile

RELU, LINEAR = np.float32(0), np.float32(-np.inf)  # lower bounds of activations

_WORD, _LONG, _FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
_WORDS, _FLOATS = ir.VectorType(_WORD, LANES), ir.VectorType(_FLOAT, LANES)
_NUMBERS, _ROW = (ir.VectorType(ir.IntType(16), size) for size in (LANES, COLUMNS))  # of bf16


def why_unavailable(in_bf16: bool) -> str:
    """Return why float32 or bf16 kernels cannot run here, or an empty string."""
    if config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT is set"
    if not HAS_FLOAT32:
        return "this processor has no AVX2 and FMA"
    return "this processor has no AVX-512 BF16" if in_bf16 and not HAS_BF16 else ""


class _Cache(FunctionCache):
    """A disk cache of compiled code; if it is unusable, each process compiles its own."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # damaged: whatever unpickling may raise
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:  # a full disk, or a read-only folder
            self.disable()


def _compiled(function: Any) -> Any:
    """Compile a function on its first call, and cache it on disk if possible."""
    dispatcher = njit(function)
    if not config.DISABLE_JIT:
        with suppress(OSError, RuntimeError):  # no writable folder
            dispatcher._cache = _Cache(function)
    return dispatcher


@intrinsic
def _multiply(typing: Any, a: Any, b: Any, walk: Any, init: Any, out: Any, floor: Any) -> Any:
    """Compute a tile [ROWS, COLUMNS] of a product: out = max(floor, init + a b).

    Arrays are passed with offsets, counted in elements. The rows of a tile are located by the offset of the
    first row, the stride between rows, and the stride between groups of four rows. The product is summed over
    steps: each multiplies one word per row of ``a`` by a row of words of ``b``.

    Args:
        a: (array, offsets of rows); a step reads one word per row.
        b: (array, offset); a step reads a row of COLUMNS words, or two consecutive rows of as many bf16
            numbers, which it interleaves into words.
        walk: the number of runs, the steps per run, by how much the offsets in ``a`` grow per run and per
            step, and the same two for ``b``.
        init: (float32 array, offsets of rows).
        out: (array, offsets of rows), float32, or uint16 for bf16.
        floor: float32.
    """
    return types.void(a, b, walk, init, out, floor), _generate_tile


def _generate_tile(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
    """Generate the code of :func:`_multiply`; LLVM keeps ``sums`` in registers."""
    a, b, init, out = (_Placed(context, builder, signature.args[i], args[i]) for i in (0, 1, 3, 4))
    runs, steps, *moves = cgutils.unpack_tuple(builder, args[2])
    cells = [(row, half) for row in range(ROWS) for half in range(2)]
    sums = {cell: cgutils.alloca_once(builder, _FLOATS) for cell in cells}
    for cell in cells:
        builder.store(init.load(_FLOATS, *cell), sums[cell])
    with cgutils.for_range(builder, runs) as run, cgutils.for_range(builder, steps) as step:
        index = [run.index, step.index, run.index, step.index]
        a_run, a_step, b_run, b_step = map(builder.mul, moves, index)
        moved_a, moved_b = builder.add(a_run, a_step), builder.add(b_run, b_step)
        columns = b.load_words(moved_b, moves[3])
        for row in range(ROWS):
            word = a.load_word(row, moved_a, b.is_float)
            for half in range(2):
                total = builder.load(sums[row, half])
                builder.store(_multiply_add(builder, total, word, columns[half]), sums[row, half])
    floor = _broadcast(builder, args[5], _FLOATS)
    for cell in cells:
        total = builder.load(sums[cell])
        below = builder.fcmp_ordered("<", total, floor)  # False for NaN
        out.store(builder.select(below, floor, total), *cell)
    return context.get_dummy_value()


class _Placed:
    """An array and offsets into it, in generated code."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array, *places = cgutils.unpack_tuple(builder, value)
        self.builder = builder
        self.is_float = kind[0].dtype == types.float32
        self.bytes = kind[0].dtype.bitwidth // 8
        self.memory = context.make_array(kind[0])(context, builder, array).data
        self.start, *self.strides = places

    def load(self, kind: Any, row: int = 0, half: int = 0, moved: Any = None) -> Any:
        value = self.builder.load(self._pointer(kind, row, half, moved))
        value.align = self.bytes
        return value

    def load_word(self, row: int, moved: Any, as_float: bool) -> Any:
        """Load one word into all lanes of a register."""
        kinds = (_FLOAT, _FLOATS) if as_float else (_WORD, _WORDS)
        return _broadcast(self.builder, self.load(kinds[0], row, moved=moved), kinds[1])

    def load_words(self, moved: Any, step: Any) -> list[Any]:
        """Load COLUMNS words into two registers, interleaving two rows if they hold bf16."""
        if self.bytes == 4:
            return [self.load(_FLOATS if self.is_float else _WORDS, 0, half, moved) for half in range(2)]
        builder = self.builder
        first = self.load(_ROW, moved=moved)
        second = self.load(_ROW, moved=builder.add(moved, builder.sdiv(step, _LONG(2))))
        return [_interleave(builder, first, second, half) for half in range(2)]

    def store(self, value: Any, row: int, half: int) -> None:
        if self.bytes == 2:
            rounded = ir.FunctionType(_NUMBERS, [_FLOATS])
            value = _call(self.builder, "llvm.x86.avx512bf16.cvtneps2bf16.512", rounded, value)
        self.builder.store(value, self._pointer(value.type, row, half, None)).align = self.bytes

    def _pointer(self, kind: Any, row: int, half: int, moved: Any) -> Any:
        places = [_LONG(half * LANES)] + ([moved] if moved is not None else [])
        if row:
            far = zip(self.strides, (row % 4, row // 4), strict=True)
            places += [self.builder.mul(stride, _LONG(count)) for stride, count in far]
        place = self.start
        for more in places:
            place = self.builder.add(place, more)
        return self.builder.bitcast(self.builder.gep(self.memory, [place]), kind.as_pointer())


def _multiply_add(builder: Any, total: Any, word: Any, column: Any) -> Any:
    if column.type == _FLOATS:
        fused = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        return _call(builder, f"llvm.fma.v{LANES}f32", fused, word, column, total)
    two_products = ir.FunctionType(_FLOATS, [_FLOATS, _WORDS, _WORDS])
    return _call(builder, "llvm.x86.avx512bf16.dpbf16ps.512", two_products, total, word, column)


def _call(builder: Any, name: str, kind: Any, *args: Any) -> Any:
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _broadcast(builder: Any, value: Any, kind: Any) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, value, _WORD(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WORDS, [0] * LANES))


def _interleave(builder: Any, first: Any, second: Any, half: int) -> Any:
    """Interleave the numbers of two rows into words, for one half of the columns."""
    lanes = range(half * LANES, (half + 1) * LANES)
    order = [number for lane in lanes for number in (lane, COLUMNS + lane)]
    pairs = builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_WORD, COLUMNS), order))
    return builder.bitcast(pairs, _WORDS)


@njit
def _shrink(big: Array, kernel: Array, bias: Array | None, floor: Any, small: Array) -> None:
    """Convolve one image: framed [2H + 2, 2W + 2, C] to framed [H + 2, W + 2, N].

    ``kernel`` holds the words of [k, k * C, N]: rows, columns with their channels, channels of the result.
    Results below ``floor`` are set to it.
    """
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, word = big.shape[2], 4 // big.itemsize
    size, edge = kernel.shape[0], 2 - kernel.shape[0] // 2  # a kernel of 2 does not reach the frame
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    sums = np.zeros(wide, np.float32) if bias is None else bias
    walk = (size, kernel.shape[1], big_row, word, kernel.shape[1] * wide, wide)
    lines = max(1, ROWS // width)  # of the small image in a tile; four pixels form a group
    groups = (8 * channels, 4 * wide) if lines == 1 else (2 * big_row, small_row)
    for y in range(0, height, lines):
        for x in range(0, width, ROWS):
            start = (2 * y + edge) * big_row + (2 * x + edge) * channels
            result = (y + 1) * small_row + (x + 1) * wide
            for n in range(0, wide, COLUMNS):
                a, b = (big, start, 2 * channels, groups[0]), (kernel, n)
                _multiply(a, b, walk, (sums, n, 0, 0), (small, result + n, wide, groups[1]), floor)


@njit
def _grow(small: Array, kernel: Array, bias: Array | None, floor: Any, big: Array) -> None:
    """Apply a transposed convolution to one image.

    It maps framed [H + 2, W + 2, N] to framed [2H + 2, 2W + 2, C].

    The pixels of one phase (even or odd rows, even or odd columns) are a convolution of stride 1 with the
    taps of that phase. ``kernel`` holds the words of [2, 2, t, t * N, C]: phases, then as in a convolution.
    Results below ``floor`` are set to it.
    """
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, word = big.shape[2], 4 // small.itemsize
    taps, length = kernel.shape[2], kernel.shape[3]
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    sums = np.zeros(channels, np.float32) if bias is None else bias
    walk = (taps, length, small_row, word, length * channels, channels)
    lines = max(1, ROWS // width)
    groups = (4 * wide, 8 * channels) if lines == 1 else (small_row, 2 * big_row)
    for phase in range(4):
        down, right = phase // 2, phase % 2
        edge = (down, right) if taps == 2 else (1, 1)
        for y in range(0, height, lines):
            for x in range(0, width, ROWS):
                start = (y + edge[0]) * small_row + (x + edge[1]) * wide
                result = (2 * y + down + 1) * big_row + (2 * x + right + 1) * channels
                for c in range(0, channels, COLUMNS):
                    a, b = (small, start, wide, groups[0]), (kernel, phase * (kernel.size // 4) + c)
                    out = (big, result + c, 2 * channels, groups[1])
                    _multiply(a, b, walk, (sums, c, 0, 0), out, floor)


@njit
def _grow_thin(small: Array, kernel: Array, bias: Array, products: Array, big: Array) -> None:
    """Apply a transposed convolution with few output channels to one image.

    The result is float32 [2H, 2W, C], not framed. With so few columns, a tile of the result would leave
    registers empty. Each pixel is therefore multiplied by all taps of the kernel (of size 4, in words of [N,
    4 * 4 * C], padded) into ``products`` (framed), which are then added where they overlap.
    """
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    row, columns = small.shape[1] * wide, products.shape[2]
    zeros = np.zeros(COLUMNS, np.float32)
    walk = (1, kernel.shape[0], 0, 4 // small.itemsize, 0, columns)
    for y in range(1, height + 1):
        for x in range(1, width + 1, ROWS):
            result = (y * products.shape[1] + x) * columns
            for n in range(0, columns, COLUMNS):
                a = (small, y * row + x * wide, wide, 4 * wide)
                out = (products, result + n, columns, 4 * columns)
                _multiply(a, (kernel, n), walk, (zeros, 0, 0, 0), out, LINEAR)
    for y in range(2 * height):
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
def _correlate(big: Array, small: Array, pairs: Array | None, gradient: Array) -> None:
    """Add one image's gradient of a kernel to ``gradient``, [k, k * C, N].

    It is the product of framed big [2H + 2, ...] and framed small [H + 2, ...], summed over pixels. Words of
    bf16 hold two pixels, and are assembled in ``pairs``, which has the size of big.
    """
    if pairs is None:
        _correlate_words(big, small, 1, gradient)
    else:
        numbers, words = big.reshape(-1), pairs.reshape(-1)
        first, second = numbers[: -2 * big.shape[2]], numbers[2 * big.shape[2] :]
        for i in range(len(first)):
            words[i] = first[i] | second[i] << 16
        _correlate_words(pairs, small, 2, gradient)


@njit
def _correlate_words(big: Array, small: Array, word: int, gradient: Array) -> None:
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, (size, length, _) = big.shape[2], gradient.shape
    edge = 2 - size // 2
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    walk = (height, width // word, 2 * big_row, 2 * word * channels, small_row, word * wide)
    lines = 1 if length % ROWS == 0 else 2  # of the kernel in a tile
    groups = (4, 4 * wide) if lines == 1 else (big_row, length * wide)
    for y in range(0, size, lines):
        for k in range(0, length, ROWS // lines):
            a = (big, (y + edge) * big_row + edge * channels + k, 1, groups[0])
            for n in range(0, wide, COLUMNS):
                out = (gradient, (y * length + k) * wide + n, wide, groups[1])
                _multiply(a, (small, small_row + wide + n), walk, out, out, LINEAR)


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
def convolve(images: Arrays, kernels: Arrays, biases: Arrays) -> None:
    """Run layers of convolution and ReLU.

    Args:
        images: framed, the input of each layer and the output of the last; the first is read, the others are
            written.
        kernels: of each layer, in the format of :func:`_shrink`.
        biases: of each layer, float32.
    """
    for image in range(len(images[0])):
        for layer in range(len(kernels)):
            result = images[layer + 1][image]
            _clear_frame(result)
            _shrink(images[layer][image], kernels[layer], biases[layer], RELU, result)


@_compiled
def convolve_backward(
    images: Arrays, gradient: Array, kernels: Arrays, between: Arrays, pairs: Any, of_kernels: Arrays,
    of_biases: Arrays,
) -> None:  # fmt: skip
    """Compute the gradients of the kernels and biases of :func:`convolve`.

    Args:
        images: as :func:`convolve` left them.
        gradient: of the output of the last layer, framed.
        kernels: of all layers except the first, in the format of :func:`_grow`.
        between: framed buffers of zeros for one image's gradient of each layer's output.
        pairs: buffers for the words of one input image of each layer; None for float32.
        of_kernels: float32, added to.
        of_biases: float32, added to.
    """
    last = len(between) - 1
    for image in range(len(gradient)):
        between[last][:] = gradient[image]
        for layer in range(last, -1, -1):
            _rectify(between[layer], images[layer + 1][image], of_biases[layer])
            _correlate(images[layer][image], between[layer], pairs[layer], of_kernels[layer])
            if layer > 0:
                _grow(between[layer], kernels[layer - 1], None, LINEAR, between[layer - 1])


@_compiled
def convolve_transposed(
    images: Arrays, kernels: Arrays, thin_kernel: Array, biases: Arrays, products: Array, result: Array
) -> None:
    """Run layers of transposed convolution, with ReLU after all but the last.

    Args:
        images: framed, the input of each layer; the first is read, the others are written.
        kernels: of all layers except the last, in the format of :func:`_grow`.
        thin_kernel: of the last layer, in the format of :func:`_grow_thin`.
        biases: of each layer, float32.
        products: framed buffer of zeros for the last layer's products.
        result: the output of the last layer, float32 [B, H, W, C]; written.
    """
    last = len(kernels)
    for image in range(len(result)):
        for layer in range(last):
            wider = images[layer + 1][image]
            _clear_frame(wider)
            _grow(images[layer][image], kernels[layer], biases[layer], RELU, wider)
        _grow_thin(images[last][image], thin_kernel, biases[last], products, result[image])


@_compiled
def convolve_transposed_backward(
    images: Arrays, gradient: Array, kernels: Arrays, between: Arrays, pairs: Any, of_kernels: Arrays,
    of_biases: Arrays, of_images: Array,
) -> None:  # fmt: skip
    """Compute the gradients of :func:`convolve_transposed`, except the last bias's.

    Args:
        images: as :func:`convolve_transposed` left them.
        gradient: of the result, framed.
        kernels: of all layers, in the format of :func:`_shrink`.
        between: framed buffers of zeros for one image's gradient of each layer's output.
        pairs: buffers for the words of those; None for float32.
        of_kernels: float32, added to.
        of_biases: float32, added to, except the last.
        of_images: framed, written.
    """
    last = len(between) - 1
    for image in range(len(gradient)):
        between[last][:] = gradient[image]
        for layer in range(last, -1, -1):
            if layer < last:
                _rectify(between[layer], images[layer + 1][image], of_biases[layer])
            _correlate(between[layer], images[layer][image], pairs[layer], of_kernels[layer])
            smaller = between[layer - 1] if layer > 0 else of_images[image]
            _shrink(between[layer], kernels[layer], None, LINEAR, smaller)
