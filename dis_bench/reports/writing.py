"""Writing of reports, which imports their parts only when one is written."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench.errors import InputError, shown
from dis_bench.paths import check_path
from dis_bench.records.record import check_exists
from dis_bench.records.store import Store
from dis_bench.records.sweep import sweep
from dis_bench.reports.publish import check_folder, publish
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    from dis_bench.reports.report import Folders, Report

MOST_PLAYED = 500  # cells; each takes a tenth of a second, and 30 to 80 kB of the page
FRAME = 800  # CSS pixels, the height of a page in a notebook


def write_report(
    folder: Folders,
    out: str | Path | None = None,
    published: Sequence[str | Path] = (),
    play: int | None = None,
) -> Path:
    """Write the report of a result folder, or of several as one.

    It consists of ``table.csv``, ``table.md``, ``table.tex``, ``plots/``, ``index.html`` and ``play/``.
    Nothing is trained or scored. A report replaces the files of an earlier one, and nothing else.

    Args:
        folder: the ``--out`` folder of one or more runs, or a list of such folders.
        out: the folder to write to; if None ``folder/report``, or ``report`` for several folders.
        published: sources of published figures to show beside measured ones: names (``dis-bench list
            published``), or paths of TOML files of the same form.
        play: the largest number of cells to play with on the page, up to :data:`MOST_PLAYED`. None takes one
            of each configuration and at least 12; of more than 36 configurations 12, or one of each model.

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: there are no results, the report cannot be written there, or a source cannot be read.
    """
    return make_report(folder, out, published, play)[1]


def report(
    *folders: str | Path,
    out: str | Path | None = None,
    published: Sequence[str | Path] = (),
    play: int | None = None,
) -> WrittenReport:
    """Write the report of result folders, which a notebook then shows.

    Args:
        folders: the ``--out`` folders of runs; ``results`` by default.
        out: the folder to write to; if None ``FOLDER/report``, or ``report`` for several folders.
        published: sources of published figures, as in :func:`write_report`.
        play: the largest number of cells to play with, as in :func:`write_report`.

    Returns:
        The report: ``path`` is that of its page; as the last value of a notebook's cell it shows the page.

    Raises:
        InputError: there are no results, or the report cannot be written there.
    """
    built, path = make_report(folders or ("results",), out, published, play)
    return WrittenReport(path, built.summary)


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes:
        path: path of ``index.html``.
        summary: one line about the cells.
    """

    path: Path
    summary: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}: {self.summary}"

    def _repr_html_(self) -> str:
        """Return the page in a frame, which works offline and keeps its style to itself."""
        page = html.escape(self.path.read_text(encoding="utf-8"))
        style = f"width:100%;height:{FRAME}px;border:0"
        return f'<iframe srcdoc="{page}" style="{style}" sandbox="allow-scripts"></iframe>'


def make_report(
    folder: Folders,
    out: str | Path | None = None,
    published: Sequence[str | Path] = (),
    play: int | None = None,
) -> tuple[Report, Path]:
    """Build a report and write it; arguments and errors as in :func:`write_report`.

    Returns:
        The report, and the path of its ``index.html``.
    """
    if play is not None and not (type(play) is int and 0 <= play <= MOST_PLAYED):
        raise InputError(f"play must be a whole number from 0 to {MOST_PLAYED}, but {shown(play)} was given.")
    given = [folder] if isinstance(folder, (str, Path)) else list(folder)
    with temporary_files_in(given[0] if out is None else out):
        from dis_bench.reports.report import build_report

        folders = [check_exists(one) for one in given]
        default = folders[0] / "report" if len(folders) == 1 else Path("report")
        out = default if out is None else check_path("the report's folder", out)
        check_folder(out)
        for one in folders:
            sweep(Store(one))
        report = build_report(folders, published, play)
        publish(out, report.files)
        return report, out / "index.html"
