"""The file training.csv: losses during training, as means over the steps between rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
TAIL = 1 << 16  # bytes at the end of a log, which hold its last row
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


def read_last_step(folder: Path) -> int:
    """Return the last step in the log of a running cell; 0 if there is none."""
    log = folder / FILE
    if not log.is_file():  # not begun; a pipe would never end
        return 0
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            rows = [*csv.reader(file.read().decode("utf-8", "replace").splitlines())]
        return int(rows[-1][0])
    except (OSError, ValueError, IndexError):  # not begun, or only a header
        return 0


def read_rows(text: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the last step of each row in the text of a log, and its values."""
    for row in csv.DictReader(io.StringIO(text)):
        step = int(row.pop(STEP))
        yield step, {name: float(value) for name, value in row.items() if value}


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
    return read_log(folder, record).measure(measures)


def read_log(folder: str | Path, record: Record | None = None) -> Log:
    """Read the whole log of a cell's training, once.

    Arguments and errors are those of :func:`read_curves`.
    """
    import pandas as pd

    try:
        return Log(pd.read_csv(io.BytesIO(read_file(folder, FILE, record)), dtype=float))
    except (ValueError, OverflowError) as error:
        raise Damaged(str(error)) from None


@dataclass(frozen=True)
class Log:
    """The log of a cell's training, which was read once.

    Attributes:
        table: a row for each step that was logged, as numbers.
    """

    table: pd.DataFrame

    def measure(self, measures: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Return ``step`` and measures, as :func:`read_curves` does.

        Raises:
            Damaged: the file lacks one, or one of its numbers is not finite.
        """
        names = [name for name in self.table if _is_total(name)] if measures is None else [STEP, *measures]
        lacking = [name for name in dict.fromkeys([STEP, *names]) if name not in self.table]
        if lacking:
            raise Damaged(f"it has no column {lacking[0]}")
        if not np.isfinite(self.table[names].to_numpy()).all():
            raise Damaged("it holds numbers that are not finite")
        return {name: self.table[name].to_numpy() for name in names}

    def measure_heldout(self, measures: Sequence[str]) -> dict[str, np.ndarray] | None:
        """Return ``step`` and measures of held-out images, in the rows with values.

        Args:
            measures: columns of the file, such as ``heldout_kl``.

        Returns:
            Finite values; None if the file does not have these columns, or no value in them.
        """
        columns = [STEP, *measures]
        if not {*columns} <= {*self.table}:
            return None
        rows = np.isfinite(self.table[columns].to_numpy()).all(1)
        return {name: self.table[name].to_numpy()[rows] for name in columns} if rows.any() else None


def _is_total(column: str) -> bool:
    """Return False for parts of single latents and for measures of held-out images.

    Most rows have no value of the latter.
    """
    return _PART.fullmatch(column) is None and split_images(column)[1] == ""
