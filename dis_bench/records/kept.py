"""Files kept beside a record, read only as they were written: codes, pictures, training curves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dis_bench.records.arrays import unpack
from dis_bench.records.schema import Damaged
from dis_bench.records.seal import read_kept
from dis_bench.records.store import Record, read_newest


def read_file(folder: str | Path, name: str, record: Record | None = None) -> bytes:
    """Read a file that a cell keeps.

    Args:
        folder: of the cell.
        name: of the file.
        record: of the cell, where it was read before.

    Raises:
        Damaged: the file, or the record that vouches for it, is not as it was written.
        FileNotFoundError: there is no such file.
    """
    return read_kept(Path(folder), record or _find_record(folder, name), name)


def read_arrays(folder: str | Path, name: str, *arrays: str, record: Record | None = None) -> dict[str, Any]:
    """Read arrays of an npz file that a cell keeps; all of them by default.

    Raises:
        Damaged: the file, or the record that vouches for it, is not as it was written.
        FileNotFoundError: there is no such file.
    """
    record = record or _find_record(folder, name)
    content = read_file(folder, name, record)
    return unpack(content, name, {"latents": record["cell"]["latent_size"]}, arrays)


def _find_record(folder: str | Path, name: str) -> Record:
    if not os.path.lexists(Path(folder) / name):
        raise FileNotFoundError(name)
    record = read_newest(Path(folder), problems=[])
    if record is None:
        raise Damaged("no record beside it can be believed")
    return record
