"""Tar archives read as a stream, packed or not.

Nothing is unpacked to disk, so no name or link in an archive leads anywhere; and nothing is kept of the files
that were read, of which an archive may hold hundreds of thousands.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dis_bench.datasets.damaged import refusing_damage
from dis_bench.errors import InputError, shown


def stream_files(path: Path, is_wanted: Callable[[str], bool], largest: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of some files, in the order of the archive.

    Args:
        path: the archive.
        is_wanted: returns whether a name is.
        largest: bytes that a file may have.

    Raises:
        InputError: it is no complete tar file, or what has a wanted name is a link or too large.
    """
    with refusing_damage(path, "tar"), tarfile.open(path, "r|*") as packed:
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
