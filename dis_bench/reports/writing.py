"""Writing of reports, which imports their parts only when one is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench.paths import check_path
from dis_bench.records.store import Store
from dis_bench.records.sweep import sweep
from dis_bench.reports.publish import check_folder, publish
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    from dis_bench.reports.report import Report


def write_report(
    folder: str | Path, out: str | Path | None = None, published: Sequence[str | Path] = ()
) -> Path:
    """Write the report of a result folder.

    It consists of ``table.csv``, ``table.md``, ``table.tex``, ``plots/`` and ``index.html``. Nothing is
    trained, and no image is encoded. A report replaces the files of an earlier one, and nothing else.

    Args:
        folder: the ``--out`` folder of one or more runs.
        out: the folder to write to; ``folder/report`` if None.
        published: sources of published figures to show beside measured ones: names (``dis-bench list
            published``), or paths of TOML files of the same form.

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: there are no results, the report cannot be written there, or a source cannot be read.
    """
    return make_report(folder, out, published)[1]


def make_report(
    folder: str | Path, out: str | Path | None = None, published: Sequence[str | Path] = ()
) -> tuple[Report, Path]:
    """Build a report and write it; arguments and errors as in :func:`write_report`.

    Returns:
        The report, and the path of its ``index.html``.
    """
    with temporary_files_in(folder if out is None else out):
        from dis_bench.reports.report import build_report

        folder = check_path("the result folder", folder)
        out = folder / "report" if out is None else check_path("the report's folder", out)
        check_folder(out)
        sweep(Store(folder))
        report = build_report(folder, published)
        publish(out, report.files)
        return report, out / "index.html"
