"""The cells of a report that are examined for its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.records.schema import Record
from dis_bench.reports.doctor.diagnoses import Examined, examine
from dis_bench.reports.play.choose import choose_cells
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

MOST_FAILED = 12  # cells that the page examines beside those that it shows


def examine_shown(
    settings: list[Setting], tables: list[pd.DataFrame], used: list[list[Quantity]], records: list[Record]
) -> list[Examined]:
    """Examine the cells that a page plays with, and some that failed.

    A page of thousands of cells would otherwise read the codes of each.

    Args:
        settings, tables, used: as for :func:`dis_bench.reports.play.choose.choose_cells`.
        records: all records.
    """
    shown = {one.cell["hash"] for one in choose_cells(settings, tables, used)}
    failed = [record["hash"] for record in records if record["status"] == "failed"][:MOST_FAILED]
    return [examine(record) for record in records if record["hash"] in {*shown, *failed}]
