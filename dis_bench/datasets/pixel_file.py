"""Pixels in a random-access file: of an official archive, or of converted images.

Archives are compressed for sequential reading: in an HDF5 file like that of 3DShapes, one image at a random
place took 0.75 s. Unpacked in memory they are large (3 GB and 6 GB). The pixels are therefore streamed once
into a file of fixed-length records, from which a batch of 64 is read in 0.3 ms.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dis_bench.bars import bar, say
from dis_bench.datasets.archives import BLOCK, Archive, describe_state, verify_once
from dis_bench.datasets.cache import OTHER_DATA, cache_directory, check_room
from dis_bench.datasets.grid import check_indices
from dis_bench.datasets.part import Part, write_note
from dis_bench.errors import InputError

HEADER = 4096  # bytes: whole pages, so that records can be mapped
HASHED = 256 << 20  # bytes of a file that is hashed on its first use in a process, which takes up to 0.3 s


class PixelFile:
    """A file of records, read by index; pickling it copies only the path.

    Args:
        path: the file.
        record: the shape of one record of bytes.
        count: the number of records.
    """

    def __init__(self, path: Path, record: tuple[int, ...], count: int) -> None:
        self.path, self.record, self.count = path, record, count
        self._descriptor: int | None = None

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Read records from the file: uint8 ``[B, *record]``.

        Read pages stay in the operating system's cache. Mapped pages would count as this process's memory, up
        to the size of the whole file.

        Args:
            indices: ``[B]`` integers.

        Raises:
            InputError: an index is out of range, or the file is too short.
        """
        indices = check_indices(indices, self.count)
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        length = math.prod(self.record)
        records = np.empty((len(indices), *self.record), np.uint8)
        for record, index in zip(records, indices.tolist(), strict=True):
            if os.preadv(self._descriptor, [record], HEADER + index * length) != length:
                raise InputError(f"'{self.path}' ends too early: delete it, and it will be written again.")
        return records

    def map(self) -> np.ndarray:
        """Map all records as one array ``[count, *record]``, read from disk on access."""
        return np.memmap(self.path, np.uint8, "c", HEADER, (self.count, *self.record))

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_descriptor": None}

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def unpack_once(
    archive: Archive, path: Path, record: tuple[int, ...], count: int, blocks: Iterator[np.ndarray]
) -> PixelFile:
    """Return an archive's pixel file; write it if it is missing, stale or damaged.

    Args:
        archive: the source of the pixels, which is verified again if its file has changed.
        path: its file; the pixel file is written beside it, or to the user's cache if that is impossible.
        record: the shape of one record.
        count: the number of records.
        blocks: the records' bytes in order, uint8; consumed only if the file has to be written.

    Raises:
        InputError: the disk is too full, the file is not the archive or changes while it is read, or the
            pixel file cannot be written.
    """
    content = {"archive": dict(archive.digests), "record": record, "count": count}
    header = json.dumps(content).encode().ljust(HEADER - 1) + b"\n"
    length = HEADER + count * math.prod(record)
    target = _writable_directory(path) / f"{path.name}.pixels"
    if not _is_current(target, header, length):
        try:
            with Part(target, anew=True) as part:
                if not _is_current(target, header, length):  # else another process was faster
                    check_room(target.parent, length, f"unpacking {archive.file}", OTHER_DATA)
                    say(f"Unpacking {archive.file} once into '{target}', {length / 1e9:.2f} GB.")
                    state = describe_state(path)
                    verify_once(archive, path)  # it may have changed since the dataset was loaded
                    digest = _write(part.file, header, blocks, count, f"unpacking {path.name}")
                    if describe_state(path) != state:
                        raise InputError(f"'{path}' changed while it was read: give the command again.")
                    part.move_into_place()
                    seal(target, digest)
        except OSError as error:
            raise InputError(
                f"'{path}' cannot be unpacked into '{target}': {error.strerror or error}."
            ) from None
    return PixelFile(target, record, count)


def _is_current(target: Path, header: bytes, length: int) -> bool:
    if not target.is_file() or target.stat().st_size != length:
        return False
    with target.open("rb") as file:
        return file.read(HEADER) == header and is_intact(target)


def seal(path: Path, digest: str) -> None:
    """Record beside a pixel file what it holds, so that damage is noticed.

    Args:
        path: the file, in its place.
        digest: SHA-256 of its pixels.

    Raises:
        OSError: the record cannot be written.
    """
    write_note(_seal_of(path), {"state": describe_state(path), "sha256": digest})


def is_intact(path: Path) -> bool:
    """Return whether a pixel file is as it was when it was sealed.

    Its pixels are hashed on its first use in this process. Of a large file, this is done only if its status
    has changed; damage that the file system does not know of, as on a failing disk, is not noticed there.
    """
    try:
        sealed = json.loads(_seal_of(path).read_text("utf-8"))
        state = describe_state(path)
        is_unchanged = sealed["state"] == state
        if is_unchanged and path.stat().st_size > HASHED:
            return True
        if _hash_file(path, state) != sealed["sha256"]:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if not is_unchanged:
        with suppress(OSError):  # it is hashed again next time
            seal(path, sealed["sha256"])
    return True


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


@lru_cache(maxsize=64)
def _hash_file(path: Path, state: str) -> str:
    """Hash the pixels of a file, once for each state of it."""
    with path.open("rb") as file:
        return hash_pixels(file)


def hash_pixels(file: BinaryIO) -> str:
    """Return the SHA-256 of everything behind the header of an open pixel file."""
    file.flush()
    size = os.fstat(file.fileno()).st_size
    file.seek(HEADER)
    digest = hashlib.sha256()
    with bar(total=size - HEADER, unit="B", unit_scale=True, desc="hashing the pixels") as progress:
        while block := file.read(BLOCK):
            digest.update(block)
            progress.update(len(block))
    return digest.hexdigest()


def _writable_directory(path: Path) -> Path:
    """Return the archive's directory, or the user's cache if it is read-only."""
    if os.access(path.parent, os.W_OK):
        return path.parent
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _write(file: BinaryIO, header: bytes, blocks: Iterator[np.ndarray], count: int, title: str) -> str:
    """Write the header and the records; return the SHA-256 of these."""
    file.write(header)
    digest = hashlib.sha256()
    with bar(total=count, unit=" images", unit_scale=True, desc=title, delay=0, leave=True) as progress:
        for block in blocks:
            content = np.ascontiguousarray(block).data
            file.write(content)
            digest.update(content)
            progress.update(len(block))
    return digest.hexdigest()
