"""Write files and folders to the disk completely before any record refers to them.

None of this needs links. Where a file system cannot flush a folder, which matters only in a crash, it is
skipped.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from dis_bench.records.processes import STAMP, make_stamp, parse_stamp

LONGEST_NAME = 143  # bytes of a file's name that every file system allows; eCryptfs allows the fewest

DAY = 24 * 3600

_TEMPORARY = re.compile(rf"\..+\.{STAMP}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file as :func:`replace_file` does, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically, in place of an earlier one; use a temporary name first.

    The file is flushed to the disk before it is renamed.

    Raises:
        OSError: it cannot be written, as in a folder that is missing.
    """
    temporary = path.with_name(f".{path.name[:80]}.{make_stamp()}")
    try:
        write_new(temporary, content)
        os.replace(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise


def write_new(path: Path, content: bytes) -> None:
    """Write a new file, and flush it to the disk.

    Raises:
        FileExistsError: the file exists.
    """
    file = open(path, "xb")  # noqa: SIM115
    try:
        with file:
            file.write(content)
            file.flush()
            _flush(file.fileno())
    except BaseException:
        remove_file(path)
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove the temporary files that ended processes left in a folder.

    These are files of :func:`replace_file`. A process on another machine may still be at work, so its file
    is removed when it is a day old.
    """
    for path in folder.glob(".*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match and (parse_stamp(match).has_ended() or is_old(path)):
            remove_file(path)


def is_old(path: Path) -> bool:
    """Return True if a file is more than a day old; no write takes that long."""
    try:
        return time.time() - path.stat().st_mtime > DAY
    except OSError:
        return False


def remove_file(path: Path) -> None:
    """Remove a file that is no longer needed, if that is possible."""
    with suppress(OSError):
        path.unlink()


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sync_files(folder: Path) -> None:
    """Flush the files of a folder and its directory entries to the disk."""
    for path in filter(Path.is_file, folder.iterdir()):
        _sync(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's directory entries to the disk, if the system can."""
    if os.name == "posix":  # Windows cannot open folders
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, mode: int) -> None:
    handle = os.open(path, mode)
    try:
        _flush(handle)
    finally:
        os.close(handle)


def _flush(handle: int) -> None:
    """Flush to the disk; ignore errors other than those of a full or broken disk."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in _LOSSES:
            raise


def exchange(one: Path, other: Path) -> bool:
    """Exchange two folders atomically; return False if that is not supported."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux, or an old C library
        return False
    here, exchanging = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(exchanging)) == 0


def explain(error: OSError) -> str:
    """Return a sentence on why a write failed, and what to do about it."""
    what = error.strerror or type(error).__name__
    where = f" ('{error.filename}')" if error.filename else ""
    advice = _ADVICE.get(error.errno or 0, "once that is fixed")
    return f"{what}{where}; {advice}, the same command continues"


_LOSSES = (errno.ENOSPC, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))

_FULL = "once there is space on the disk, or with another --out"
_ADVICE = {
    errno.ENOSPC: _FULL,
    getattr(errno, "EDQUOT", errno.ENOSPC): _FULL,
    errno.EFBIG: "where larger files are allowed",
    errno.EROFS: "once the folder can be written",
    errno.EACCES: "once the folder can be written",
    errno.EPERM: "once the folder can be written",
    errno.ENAMETOOLONG: "with an --out of a shorter path",
}
