"""The file training.csv: losses during training, as means over the steps between rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dis_bench.records.columns import split_images
from dis_bench.records.kept import read_file
from dis_bench.records.schema import Damaged, Record

if TYPE_CHECKING:
    import pandas as pd

FILE = "training.csv"
STEP = "step"  # the first column: the last step of the row
_PART = re.compile(r".*_\d+")  # of a measure that has one value per latent


def write_row(path: Path, measures: Sequence[str], step: int, values: Sequence[float | None] | None) -> None:
    """Append a row to a log, with six digits; write the header first to an empty file.

    Args:
        path: :data:`FILE` in the cell's folder.
        measures: the columns after ``step``.
        step: the last step that the row covers.
        values: values of the measures, None for an empty one; None instead of them writes only the header.
    """
    with open(path, "a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if file.tell() == 0:
            rows.writerow([STEP, *measures])
        if values is not None:
            rows.writerow([step, *("" if value is None else f"{value:.6g}" for value in values)])


def read_curves(
    folder: str | Path, measures: Sequence[str] | None = None, record: Record | None = None
) -> dict[str, np.ndarray]:
    """Read ``step`` and some measures of a cell's training, each [P].

    Args:
        folder: folder of the cell.
        measures: columns of the file; by default all but those of single latents. They are empty if no row
            was written.
        record: record of the cell, if it was read before.

    Raises:
        Damaged: the file, or the record with its digest, has changed since it was written, or the file lacks
            a measure.
        FileNotFoundError: there is no such file.
    """
    names = list(_read_columns(folder, None, record)) if measures is None else [STEP, *measures]
    columns = [name for name in names if _is_total(name)] if measures is None else names
    if STEP not in columns:
        raise Damaged(f"it has no column {STEP}")
    table = _read_columns(folder, columns, record)
    if not np.isfinite(table.to_numpy()).all():
        raise Damaged("it holds numbers that are not finite")
    return {name: table[name].to_numpy() for name in columns}


def read_heldout(
    folder: str | Path, measures: Sequence[str], record: Record | None = None
) -> dict[str, np.ndarray] | None:
    """Read ``step`` and measures of held-out images from the rows with values.

    Args:
        folder: folder of the cell.
        measures: columns of the file, such as ``heldout_kl``.
        record: record of the cell, if it was read before.

    Returns:
        Finite values; None if the file does not have these columns, or no value in them.

    Raises:
        Damaged, FileNotFoundError: as for :func:`read_curves`.
    """
    columns = [STEP, *measures]
    if not {*measures} <= {*_read_columns(folder, None, record)}:
        return None
    table = _read_columns(folder, columns, record)
    rows = np.isfinite(table.to_numpy()).all(1)
    return {name: table[name].to_numpy()[rows] for name in columns} if rows.any() else None


def _read_columns(folder: str | Path, columns: Sequence[str] | None, record: Record | None) -> pd.DataFrame:
    """Read columns as numbers, or only the header if they are None."""
    import pandas as pd

    content = io.BytesIO(read_file(folder, FILE, record))
    try:
        if columns is None:
            return pd.read_csv(content, nrows=0)
        return pd.read_csv(content, usecols=columns, dtype=float)
    except (ValueError, OverflowError) as error:
        raise Damaged(str(error)) from None


def _is_total(column: str) -> bool:
    """Return False for parts of single latents and for measures of held-out images.

    Most rows have no value of the latter.
    """
    return _PART.fullmatch(column) is None and split_images(column)[1] == ""
