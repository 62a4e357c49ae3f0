"""Files of cells as bytes, carried between folders that no file system connects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dis_bench.records.checkpoint import NAME
from dis_bench.records.claims import MARK
from dis_bench.records.durable import replace_file

Files = dict[str, bytes]  # by name


def read_files(folder: Path, pattern: str = "*") -> Files:
    """Read the files of a folder, without those that are still being written.

    Args:
        folder: which may be missing.
        pattern: glob pattern of the names to read.
    """
    paths = [path for path in folder.glob(pattern) if path.is_file()]
    return {path.name: path.read_bytes() for path in paths if path.name[0] != "." and path.name != MARK}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files atomically, one by one, replacing those of the same name.

    Records and checkpoints come last, since they say that the other files are there.

    Raises:
        OSError: they cannot be written; if the folder is missing, another process has the cell.
    """
    for name in sorted(files, key=lambda name: (name == NAME, name.startswith("record"))):
        replace_file(folder / name, files[name])
