"""Try the file system operations that results need, before time is spent on training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dis_bench.records.durable import LONGEST_NAME, write_new
from dis_bench.records.processes import make_stamp


class Refused(Exception):
    """Error: a file system lacks an operation; the message says which, and why."""


def try_file_system(unfinished: Path, cells: Path) -> str | None:
    """Create both folders, try all operations of a run, and return the first failure.

    Neither links nor flushing a folder to the disk are needed. Returns None if everything works.
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
    with _trying("detect that a file exists already"):
        try:
            write_new(one, b"new")
        except FileExistsError:
            pass
        else:
            raise Refused("it replaced a file that should not be replaced")
    with _trying("replace a file by renaming another"):
        write_new(other, b"new")
        os.replace(other, one)
        if one.read_bytes() != b"new":
            raise Refused("it did not replace a file that should be replaced")


@contextmanager
def _trying(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a ValueError for a NUL in the path
        raise Refused(f"it cannot {what} ({getattr(error, 'strerror', None) or error})") from error
