"""Reports: tables, plots and one page, derived from the result store and from nothing else."""

from __future__ import annotations

from pathlib import Path

from dis_bench.scratch import temporary_files_in

__all__ = ["write_report"]


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write ``table.csv``, ``table.md``, ``table.tex``, ``plots/`` and ``index.html`` from a result folder.

    Nothing is trained, and no image is encoded. A report replaces what an earlier one wrote, and nothing
    else.

    Args:
        folder: the ``--out`` folder of one or more runs.
        out: where to write; ``folder/report`` where None.

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: there are no results, or the report cannot be written there.
    """
    with temporary_files_in(folder if out is None else out):
        from dis_bench.reports.report import make_report

        return make_report(folder, out)[1]
