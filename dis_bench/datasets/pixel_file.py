"""The pixels of an official archive, unpacked once into a file that can be read at any index.

Archives are compressed for reading from end to end: in an HDF5 file like 3DShapes' one image at a random
place took 0.75 s. And unpacked in memory they are large (3 GB and 6 GB). So the pixels are streamed once
into a file of records of one length, from which a batch of 64 is read in 0.3 ms.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dis_bench.bars import bar, say
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.part import Part
from dis_bench.errors import InputError

HEADER = 4096  # bytes: whole pages, so that records can be mapped


class PixelFile:
    """Records of bytes, read by index; a pickled copy is a path.

    Args:
        path: the file.
        record: the shape of one record of bytes.
        count: how many there are.
    """

    def __init__(self, path: Path, record: tuple[int, ...], count: int) -> None:
        self.path, self.record, self.count = path, record, count
        self._descriptor: int | None = None

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Copy records from the file: uint8 ``[B, *record]``.

        Reading leaves the pages to the operating system's cache; mapped, they would count as this process's
        memory, in the end the whole file.
        """
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        length = math.prod(self.record)
        records = np.empty((len(indices), *self.record), np.uint8)
        for record, index in zip(records, indices.tolist(), strict=True):
            if os.preadv(self._descriptor, [record], HEADER + index * length) != length:
                raise InputError(f"'{self.path}' ends too early: delete it, and it will be made again.")
        return records

    def map(self) -> np.ndarray:
        """All records as one array ``[count, *record]`` that the operating system reads when touched."""
        return np.memmap(self.path, np.uint8, "c", HEADER, (self.count, *self.record))

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_descriptor": None}

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def unpack_once(
    archive: Archive, path: Path, record: tuple[int, ...], count: int, blocks: Iterator[np.ndarray]
) -> PixelFile:
    """The pixel file of an archive, written first if it is missing, stale or of another length.

    Args:
        archive: what the pixels come from.
        path: where it lies; the pixel file lies beside it.
        record: the shape of one record.
        count: how many records.
        blocks: their bytes in order, uint8; only run through if the file has to be written.

    Raises:
        InputError: the disk has no room for it.
    """
    content = {"archive": dict(archive.digests), "record": record, "count": count}
    header = json.dumps(content).encode().ljust(HEADER - 1) + b"\n"
    length = HEADER + count * math.prod(record)
    target = _writable_directory(path) / f"{path.name}.pixels"
    if not _is_current(target, header, length):
        with Part(target) as part:
            if not _is_current(target, header, length):
                part.clear()
                _check_room(archive, target, length)
                _write(part.file, header, blocks, count, f"unpacking {path.name}")
                part.move_into_place()
            else:
                part.clear()  # another process was faster
    return PixelFile(target, record, count)


def _is_current(target: Path, header: bytes, length: int) -> bool:
    if not target.is_file() or target.stat().st_size != length:
        return False
    with target.open("rb") as file:
        return file.read(HEADER) == header


def _writable_directory(path: Path) -> Path:
    """The archive's own directory, or the user's cache where that one is read-only."""
    if os.access(path.parent, os.W_OK):
        return path.parent
    import pooch

    cache = Path(pooch.os_cache("dis-bench"))
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _check_room(archive: Archive, target: Path, length: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < length:
        raise InputError(
            f"unpacking {archive.file} needs {length / 1e9:.1f} GB in '{target.parent}', which has "
            f"{free / 1e9:.1f} GB free: make room, or use another data directory."
        )
    say(f"Unpacking {archive.file} once into '{target}', {length / 1e9:.2f} GB.")


def _write(file: BinaryIO, header: bytes, blocks: Iterator[np.ndarray], count: int, title: str) -> None:
    file.write(header)
    with bar(total=count, unit=" images", unit_scale=True, desc=title, delay=0, leave=True) as progress:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
            progress.update(len(block))
