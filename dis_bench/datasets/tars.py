"""Tar archives: as a stream, packed or not, and with headers of bounded size.

Nothing is unpacked to disk, so no name or link in an archive leads anywhere. An archive may hold hundreds of
thousands of files, so nothing is kept of those that were read.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dis_bench.datasets.damaged import refusing_damage
from dis_bench.errors import InputError, shown

LONGEST = 1 << 20  # bytes of headers before a file: names, attributes and maps of holes; usually 512


class Tar(tarfile.TarFile):
    """A tar file whose headers take a bounded amount of memory.

    Python's reads as many bytes as a header announces, and a negative size sends it in circles.
    """

    def next(self) -> tarfile.TarInfo | None:
        """Return the next member, or None at the end.

        Raises:
            tarfile.ReadError: its headers are too long, or its size is below zero.
        """
        whole: Any = self.fileobj
        headers: Any = _Headers(whole)
        self.fileobj = headers
        try:
            member = super().next()
        finally:
            self.fileobj = whole
        if member is not None and self.offset <= member.offset:
            raise tarfile.ReadError("a file of a negative size")
        # Headers for all files that follow add up.
        if sum(len(key) + len(value) for key, value in self.pax_headers.items()) > LONGEST:
            raise _too_long()
        return member


class _Headers:
    """A tar file from which the headers of one member are read."""

    def __init__(self, whole: Any) -> None:
        self.seek, self.tell = whole.seek, whole.tell
        self._read, self._left = whole.read, LONGEST

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self._left:
            raise _too_long()
        self._left -= size
        return bytes(self._read(size))


def _too_long() -> tarfile.ReadError:
    return tarfile.ReadError(f"headers of more than {LONGEST:,} bytes")


def stream_files(path: Path, is_wanted: Callable[[str], bool], largest: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of some files, in the order of the archive.

    Args:
        path: the archive.
        is_wanted: returns whether a name is.
        largest: bytes that a file may have.

    Raises:
        InputError: it is no complete tar file, or what has a wanted name is a link or too large.
    """
    # A header of gzip that ends early is a TypeError.
    with refusing_damage(path, "tar", TypeError), Tar.open(path, "r|*") as packed:
        opened: Any = packed
        while (member := opened.next()) is not None:
            opened.members.clear()
            if is_wanted(member.name):
                yield member.name, _read(opened, member, path, largest)


def _read(packed: tarfile.TarFile, member: tarfile.TarInfo, path: Path, largest: int) -> bytes:
    if not member.isfile():
        raise InputError(f"'{path}' has {shown(member.name)} as a link or a folder, not as a file.")
    if member.size > largest:
        raise InputError(f"'{path}' has {shown(member.name)} with more than {largest:,} bytes.")
    file = packed.extractfile(member)
    content = b"" if file is None else file.read()
    if len(content) != member.size:
        raise InputError(f"'{path}' ends within {shown(member.name)}: get it again.")
    return content
