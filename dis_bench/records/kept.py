"""Read the files beside a record, verified against the digests in the record."""

from __future__ import annotations

import os
from pathlib import Path

from dis_bench.records.record import read_newest
from dis_bench.records.schema import Damaged, Record
from dis_bench.records.seal import read_kept


def read_file(folder: str | Path, name: str, record: Record | None = None) -> bytes:
    """Read a file that a cell keeps.

    Args:
        folder: folder of the cell.
        name: name of the file.
        record: record of the cell, if it was read before.

    Raises:
        Damaged: the file, or the record with its digest, has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    return read_kept(Path(folder), record or read_record_of(folder, name), name)


def read_record_of(folder: str | Path, name: str) -> Record:
    """Read the record that holds the digest of a file.

    Raises:
        Damaged: no record beside the file is valid.
        FileNotFoundError: there is no such file.
    """
    if not os.path.lexists(Path(folder) / name):
        raise FileNotFoundError(name)
    record = read_newest(Path(folder), problems=[])
    if record is None:
        raise Damaged("no record beside it is valid")
    return record
