"""Unpack the arrays of a kept npz file, if name, type, shape and size are as expected."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection, Mapping

import numpy as np

from dis_bench.records.schema import Damaged

MOST_BYTES = 1 << 29  # limit for one unpacked array
MOST_PIXELS = 256  # to a side of a kept picture

# The type and the named dimensions of each array; dimensions of the same name have the same size.
Layout = Mapping[str, tuple[str, tuple[str, ...]]]

# Upper limits that no study exceeds; the number of latents comes from the record.
_MOST = {
    "images": 100_000,
    "factors": 1000,
    "examples": 64,
    "channels": 3,
    "height": MOST_PIXELS,
    "width": MOST_PIXELS,
    "values": 64,
}


def unpack(
    content: bytes,
    layout: Layout,
    sizes: Mapping[str, int],
    optional: Collection[str] = (),
    rows: int | None = None,
) -> dict[str, np.ndarray]:
    """Unpack the arrays of an npz file that a layout names.

    Args:
        content: bytes of the file.
        layout: types and dimensions of the arrays.
        sizes: known sizes, by the name of their dimension.
        optional: arrays that may be missing from the file; they are then left out.
        rows: unpack at most this many rows of each array, which saves time.

    Raises:
        Damaged: the first deviation from the layout.
    """
    known = dict(sizes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member.filename for member in archive.infolist()]
            return {
                name: _read_array(archive, members, name, *expected, known, rows)
                for name, expected in layout.items()
                if name not in optional or f"{name}.npy" in members
            }
    except Damaged:
        raise
    except Exception as error:  # zip, zlib and npy headers each have their own errors
        raise Damaged(f"{type(error).__name__}: {' '.join(str(error).split())}") from None


def _read_array(
    archive: zipfile.ZipFile,
    members: list[str],
    name: str,
    kind: str,
    dimensions: tuple[str, ...],
    known: dict[str, int],
    rows: int | None,
) -> np.ndarray:
    if members.count(f"{name}.npy") != 1:
        raise Damaged(f"it has {members.count(f'{name}.npy') or 'no'} array {name}")
    member = archive.getinfo(f"{name}.npy")
    if member.flag_bits & 1:
        raise Damaged(f"its array {name} is encrypted")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise Damaged(f"its array {name} has an unknown format")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype != np.dtype(kind) or not _fits(shape, dimensions, known):
            wanted = ", ".join(str(known.get(size, size)) for size in dimensions)
            raise Damaged(f"its {name} is {dtype} {list(shape)}, not {np.dtype(kind)} [{wanted}]")
        if size > MOST_BYTES or size != member.file_size - file.tell():
            raise Damaged(f"its array {name} claims a wrong size of {size:,} bytes")
        if rows is not None and rows < shape[0] and not is_fortran:
            shape = (rows, *shape[1:])
            array = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype)
        else:
            array = np.frombuffer(file.read(size + 1), dtype)  # reading past the end verifies the checksum
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise Damaged(f"its {name} holds numbers that are not finite")
    return array.reshape(shape, order="F" if is_fortran else "C")[:rows].copy()


def _fits(shape: tuple[int, ...], dimensions: tuple[str, ...], known: dict[str, int]) -> bool:
    """Compare a shape with the known sizes, and add its sizes that were not known."""
    if len(shape) != len(dimensions):
        return False
    return all(
        1 <= size <= _MOST.get(name, size) and size == known.setdefault(name, size)
        for size, name in zip(shape, dimensions, strict=True)
    )
