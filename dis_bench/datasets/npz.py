"""Reader of one array in an npz file, as a stream; nothing in the file is unpickled.

numpy loads a member of an npz file as a whole, and cannot map it, since it is inside of a zip file.
"""

from __future__ import annotations

import tokenize
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from dis_bench.datasets.damaged import refusing_damage
from dis_bench.errors import InputError

BLOCK_BYTES = 8 << 20  # bytes that are read at a time
_BAD_HEADER = (tokenize.TokenError, SyntaxError, MemoryError)  # numpy reads a header as Python's text


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read shape, Fortran order and type of the npy array that starts a stream."""
    version = np.lib.format.read_magic(stream)
    with warnings.catch_warnings(action="ignore"):  # about headers that Python 2 wrote
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)


@contextmanager
def _open_array(path: Path, key: str) -> Iterator[tuple[IO[bytes], tuple[int, ...]]]:
    """Open an array of bytes; yield its stream, behind the header, and its shape."""
    with refusing_damage(path, "npz", *_BAD_HEADER), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if names.count(f"{key}.npy") != 1:
            has = "more than one array" if f"{key}.npy" in names else "no array"
            held = ", ".join(names[:5]) or "nothing"
            raise InputError(f"'{path}' must hold {key}.npy once, but has {has} of this name: {held}.")
        with archive.open(f"{key}.npy") as stream:
            shape, is_fortran, kind = _read_header(stream)
            if kind.hasobject:
                raise InputError(f"'{path}' holds pickled objects as '{key}', which are never loaded.")
            if kind != np.uint8 or is_fortran:
                order = " in Fortran order" if is_fortran else ""
                raise InputError(f"'{path}' holds {key} of {kind}{order} instead of uint8, row by row.")
            if not shape:
                raise InputError(f"'{path}' holds a single number as {key} instead of an array.")
            yield stream, shape


def read_shape(path: Path, key: str) -> tuple[int, ...]:
    """Return the shape of an array of bytes, without reading it.

    Args:
        path: the npz file.
        key: name of the array.

    Raises:
        InputError: there is no complete npz file, or the array is missing, there twice, or not of bytes.
    """
    with _open_array(path, key) as (_, shape):
        return shape


def stream_array(path: Path, key: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield an array of bytes in blocks of rows.

    Args:
        path: the npz file.
        key: name of the array.
        shape: the shape that it must have.

    Yields:
        uint8 ``[block, *shape[1:]]``, of 8 MB at most.

    Raises:
        InputError: as for :func:`read_shape`, or another shape.
    """
    with _open_array(path, key) as (stream, found):
        if found != shape:
            raise InputError(f"'{path}' holds {key} {list(found)} instead of {list(shape)}.")
        length = int(np.prod(shape[1:]))
        rows = max(1, BLOCK_BYTES // length)
        for start in range(0, shape[0], rows):
            wanted = min(rows, shape[0] - start) * length
            content = stream.read(wanted)
            if len(content) != wanted:
                raise InputError(f"'{path}' ends within its {key}: get it again.")
            yield np.frombuffer(content, np.uint8).reshape(-1, *shape[1:])
        if stream.read(1):  # which also makes zipfile compare the checksum
            raise InputError(f"'{path}' holds more {key} than its header says: get it again.")
