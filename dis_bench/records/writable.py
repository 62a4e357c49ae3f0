"""What the results need of a file system, tried before time is spent on training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dis_bench.records.durable import LONGEST_NAME, write_new
from dis_bench.records.processes import make_stamp


class Refused(Exception):
    """A step that a file system does not do; the message says which, and why."""


def try_file_system(unfinished: Path, cells: Path) -> str | None:
    """Make both folders, and try there all that a run does; return what is refused, or None.

    Links are not needed, nor is flushing a folder to the disk.
    """
    name = f".try.{make_stamp()}.".ljust(LONGEST_NAME, "x")
    here, there = unfinished / name, cells / name
    try:
        with _trying("make folders"):
            for folder in (unfinished, cells):
                folder.mkdir(parents=True, exist_ok=True)
            here.mkdir()
        _try_files(here)
        with _trying(f"move a folder from '{unfinished.name}' to '{cells.name}'"):
            os.rename(here, there)
        return None
    except Refused as refusal:
        return str(refusal)
    finally:
        for folder in (here, there):
            shutil.rmtree(folder, ignore_errors=True)


def _try_files(folder: Path) -> None:
    one, other = folder / "one", folder / "other"
    with _trying("write a file"):
        write_new(one, b"old")
    with _trying("tell that a file is there already"):
        try:
            write_new(one, b"new")
        except FileExistsError:
            pass
        else:
            raise Refused("a file that should not be replaced was replaced")
    with _trying("replace a file by renaming another"):
        write_new(other, b"new")
        os.replace(other, one)
        if one.read_bytes() != b"new":
            raise Refused("a file that should be replaced was not")


@contextmanager
def _trying(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a ValueError for a NUL in the path
        raise Refused(f"it cannot {what} ({getattr(error, 'strerror', None) or error})") from error
