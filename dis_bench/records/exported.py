"""Exported folders: one trained cell in the layout of model hubs.

Such a folder holds ``model.safetensors``, ``config.json`` with the settings, ``record.json`` and, for
readers, ``README.md`` and pictures. It is written by :mod:`dis_bench.reports.export`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.records.record import FILE as RECORD
from dis_bench.records.schema import EXPORTED_WEIGHTS, Damaged, Record
from dis_bench.records.seal import read_kept, read_record, sign
from dis_bench.records.weights import unpack_weights

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
LIBRARY = "dis-bench"


def pack_export(record: Record, weights: bytes) -> dict[str, bytes]:
    """Return the files of an export that :func:`read_export` reads, by name."""
    plain = {name: value for name, value in record.items() if name != "folder"}
    config = {"library_name": LIBRARY, **record["cell"], "images": record.get("images")}
    sealed = sign({**plain, "files": {EXPORTED_WEIGHTS: hashlib.sha256(weights).hexdigest()}})
    return {EXPORTED_WEIGHTS: weights, CONFIG: _write(config), RECORD: _write(sealed)}


def _write(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def is_exported(folder: Path) -> bool:
    """Return True if a folder looks like an export."""
    return (folder / CONFIG).is_file() and (folder / EXPORTED_WEIGHTS).is_file()


def read_export(folder: str | Path) -> tuple[Record, dict[str, Tensor]]:
    """Read the record and the weights of an export.

    Raises:
        InputError: a file is missing, or has changed since it was written.
    """
    folder, name = Path(folder), RECORD
    try:
        record = read_record(folder / RECORD, anywhere=True)
        name = EXPORTED_WEIGHTS
        return {**record, "folder": str(folder)}, unpack_weights(read_kept(folder, record, EXPORTED_WEIGHTS))
    except FileNotFoundError:
        raise InputError(f"the exported folder '{folder}' has no {name}.") from None
    except Damaged as error:
        raise InputError(f"'{folder / name}' cannot be read ({error}).") from None
