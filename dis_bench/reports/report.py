"""Assembly of a report, from records to the content of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.neutral import neutral
from dis_bench.printing import SPELL
from dis_bench.records.columns import list_scores
from dis_bench.records.record import read_records
from dis_bench.records.table import tabulate
from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.caveats import find_caveats
from dis_bench.reports.declared import Declared
from dis_bench.reports.figures.plan import Image, Plan
from dis_bench.reports.figures.published import plan_published
from dis_bench.reports.figures.setting import MOST_CONFIGURATIONS, plan_figures
from dis_bench.reports.headline import Headline, write_headlines
from dis_bench.reports.page.render import describe_cells, render_page, render_play
from dis_bench.reports.published.reported import Reported, find_reported, name_unused
from dis_bench.reports.published.source import read_sources
from dis_bench.reports.quantities import Quantity, find_quantities
from dis_bench.reports.selection import choose_settings
from dis_bench.reports.settings import Setting, split_settings
from dis_bench.reports.shown import gather_shown
from dis_bench.reports.tables import list_used, summarise, write_csv, write_latex, write_markdown
from dis_bench.reports.udr import add_udr

if TYPE_CHECKING:
    import pandas as pd


Folders = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Report:
    """A report that has not been written yet.

    Attributes:
        files: content by path, relative to the report's folder.
        summary: one line about the cells.
        settings: groups of cells that may be compared.
        headlines: the answers of each setting.
        caveats: sentences.
    """

    files: dict[str, bytes]
    summary: str
    settings: list[Setting]
    headlines: list[list[Headline]]
    caveats: list[str]


@neutral(warn=True)
def build_report(
    folder: Folders, published: Sequence[str | Path] = (), most_played: int | None = None
) -> Report:
    """Read result folders and build all files of their report in memory.

    A cell that is in several folders counts once.

    Args:
        folder: the result folder, or a list of several.
        published: sources of published figures to show, by name or file.
        most_played: the largest number of cells to play with; None decides as
            :func:`dis_bench.reports.play.choose.find_most`.

    Raises:
        InputError: there is no such folder, or it contains no readable results, or a source cannot be read.
    """
    sources = read_sources(published)
    folders = [folder] if isinstance(folder, (str, Path)) else [*folder]
    records, problems = read_records(*folders)
    if not records:
        raise InputError(f"the folder '{folders[0]}' holds no readable results: {problems[0]}")
    quantities = find_quantities(tabulate(records), list_scores(records), Declared(records))
    anchors = [anchor for folder in folders for anchor in gather_anchors(folder, problems)]
    settings = split_settings(records, anchors)
    tables = [summarise(setting, quantities) for setting in settings]
    used = [list_used(s, table, quantities) for s, table in zip(settings, tables, strict=True)]
    reported = [find_reported(s, sources, some) for s, some in zip(settings, used, strict=True)]
    headlines = [write_headlines(*parts) for parts in zip(settings, tables, used, strict=True)]
    plans = _plan_all(settings, tables, used, problems, reported)
    total = sum(len(plan) for plan in plans)
    with bar(total=total, desc="report", unit="figure") as progress:
        images = [[_drawn(plan(), progress) for plan in some] for some in plans]
    play, examined = gather_shown(settings, tables, used, records, problems, most_played)
    quantities += add_udr(settings, tables, used, problems)
    caveats = find_caveats(records, problems, anchors, settings) + name_unused(reported, sources)
    page = render_page(
        *(settings, tables, quantities, headlines, images, caveats, records, reported, examined), play.data
    )
    files = {image.path: image.png for some in images for image in some}
    files |= play.files | {path: render_play(data) for path, data in play.pages.items()}
    files |= {
        "table.csv": write_csv(settings, tables, reported).encode(errors=SPELL),
        "table.md": write_markdown(settings, tables, quantities, reported).encode(errors=SPELL),
        "table.tex": write_latex(settings, tables, quantities, reported).encode(errors=SPELL),
        "index.html": page.encode(errors=SPELL),
    }
    return Report(files, describe_cells(records, settings), settings, headlines, caveats)


def _plan_all(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    used: list[list[Quantity]],
    problems: list[str],
    reported: list[list[Reported]],
) -> list[list[Plan]]:
    """Plan the figures of the chosen settings, which share the configurations shown."""
    drawn = choose_settings(settings)
    most = max(2, MOST_CONFIGURATIONS // len(drawn))
    parts = zip(settings, tables, used, reported, strict=True)
    return [
        [
            *plan_figures(setting, table, some, problems, most, published),
            *plan_published(setting, table, some, published),
        ]
        if number in drawn
        else []
        for number, (setting, table, some, published) in enumerate(parts)
    ]


def _drawn(image: Image, progress: Any) -> Image:
    progress.update()
    return image
