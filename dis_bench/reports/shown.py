"""The cells that a page shows in detail, each read once, to play with and to examine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.bars import bar
from dis_bench.records.schema import Record
from dis_bench.reports.doctor.diagnoses import Examined, examine, examine_parts
from dis_bench.reports.doctor.parts import read_parts
from dis_bench.reports.play.choose import choose_cells, describe_chosen
from dis_bench.reports.play.gather import Gathering, Play
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

MOST_FAILED = 12  # cells that the page examines beside those that it shows


def gather_shown(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    used: list[list[Quantity]],
    records: list[Record],
    problems: list[str],
    most: int | None = None,
) -> tuple[Play, list[Examined]]:
    """Gather everything to play with, and examine the same cells and some that failed.

    A page of thousands of cells would otherwise read the files of each.

    Args:
        settings, tables, used, most: as for :func:`dis_bench.reports.play.choose.choose_cells`.
        records: all records.
        problems: receives a sentence for each file that cannot be read.

    Returns:
        What is played, and the examined cells in the order of the records.
    """
    gathering = Gathering(problems)
    examined: dict[str, Examined] = {}
    chosen = choose_cells(settings, tables, used, most)
    for one in bar(chosen, "play", unit="model"):
        setting = settings[one.setting]
        parts = read_parts(setting.records[one.cell["hash"]])
        examined[one.cell["hash"]] = examine_parts(parts)
        gathering.add(one, setting, used[one.setting], parts)
    for record in [record for record in records if record["status"] == "failed"][:MOST_FAILED]:
        examined[record["hash"]] = examine(record)
    found = [examined[record["hash"]] for record in records if record["hash"] in examined]
    return gathering.finish(settings, describe_chosen(chosen, tables)), found
