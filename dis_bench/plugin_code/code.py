"""The version of the code behind a plug-in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Code:
    """The version of the code behind a plug-in, and what that version cannot cover.

    Attributes:
        version: 16 hexadecimal digits that change with the code, not with its location; for a module of an
            installed package, the package's name and version.
        packages: versions of the installed packages that the code imports directly, by name.
        unwatched: dependencies whose changes go unnoticed, such as ``mine.py, line 3: open()``.
        files: the user's own files that were hashed, by their place below the folder from which they are
            imported: for a plug-in file its root (:func:`dis_bench.neighbours.find_root`).
        modules: likewise of modules on ``sys.path``.
    """

    version: str
    packages: dict[str, str] = field(default_factory=dict)
    unwatched: tuple[str, ...] = ()
    files: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)
    modules: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)
    _stamps: dict[Path, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_current(self) -> bool:
        """Return True if the plug-in file, its neighbours and their folders are unchanged."""
        return all(stamp_file(path) == stamp for path, stamp in self._stamps.items())


def stamp_file(path: Path) -> Any:
    """Return a value that changes with a file or a folder; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
