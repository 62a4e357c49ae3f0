"""training.csv: the losses through training, each row the mean over the steps since the row before."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dis_bench.records.kept import read_file
from dis_bench.records.schema import Damaged, Record

FILE = "training.csv"
STEP = "step"  # the first column: the last step of the row


def write_row(path: Path, measures: Sequence[str], step: int, values: Sequence[float] | None) -> None:
    """Add a row to a log, to six digits, after the head if the file is empty.

    Args:
        path: :data:`FILE` in the cell's folder.
        measures: the columns behind ``step``.
        step: the last one of the row.
        values: of the measures; only the head is written where None.
    """
    with open(path, "a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if file.tell() == 0:
            rows.writerow([STEP, *measures])
        if values is not None:
            rows.writerow([step, *(f"{value:.6g}" for value in values)])


def read_curves(
    folder: str | Path, measures: Sequence[str], record: Record | None = None
) -> dict[str, np.ndarray]:
    """Read ``step`` and some measures of a cell's training, each [P].

    Args:
        folder: of the cell.
        measures: columns of the file; they are empty where no row was written.
        record: of the cell, where it was read before.

    Raises:
        Damaged: the file, or the record that vouches for it, is not as it was written, or lacks a measure.
        FileNotFoundError: there is no such file.
    """
    import pandas as pd

    content = io.BytesIO(read_file(folder, FILE, record))
    columns = [STEP, *measures]
    try:
        table = pd.read_csv(content, usecols=columns, dtype=float)
    except (ValueError, OverflowError) as error:
        raise Damaged(str(error)) from None
    if not np.isfinite(table.to_numpy()).all():
        raise Damaged("it holds numbers that are not finite")
    return {name: table[name].to_numpy() for name in columns}
