"""Passes of one image through one layer, with sums in vector registers (AVX).

:mod:`kernels` says what the passes compute, and in what layouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils, codegen
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

# The target of numba's compilation: this processor, unless numba's environment variables say otherwise.
FEATURES = set(
    (codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES).split(",")
)
HAS_FLOAT32 = {"+avx2", "+fma"} <= FEATURES and not config.DISABLE_JIT
HAS_BF16 = HAS_FLOAT32 and "+avx512bf16" in FEATURES

LANES = 16 if "+avx512f" in FEATURES else 8  # float32 numbers in a register
ROWS = LANES // 2  # of a product, whose sums fill half of all registers
COLUMNS = 2 * LANES  # of a product

LINEAR = np.float32(-np.inf)  # lower bound of outputs that no ReLU follows

_WORD, _LONG, _FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
_WORDS, _FLOATS = ir.VectorType(_WORD, LANES), ir.VectorType(_FLOAT, LANES)
_NUMBERS, _ROW = (ir.VectorType(ir.IntType(16), size) for size in (LANES, COLUMNS))  # of bf16


@intrinsic
def _multiply(typing: Any, a: Any, b: Any, walk: Any, init: Any, out: Any, floor: Any) -> Any:
    """Compute [ROWS, COLUMNS] of a product: out = max(floor, init + a b).

    Arrays are passed with offsets, counted in elements. The rows of a product are located by the offset of
    the first row, the stride between rows, and the stride between groups of four rows. The product is summed
    over steps: each multiplies one word per row of ``a`` by a row of words of ``b``.

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
    return types.void(a, b, walk, init, out, floor), _generate_product


def _generate_product(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
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
    floor = broadcast(builder, args[5], _FLOATS)
    for cell in cells:
        out.store(at_least(builder, builder.load(sums[cell]), floor), *cell)
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
        return broadcast(self.builder, self.load(kinds[0], row, moved=moved), kinds[1])

    def load_words(self, moved: Any, step: Any) -> list[Any]:
        """Load COLUMNS words into two registers, interleaving two rows if they hold bf16."""
        if self.bytes == 4:
            return [self.load(_FLOATS if self.is_float else _WORDS, 0, half, moved) for half in range(2)]
        builder = self.builder
        first = self.load(_ROW, moved=moved)
        second = self.load(_ROW, moved=builder.add(moved, builder.sdiv(step, _LONG(2))))
        return [_interleave(builder, first, second, half) for half in range(2)]

    def store(self, value: Any, row: int, half: int) -> None:
        value = as_bf16(self.builder, value) if self.bytes == 2 else value
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
        return call(builder, f"llvm.fma.v{LANES}f32", fused, word, column, total)
    two_products = ir.FunctionType(_FLOATS, [_FLOATS, _WORDS, _WORDS])
    return call(builder, "llvm.x86.avx512bf16.dpbf16ps.512", two_products, total, word, column)


def _interleave(builder: Any, first: Any, second: Any, half: int) -> Any:
    """Interleave the numbers of two rows into words, for one half of the columns."""
    lanes = range(half * LANES, (half + 1) * LANES)
    order = [number for lane in lanes for number in (lane, COLUMNS + lane)]
    pairs = builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_WORD, COLUMNS), order))
    return builder.bitcast(pairs, _WORDS)


@njit
def shrink(big: Array, kernel: Array, sums: Array, floor: Any, small: Array) -> None:
    """Convolve one image; all results begin with ``sums`` [N]."""
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, word = big.shape[2], 4 // big.itemsize
    size, edge = kernel.shape[0], 2 - kernel.shape[0] // 2  # a kernel of 2 does not reach the frame
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    walk = (size, kernel.shape[1], big_row, word, kernel.shape[1] * wide, wide)
    lines = max(1, ROWS // width)  # of the small image in a product; four pixels form a group
    groups = (8 * channels, 4 * wide) if lines == 1 else (2 * big_row, small_row)
    for y in range(0, height, lines):
        for x in range(0, width, ROWS):
            start = (2 * y + edge) * big_row + (2 * x + edge) * channels
            result = (y + 1) * small_row + (x + 1) * wide
            for n in range(0, wide, COLUMNS):
                a, b = (big, start, 2 * channels, groups[0]), (kernel, n)
                _multiply(a, b, walk, (sums, n, 0, 0), (small, result + n, wide, groups[1]), floor)


@njit
def grow(small: Array, kernel: Array, sums: Array, floor: Any, big: Array) -> None:
    """Apply a transposed convolution to one image; results begin with ``sums`` [C]."""
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, word = big.shape[2], 4 // small.itemsize
    taps, length = kernel.shape[2], kernel.shape[3]
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
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
def multiply_taps(small: Array, kernel: Array, products: Array) -> None:
    """Multiply each pixel of one image by all taps of a thin kernel."""
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


@njit
def correlate_pairs(big: Array, small: Array, pairs: Array, gradient: Array) -> None:
    """Add one image's gradient of a kernel in bf16; ``pairs`` has room for words."""
    numbers, words = big.reshape(-1), pairs.reshape(-1)
    first, second = numbers[: -2 * big.shape[2]], numbers[2 * big.shape[2] :]
    for i in range(len(first)):
        words[i] = first[i] | second[i] << 16
    correlate(pairs, small, 2, gradient)


@njit
def correlate(big: Array, small: Array, word: int, gradient: Array) -> None:
    """Add one image's gradient of a kernel, with words of one or two pixels of big."""
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, (size, length, _) = big.shape[2], gradient.shape
    edge = 2 - size // 2
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    walk = (height, width // word, 2 * big_row, 2 * word * channels, small_row, word * wide)
    lines = 1 if length % ROWS == 0 else 2  # of the kernel in a product
    groups = (4, 4 * wide) if lines == 1 else (big_row, length * wide)
    for y in range(0, size, lines):
        for k in range(0, length, ROWS // lines):
            a = (big, (y + edge) * big_row + edge * channels + k, 1, groups[0])
            for n in range(0, wide, COLUMNS):
                out = (gradient, (y * length + k) * wide + n, wide, groups[1])
                _multiply(a, (small, small_row + wide + n), walk, out, out, LINEAR)


# Used by tiles.py as well:


def call(builder: Any, name: str, kind: Any, *args: Any) -> Any:
    """Generate a call of one of LLVM's own functions."""
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def broadcast(builder: Any, value: Any, kind: Any) -> Any:
    """Generate a register with the same value in all lanes."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, value, _WORD(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WORDS, [0] * LANES))


def at_least(builder: Any, value: Any, floor: Any) -> Any:
    """Generate max(floor, value), which is NaN where the value is."""
    return builder.select(builder.fcmp_ordered("<", value, floor), floor, value)


def as_bf16(builder: Any, value: Any) -> Any:
    """Generate the rounding of float32 numbers to bf16."""
    return call(builder, "llvm.x86.avx512bf16.cvtneps2bf16.512", ir.FunctionType(_NUMBERS, [_FLOATS]), value)
