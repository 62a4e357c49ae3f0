"""Temporary files in the result folder, if the system has no place for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLES = ("TMPDIR", "MPLCONFIGDIR")  # without the second, matplotlib removes its folder at exit


@contextmanager
def temporary_files_in(folder: str | Path) -> Iterator[None]:
    """Put temporary files under a folder if the system has no temporary directory.

    This includes the files of child processes. In a container, only the result folder may be writable.

    Args:
        folder: created if missing; the temporary files are removed after the block.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        pass
    else:
        yield
        return
    made = Path(folder).absolute() / f".tmp-{os.getpid()}"
    before = {name: os.environ.get(name) for name in VARIABLES}
    try:
        with suppress(OSError):  # the code that needs the folder reports what is wrong with it
            made.mkdir(parents=True, exist_ok=True)
            tempfile.tempdir = str(made)
            os.environ.update(dict.fromkeys(VARIABLES, str(made)))
        yield
    finally:
        tempfile.tempdir = None
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(made, ignore_errors=True)
