"""UDR of each configuration: how well its seeds agree, from the stored codes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.metrics.udr import udr
from dis_bench.records.codes import FILE, read_codes
from dis_bench.records.schema import Damaged, Record
from dis_bench.reports.headline import lead_score
from dis_bench.reports.problems import FileProblem, unreadable
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.selection import choose_configurations
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

UDR = Quantity(
    "udr",
    "UDR",
    better="higher",
    range=(0.0, 1.0),
    summary=(
        "How well the codes of a configuration's seeds match each other, one to one; no factor is used. "
        "Mean over seeds of the median over the other seeds (Duan et al. 2020)."
    ),
    is_ordered=False,
)

_LOSSES = ("its cell is left out of UDR", "their cells are left out of UDR")

# Its cost is quadratic in the seeds of a configuration, of which at most the first MOST_SEEDS are compared,
# and fewer in a setting of many configurations.
MOST_SEEDS, FEWEST_SEEDS = 10, 5
_MOST_FILES = 500
# Of a setting with more configurations, some have no UDR.
MOST_CONFIGURATIONS = 200
# Images of each seed; the authors' program takes 1,000.
MOST_ROWS = 5_000

# A spread would suggest independent values: no ordering is ever claimed for UDR.
NOTE = (
    "UDR compares the seeds of a configuration with each other, so it has no spread and is never bold; it "
    f"uses {MOST_ROWS:,} images and the first {MOST_SEEDS} seeds, {FEWEST_SEEDS} in a setting of many "
    f"configurations, of which at most {MOST_CONFIGURATIONS} have it."
)


def add_udr(
    settings: list[Setting], tables: list[pd.DataFrame], used: list[list[Quantity]], problems: list[str]
) -> list[Quantity]:
    """Add UDR to the tables of :func:`dis_bench.reports.tables.summarise`.

    Args:
        settings: the settings whose cells are read; UDR uses their first :data:`MOST_ROWS` images, and leaves
            out latents of 0.01 nats or less.
        tables: of the same settings; each gets ``udr_mean``, ``udr_std`` (always NaN) and ``udr_n``, the
            number of seeds compared: at most :data:`MOST_SEEDS`, the lowest with stored codes. Of more than
            :data:`MOST_CONFIGURATIONS`, the best of each model and a spread of the others are chosen.
        used: likewise, the quantities that they have; the leading score decides which are best.
        problems: receives a sentence for each unusable file; missing files are ignored.

    Returns:
        The quantity. If no configuration has two seeds with codes, or a metric is called ``udr``, an empty
        list, and the tables are unchanged.
    """
    if any(f"{UDR.name}_mean" in table for table in tables):
        return []
    total = sum(len(table) for table in tables)
    with bar(total=total, desc="udr", unit="configuration") as progress:
        columns: list[list[tuple[float, int]]] = [[] for _ in tables]
        for setting, table, some_used, column in zip(settings, tables, used, columns, strict=True):
            done = setting.done
            chosen = choose_configurations(table, lead_score(some_used), MOST_CONFIGURATIONS)
            cells = dict(tuple(done[done["label"].isin(chosen)].groupby("label", sort=False)))
            most = min(MOST_SEEDS, max(FEWEST_SEEDS, _MOST_FILES // len(table)))
            for label in table["label"]:
                some = cells.get(label, done[:0])
                column.append(_score_seeds(setting, label, some, most, problems))
                progress.update()
    if not any(n for column in columns for _, n in column):
        return []
    for table, column in zip(tables, columns, strict=True):
        table["udr_mean"] = [mean for mean, _ in column]
        table["udr_std"] = math.nan
        table["udr_n"] = [n for _, n in column]
    return [UDR]


def _score_seeds(
    setting: Setting, label: str, cells: pd.DataFrame, most: int, problems: list[str]
) -> tuple[float, int]:
    """Return the mean UDR of a configuration's first seeds, and their number.

    For fewer than two seeds, these are NaN and 0.
    """
    codes: list[np.ndarray] = []
    compared = []
    for number, hash_, folder in zip(cells.index, cells["hash"], cells["folder"], strict=True):
        if len(codes) == most:
            break
        table = _read_codes(folder, setting.records.get(hash_), problems)
        if table is not None:
            codes.append(np.asfortranarray(table))  # UDR computes column by column
            compared.append(number)
    if len(codes) < 2:
        return math.nan, 0
    columns = [f"kl_{latent}" for latent in range(setting.cell["latent_size"])]
    kl = cells.loc[compared].reindex(columns=columns).to_numpy(dtype=float)
    try:
        return float(udr(codes, None if np.isnan(kl).all() else kl).mean()), len(codes)
    except InputError as error:
        problems.append(f"{setting.title}, {label} has no UDR: {error}")
        return math.nan, 0


def _read_codes(folder: str, record: Record | None, problems: list[str]) -> np.ndarray | None:
    path = Path(folder) / FILE
    try:
        return read_codes(folder, "codes", record=record, rows=MOST_ROWS)["codes"]
    except FileNotFoundError:
        return None
    except Damaged as error:
        problems.append(FileProblem(path, unreadable(error), _LOSSES))
        return None
