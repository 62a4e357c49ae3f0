"""Temporary files where the system has no place for them: in the folder that results are written to."""

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
    """Put temporary files, also those of child processes, under a folder if there is no better place.

    In a container nothing but the folder of results may be writable.

    Args:
        folder: made if need be; the files in it are removed after the block.
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
        with suppress(OSError):  # whoever needs the folder says what is wrong with it
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
