"""Reader of SmallNORB's binary matrices: a header, then an array, packed or not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dis_bench.datasets.packed import GZIP, open_unpacked
from dis_bench.errors import InputError

BYTES, INTEGERS = 507333717, 507333716  # magic numbers; bytes are unsigned
_HOLDS = {BYTES: "bytes", INTEGERS: "int32", 507333713: "float32", 507333715: "float64"}
_KINDS: dict[int, np.dtype] = {BYTES: np.dtype(np.uint8), INTEGERS: np.dtype("<i4")}
_FEWEST = 3  # sizes in the header of a matrix with fewer dimensions


def read_matrix(path: Path, magic: int, shape: tuple[int, ...]) -> np.ndarray:
    """Read a whole matrix.

    Args:
        path: the file.
        magic: :data:`BYTES` or :data:`INTEGERS`.
        shape: the shape that it must have.

    Raises:
        InputError: it cannot be read, is truncated, or holds something else.
    """
    return np.concatenate([*stream_matrix(path, magic, shape, shape[0])])


def stream_matrix(path: Path, magic: int, shape: tuple[int, ...], rows: int) -> Iterator[np.ndarray]:
    """Yield a matrix in blocks of rows; see :func:`read_matrix`.

    Args:
        path, magic, shape: as there.
        rows: rows in a block, at most.
    """
    kind = _KINDS[magic]
    length = math.prod(shape[1:]) * kind.itemsize
    with open_unpacked(path) as file:
        _check_header(path, file, magic, shape)
        for start in range(0, shape[0], rows):
            wanted = min(rows, shape[0] - start)
            content = file.read(wanted * length)
            if len(content) != wanted * length:
                raise InputError(
                    f"'{path}' ends after {start + len(content) // length:,} rows: get it again."
                )
            yield np.frombuffer(content, kind).reshape(wanted, *shape[1:])
        if file.read(1):
            raise InputError(f"'{path}' goes on after its {shape[0]:,} rows: get it again.")


def _check_header(path: Path, file: BinaryIO, magic: int, shape: tuple[int, ...]) -> None:
    """Read the header, and compare it with what is expected."""
    start = file.read(8)
    found = int.from_bytes(start[:4], "little")
    if len(start) < 8 or found != magic:
        raise InputError(f"'{path}' holds no matrix of {_HOLDS[magic]}: {_explain(start)}.")
    dimensions = int.from_bytes(start[4:], "little")
    if dimensions != len(shape):
        raise InputError(f"'{path}' has {dimensions} dimensions instead of {len(shape)}: {_SWAPPED}.")
    count = max(_FEWEST, dimensions)
    sizes = file.read(4 * count)
    if len(sizes) < 4 * count:
        raise InputError(f"'{path}' ends within its header: get it again.")
    known = tuple(np.frombuffer(sizes, "<i4")[:dimensions].tolist())
    if known != shape:
        raise InputError(f"'{path}' holds a matrix {list(known)} instead of {list(shape)}: {_SWAPPED}.")


_SWAPPED = "two files may have been exchanged"


def _explain(start: bytes) -> str:
    """Say what a file with another beginning seems to be."""
    little, big = int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")
    if len(start) < 8:
        return "it ends within its header"
    if little in _HOLDS:
        return f"it holds {_HOLDS[little]}, so {_SWAPPED}"
    if big in _HOLDS:
        return "its numbers are in big-endian order, while the format is little-endian"
    if start[:2] == GZIP:
        return "it was packed twice"
    if start.startswith(b"MATLAB"):
        return "it is a file of MATLAB's, which has the same suffix"
    return f"it begins with {start[:4].hex()}"
