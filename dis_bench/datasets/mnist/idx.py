"""Reader of IDX files: arrays of bytes behind a big-endian header, packed or not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from dis_bench.datasets.packed import GZIP, open_unpacked
from dis_bench.errors import InputError

IMAGES, LABELS = 0x0803, 0x0801  # magic numbers: bytes in three dimensions, and in one
_HOLDS = {IMAGES: "images", LABELS: "labels"}
LARGEST = 1 << 30  # bytes; a header or a bomb that claims more is damaged


def read_idx(path: Path, magic: int) -> np.ndarray:
    """Read an IDX file of bytes.

    It counts as packed if its content is, whatever its name, since names are easily changed.

    Args:
        path: the file.
        magic: :data:`IMAGES` or :data:`LABELS`.

    Returns:
        uint8 ``[N, H, W]`` or ``[N]``, read-only.

    Raises:
        InputError: it cannot be read, is truncated, or holds something else.
    """
    content = _unpack(path)
    wanted, count = _HOLDS[magic], magic & 0xFF
    found = int.from_bytes(content[:4], "big")
    if found != magic:
        raise InputError(f"'{path}' holds no {wanted} in IDX format: {_explain(found, content)}.")
    header = 4 * (1 + count)
    if len(content) < header:
        raise InputError(f"'{path}' ends within its header: get it again.")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count, offset=4))
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise InputError(
            f"'{path}' announces {wanted} {list(shape)}, which take {expected:,} bytes, but has "
            f"{len(content):,}: get it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _unpack(path: Path) -> bytes:
    with open_unpacked(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError(f"'{path}' has more than {LARGEST:,} bytes, which no file of this kind has.")
    return content


def _explain(found: int, content: bytes) -> str:
    """Say what a file with another magic number seems to be."""
    if found in _HOLDS:
        return f"it holds {_HOLDS[found]}, so two files may have been exchanged"
    if int.from_bytes(content[:4], "little") in _HOLDS:
        return "its numbers are in little-endian order, while the format is big-endian"
    if content[:2] == GZIP:
        return "it was packed twice"
    if content[:2] == b"PK":
        return "it is a zip file; unpack it first"
    if content[:2] == b"\0\0" and len(content) > 3:
        return f"its type is 0x{content[2]:02x} in {content[3]} dimensions, while bytes (0x08) are read"
    return f"it begins with {content[:4].hex() or 'nothing'}"
