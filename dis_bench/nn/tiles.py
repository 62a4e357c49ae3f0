"""Multiply small matrices of bf16 in tile registers: Intel's AMX, with 16 times the products of AVX-512.

A tile register has up to 16 rows of 64 bytes. One instruction multiplies a tile of [rows, 2 * depth] bf16
numbers by one of [depth] rows of 16 words (of two bf16 numbers each) and adds the result to a tile of [rows,
16] float32 numbers. Eight registers hold two tiles of each factor and their four products.

The operating system gives tiles to a process that asks for them. Between :func:`configure` and
:func:`release`, no other code may use them on the same thread.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from dis_bench.nn.registers import FEATURES, HAS_BF16, LANES, as_bf16, at_least, broadcast, call

DEPTH = 16  # words in a row of a tile, at most
COLUMNS = 32  # of a product

_SUMS, _A, _B = ((0, 1), (2, 3)), (4, 5), (6, 7)  # registers
_BYTE, _LONG, _FLOAT, _NOTHING = ir.IntType(8), ir.IntType(64), ir.FloatType(), ir.VoidType()
_POINTER, _FLOATS = _BYTE.as_pointer(), ir.VectorType(_FLOAT, LANES)


def are_permitted() -> bool:
    """Ask Linux for the tiles, and return True if this process may use them."""
    if not (HAS_BF16 and {"+amx-tile", "+amx-bf16"} <= FEATURES):
        return False
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18  # asm/unistd_64.h, asm/prctl.h, asm/fpu/types.h
    try:
        return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)
    except (OSError, AttributeError):
        return False


@njit
def configure(rows: int, depth: int) -> None:
    """Give the tiles their shapes.

    Args:
        rows: of a tile of the first factor and of the product, at most 16.
        depth: words per row of the first factor, and rows of the second; at most 16.
    """
    palette = np.zeros(64, np.uint8)
    palette[0] = 1
    for register in range(8):
        is_a, is_b = register in (4, 5), register in (6, 7)
        palette[16 + 2 * register] = 4 * depth if is_a else 64  # bytes of a row
        palette[48 + register] = depth if is_b else rows
    _load_palette(palette)


@intrinsic
def _load_palette(typing: Any, palette: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        memory = context.make_array(signature.args[0])(context, builder, args[0]).data
        call(builder, "llvm.x86.ldtilecfg", ir.FunctionType(_NOTHING, [_POINTER]), memory)
        return context.get_dummy_value()

    return types.void(palette), generate


@intrinsic
def release(typing: Any) -> Any:
    """Give the tiles back."""

    def generate(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        call(builder, "llvm.x86.tilerelease", ir.FunctionType(_NOTHING, []))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def multiply(typing: Any, a: Any, b: Any, walk: Any, init: Any, out: Any, rows: Any, floor: Any) -> Any:
    """Compute [2, rows, COLUMNS] of a product: out = max(floor, init + a b).

    Arrays are passed with offsets, counted in elements: of the first row of either half, and between rows.

    Args:
        a: (uint16 array, offsets of rows); a step reads 2 * depth bf16 numbers per row.
        b: (uint32 array, offset, stride of rows); a step reads ``depth`` rows of COLUMNS words.
        walk: the number of runs, the steps per run, by how much the offsets in ``a`` grow per run and per
            step, and the same two for ``b``.
        init: (float32 array, offsets of rows).
        out: (array, offsets of rows), uint16 for bf16, or float32, to which the floor does not apply.
        rows: as given to :func:`configure`.
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
        for i in range(2):
            a.load(_A[i], i, moved=builder.add(a_run, a_step))
            b.load(_B[i], 0, i, builder.add(b_run, b_step))
        for i, j in np.ndindex(2, 2):
            registers = map(_BYTE, (_SUMS[i][j], _A[i], _B[j]))
            call(builder, "llvm.x86.tdpbf16ps", ir.FunctionType(_NOTHING, [_BYTE] * 3), *registers)
    if out.bytes == 4:
        for i, j in np.ndindex(2, 2):
            out.store(_SUMS[i][j], i, j)
    else:
        _store_rounded(context, builder, out, args[5], args[6])
    return context.get_dummy_value()


def _store_rounded(context: Any, builder: Any, out: _Placed, rows: Any, floor: Any) -> None:
    """Store the sums as bf16, by way of memory: tiles hold nothing but products."""
    floor = broadcast(builder, floor, _FLOATS)
    numbers = cgutils.alloca_once(builder, ir.ArrayType(_FLOATS, DEPTH))
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
