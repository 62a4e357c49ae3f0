"""Partial files, written under a temporary name by one process at a time."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Self

from dis_bench.bars import say

# Flags that only some systems have.
NOFOLLOW, NONBLOCK, BINARY = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


class Part:
    """A partial file beside its target, with ``.part`` appended to the name.

    Use it as a context manager. It may contain what an earlier process left, unless it is made anew; an empty
    one is removed at the end. A second process waits for the first, and should then check whether the target
    exists. Anything other than a regular file of this user under this single name, such as a link or a pipe,
    is removed first, since writing to it would reach elsewhere.

    Args:
        target: the file that it will become.
        anew: whether what a stopped process has left is of no use to the next, and is removed.

    Attributes:
        path: its temporary name.
        file: open for reading and writing, positioned at the start.

    Raises:
        OSError: it cannot be written, or is a directory.
    """

    file: BinaryIO

    def __init__(self, target: Path, *, anew: bool = False) -> None:
        self.target, self._anew = target, anew
        self.path = target.with_name(f"{target.name}.part")

    def __enter__(self) -> Self:
        while True:
            try:
                descriptor, is_new = self._open()
            except FileNotFoundError:
                if not self.path.parent.is_dir():
                    raise
                continue  # its previous owner has just moved it into place
            self.file = os.fdopen(descriptor, "r+b")
            is_alone = _lock(self.file, self.path)
            if self._is_at(self.path):
                if is_alone or is_new:
                    if self._anew:
                        self.clear()
                    return self
                self.path.unlink()  # no locks here: never write to a file that others may hold
            self.file.close()

    def __exit__(self, *_: object) -> None:
        if (self._anew or self.size == 0) and self._is_at(self.path):
            self.path.unlink()
        self.file.close()

    def _open(self) -> tuple[int, bool]:
        """Open or create the file; return its descriptor, and True if it is new."""
        flags = os.O_RDWR | NOFOLLOW | NONBLOCK | BINARY
        new = flags | os.O_CREAT | os.O_EXCL
        try:
            return os.open(self.path, new, 0o666), True
        except FileExistsError:
            if _is_own_file(self.path.lstat()):
                return os.open(self.path, flags), False
            self.path.unlink()
            return os.open(self.path, new, 0o666), True

    def _is_at(self, path: Path) -> bool:
        """Return True if a name still leads to the open file."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.fstat(self.file.fileno()))

    @property
    def size(self) -> int:
        """Its size so far, in bytes."""
        self.file.flush()
        return os.fstat(self.file.fileno()).st_size

    def clear(self) -> None:
        """Discard its content."""
        self.file.seek(0)
        self.file.truncate(0)

    def move_into_place(self) -> None:
        """Flush it to disk and rename it to the target.

        Raises:
            OSError: it cannot be renamed, or another process has replaced it.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self._is_at(self.path):
            raise OSError(errno.ESTALE, f"'{self.path.name}' was replaced meanwhile")
        os.replace(self.path, self.target)


def write_note(path: Path, content: Any) -> None:
    """Write a note in JSON, whole or not at all.

    Raises:
        OSError: as for :class:`Part`.
    """
    with Part(path, anew=True) as part:
        part.file.write(json.dumps(content).encode())
        part.move_into_place()


def _is_own_file(status: os.stat_result) -> bool:
    is_single = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return is_single and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())


def _lock(file: BinaryIO, path: Path) -> bool:
    """Wait for exclusive access to the file; return False if files cannot be locked."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"Waiting for another process that is writing '{path}'.")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
