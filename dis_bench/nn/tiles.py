"""Passes of one image through one layer in bf16, with sums in tiles (Intel's AMX).

:mod:`kernels` says what the passes compute, and in what layouts. The gradient of a kernel alone has a layout
of its own here (:func:`correlate`).

A tile register has up to 16 rows of 64 bytes. One instruction multiplies a tile of [rows, 2 * depth] bf16
numbers by one of [depth] rows of 16 words (of two bf16 numbers each) and adds the result to a tile of [rows,
16] float32 numbers. Eight registers hold two tiles of each factor and their four products.

The operating system gives tiles to a process that asks for them. Between :func:`_configure` and
:func:`release`, no other code may use them on the same thread.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from dis_bench.nn.registers import FEATURES, HAS_BF16, LANES, LINEAR, as_bf16, at_least, broadcast, call

Array = NDArray[Any]

_ROWS, _DEPTH = 16, 16  # of a tile: its rows, and words in each, at most
COLUMNS = 32  # of a product

_SUMS, _A, _B = ((0, 1), (2, 3)), (4, 5), (6, 7)  # registers
_BYTE, _LONG, _FLOAT, _NOTHING = ir.IntType(8), ir.IntType(64), ir.FloatType(), ir.VoidType()
_POINTER, _FLOATS = _BYTE.as_pointer(), ir.VectorType(_FLOAT, LANES)


def are_permitted() -> bool:
    """Ask Linux for the tiles, and return True if this process may use them.

    The environment variable that bars oneDNN, which torch calls, from tiles also bars these kernels.
    """
    if not (HAS_BF16 and {"+avx512f", "+amx-tile", "+amx-bf16"} <= FEATURES):
        return False
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "DEFAULT")).upper()
    if most not in ("DEFAULT", "ALL") and "AMX" not in most:
        return False
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18  # Linux: Documentation/arch/x86/xstate.rst
    try:
        return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)
    except (OSError, AttributeError):
        return False


@intrinsic
def _configure(typing: Any, rows: Any, depth: Any) -> Any:
    """Give the tiles their shapes.

    Args:
        rows: of a tile of the first factor and of the product, at most 16.
        depth: words per row of the first factor, and rows of the second; at most 16.
    """
    return types.void(rows, depth), _generate_configuration


def _generate_configuration(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
    rows, depth = (builder.trunc(value, _BYTE) for value in args)
    bytes_of_a = builder.mul(depth, _BYTE(4))
    palette = cgutils.alloca_once(builder, ir.ArrayType(_BYTE, 64))
    values = {place: _BYTE(0) for place in range(64)} | {0: _BYTE(1)}
    for register in range(8):
        values[16 + 2 * register] = bytes_of_a if register in _A else _BYTE(64)
        values[48 + register] = depth if register in _B else rows
    for place, value in values.items():
        builder.store(value, builder.gep(palette, [_LONG(0), _LONG(place)]))
    address = builder.bitcast(palette, _POINTER)
    call(builder, "llvm.x86.ldtilecfg", ir.FunctionType(_NOTHING, [_POINTER]), address)
    return context.get_dummy_value()


@intrinsic
def release(typing: Any) -> Any:
    """Give the tiles back."""

    def generate(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        call(builder, "llvm.x86.tilerelease", ir.FunctionType(_NOTHING, []))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _multiply(typing: Any, a: Any, b: Any, walk: Any, init: Any, out: Any, rows: Any, floor: Any) -> Any:
    """Compute [2, rows, COLUMNS] of a product: out = max(floor, init + a b).

    Arrays are passed with offsets, counted in elements: of the first row of either half, and between rows.

    Args:
        a: (uint16 array, offsets of rows); a step reads 2 * depth bf16 numbers per row.
        b: (uint32 array, offset, stride of rows); a step reads ``depth`` rows of COLUMNS words.
        walk: the number of runs, the steps per run, by how much the offsets in ``a`` grow per run and per
            step, and the same two for ``b``.
        init: (float32 array, offsets of rows).
        out: (array, offsets of rows), uint16 for bf16, or float32, to which the floor does not apply.
        rows: as given to :func:`_configure`.
        floor: float32.
    """
    return types.void(a, b, walk, init, out, rows, floor), _generate_product


def _generate_product(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
    kinds = signature.args
    a, b, init, out = (_Placed(context, builder, kinds[i], args[i]) for i in (0, 1, 3, 4))
    runs, steps, *moves = cgutils.unpack_tuple(builder, args[2])
    for i, j in np.ndindex(2, 2):
        init.load(_SUMS[i][j], i, j)
    with cgutils.for_range(builder, runs) as run, cgutils.for_range(builder, steps) as step:
        index = [run.index, step.index, run.index, step.index]
        a_run, a_step, b_run, b_step = map(builder.mul, moves, index)
        moved_a, moved_b = builder.add(a_run, a_step), builder.add(b_run, b_step)
        # A tile is loaded just before its first product, so that loads overlap with products.
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            if j == 0:
                a.load(_A[i], i, moved=moved_a)
            if i == 0:
                b.load(_B[j], 0, j, moved_b)
            registers = map(_BYTE, (_SUMS[i][j], _A[i], _B[j]))
            call(builder, "llvm.x86.tdpbf16ps", ir.FunctionType(_NOTHING, [_BYTE] * 3), *registers)
    if out.bytes == 4:
        for i, j in np.ndindex(2, 2):
            out.store(_SUMS[i][j], i, j)
    else:
        _store_rounded(context, builder, out, args[5], args[6])
    return context.get_dummy_value()


def _store_rounded(context: Any, builder: Any, out: _Placed, rows: Any, floor: Any) -> None:
    """Store the sums as bf16, by way of memory, since no instruction rounds a tile."""
    floor = broadcast(builder, floor, _FLOATS)
    numbers = cgutils.alloca_once(builder, ir.ArrayType(_FLOATS, _ROWS))
    numbers.align = 64
    for i, j in np.ndindex(2, 2):
        _move(builder, "tilestored64", _SUMS[i][j], numbers, _LONG(64))
        with cgutils.for_range(builder, rows) as row:
            place = builder.gep(numbers, [_LONG(0), builder.sext(row.index, _LONG)])
            value = as_bf16(builder, at_least(builder, builder.load(place), floor))
            target = builder.bitcast(out.find(i, j, row=row.index), value.type.as_pointer())
            builder.store(value, target).align = 2


class _Placed:
    """An array and offsets into it, in generated code."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array, *places = cgutils.unpack_tuple(builder, value)
        self.builder = builder
        self.bytes = kind[0].dtype.bitwidth // 8
        self.memory = context.make_array(kind[0])(context, builder, array).data
        *self.starts, self.stride = places

    def find(self, i: int, j: int = 0, moved: Any = None, row: Any = None) -> Any:
        """Generate the address of a row of half ``i``, in the columns of half ``j``."""
        builder = self.builder
        place = builder.add(self.starts[i], _LONG(j * COLUMNS // 2))
        if moved is not None:
            place = builder.add(place, moved)
        if row is not None:
            place = builder.add(place, builder.mul(self.stride, row))
        return builder.gep(self.memory, [place])

    def load(self, register: int, i: int, j: int = 0, moved: Any = None) -> None:
        self._move("tileloadd64", register, i, j, moved)

    def store(self, register: int, i: int, j: int) -> None:
        self._move("tilestored64", register, i, j, None)

    def _move(self, way: str, register: int, i: int, j: int, moved: Any) -> None:
        stride = self.builder.mul(self.stride, _LONG(self.bytes))
        _move(self.builder, way, register, self.find(i, j, moved), stride)


def _move(builder: Any, way: str, register: int, address: Any, stride: Any) -> None:
    kind = ir.FunctionType(_NOTHING, [_BYTE, _POINTER, _LONG])
    call(builder, f"llvm.x86.{way}", kind, _BYTE(register), builder.bitcast(address, _POINTER), stride)


@njit
def shrink(big: Array, kernel: Array, sums: Array, floor: Any, small: Array) -> None:
    """Convolve one image; all results begin with ``sums`` [N]."""
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, (size, length, _), edge = big.shape[2], kernel.shape, 2 - kernel.shape[0] // 2
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    rows, depth = _count_rows(width), _count_words(length)
    walk = (size, length // depth, big_row, 2 * depth, length * wide, depth * wide)
    _configure(rows, depth)
    for y in range(0, height, 2):
        below = min(y + 1, height - 1) - y  # the last line of an odd number is computed twice
        for x in range(0, width, rows):
            start = (2 * y + edge) * big_row + (2 * x + edge) * channels
            result = (y + 1) * small_row + (x + 1) * wide
            a = (big, start, start + 2 * below * big_row, 2 * channels)
            for n in range(0, wide, COLUMNS):
                out = (small, result + n, result + n + below * small_row, wide)
                _multiply(a, (kernel, n, wide), walk, (sums, n, n, 0), out, rows, floor)


@njit
def grow(small: Array, kernel: Array, sums: Array, floor: Any, big: Array) -> None:
    """Apply a transposed convolution to one image; results begin with ``sums`` [C]."""
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    channels, taps, length = big.shape[2], kernel.shape[2], kernel.shape[3]
    big_row, small_row = big.shape[1] * channels, small.shape[1] * wide
    rows, depth = _count_rows(width), _count_words(length)
    walk = (taps, length // depth, small_row, 2 * depth, length * channels, depth * channels)
    _configure(rows, depth)
    for phase in range(4):
        down, right = phase // 2, phase % 2
        edge = (down, right) if taps == 2 else (1, 1)
        for y in range(0, height, 2):
            below = min(y + 1, height - 1) - y
            for x in range(0, width, rows):
                start = (y + edge[0]) * small_row + (x + edge[1]) * wide
                result = (2 * y + down + 1) * big_row + (2 * x + right + 1) * channels
                a = (small, start, start + below * small_row, wide)
                for c in range(0, channels, COLUMNS):
                    b = (kernel, phase * (kernel.size // 4) + c, channels)
                    out = (big, result + c, result + c + 2 * below * big_row, 2 * channels)
                    _multiply(a, b, walk, (sums, c, c, 0), out, rows, floor)


@njit
def multiply_taps(small: Array, kernel: Array, products: Array) -> None:
    """Multiply each pixel of one image by all taps of a thin kernel."""
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    row, columns = small.shape[1] * wide, products.shape[2]
    result_row = products.shape[1] * columns
    rows, depth = _count_rows(width), _count_words(kernel.shape[0])
    zeros = np.zeros(COLUMNS, np.float32)
    walk = (1, kernel.shape[0] // depth, 0, 2 * depth, 0, depth * columns)
    _configure(rows, depth)
    for y in range(1, height + 1, 2):
        below = min(y + 1, height) - y
        for x in range(1, width + 1, rows):
            start, result = y * row + x * wide, y * result_row + x * columns
            a = (small, start, start + below * row, wide)
            for n in range(0, columns, COLUMNS):
                out = (products, result + n, result + n + below * result_row, columns)
                _multiply(a, (kernel, n, columns), walk, (zeros, 0, 0, 0), out, rows, LINEAR)


@njit
def correlate(big: Array, small: Array, pairs: Array, turned: Array, sums: Array) -> None:
    """Add one image's gradient of a kernel to ``sums``.

    The pixels that a tap of the kernel meets are to follow each other without a gap. The tap in row i and
    column j meets pixels [2 y + i, 2 x + j] of big: those of one parity of rows and columns. With Y = y + i
    // 2 and X = x + j // 2 in that parity, words pair columns X and X + 1, of which X is even or odd.

    Args:
        big: framed, [2H + 2, 2W + 2, C].
        small: framed, [H + 2, W + 2, N].
        pairs: buffer for words [2, 2, 2, H + 1, W / 2, C]: parities of row, column and X; Y, pair, channel.
        turned: buffer for the numbers of small, [N, H * W].
        sums: [k, k * N, C], added to.
    """
    _pair(big, pairs)
    _turn(small, turned)
    (wide, pixels), (size, _, channels), width = turned.shape, sums.shape, small.shape[1] - 2
    depth, edge = _count_words(pixels // 2), 2 - size // 2
    line = width // 2 * channels
    parity = (big.shape[0] // 2) * line
    walk = (1, pixels // 2 // depth, 0, 2 * depth, 0, depth * channels)
    _configure(_ROWS, depth)
    for tap in range(size * size):
        i, j = tap // size + edge, tap % size + edge
        start = (i % 2 * 4 + j % 2 * 2 + j // 2) * parity + i // 2 * line
        for n in range(0, wide, COLUMNS):
            a, result = (turned, n * pixels, (n + _ROWS) * pixels, pixels), (tap * wide + n) * channels
            for c in range(0, channels, COLUMNS):
                out = (sums, result + c, result + _ROWS * channels + c, channels)
                _multiply(a, (pairs, start + c, channels), walk, out, out, _ROWS, LINEAR)


@njit
def _pair(big: Array, pairs: Array) -> None:
    height, width, channels = big.shape[0] // 2, big.shape[1] // 2 - 1, big.shape[2]
    words = pairs[: 4 * height * width * channels].reshape(2, 2, 2, height, width // 2, channels)
    for row in range(2 * height):
        for column in range(2):
            for odd in range(2):
                line = words[row % 2, column, odd, row // 2]
                for pair in range(width // 2):
                    first = 2 * (2 * pair + odd) + column
                    here, there, word = big[row, first], big[row, first + 2], line[pair]
                    for c in range(channels):
                        word[c] = np.uint32(here[c]) | np.uint32(there[c]) << np.uint32(16)


@njit
def _turn(small: Array, turned: Array) -> None:
    height, width, wide = small.shape[0] - 2, small.shape[1] - 2, small.shape[2]
    for y in range(height):
        for x in range(width):
            pixel = small[y + 1, x + 1]
            for n in range(wide):
                turned[n, y * width + x] = pixel[n]


@njit
def _count_rows(width: int) -> int:
    """Return how many pixels of a line are in a tile."""
    return _ROWS if width % _ROWS == 0 else 8 if width % 8 == 0 else 4


@njit
def _count_words(words: int) -> int:
    """Return the largest number of words that fits into a tile and divides a row."""
    depth = min(words, _DEPTH)
    while words % depth:
        depth -= 1
    return depth
