"""The doctor's findings as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dis_bench.reports.doctor.diagnoses import Examined


def describe_findings(examined: Sequence[Examined], cells: int) -> dict[str, Any] | None:
    """Describe findings for the page, by diagnosis.

    Args:
        examined: the cells that were examined.
        cells: the number of all cells.

    Returns:
        ``summary``, a sentence; ``count``, the number of findings; and ``findings``, each with its name and
        its cells, whose advice is split into texts and, at odd places, options. None if no cell was examined.
    """
    if not examined:
        return None
    named: dict[str, list[dict[str, Any]]] = {}
    for one in examined:
        for name, finding in one.findings.items():
            advice = [text.split("`") for text in finding.advice]
            named.setdefault(name, []).append({"label": one.label, "what": finding.what, "advice": advice})
    count = sum(map(len, named.values()))
    return {
        "summary": _summarise(count, len(examined), cells, _list_unseen(examined)),
        "count": count,
        "findings": [{"name": name, "cells": some} for name, some in named.items()],
    }


def _list_unseen(examined: Sequence[Examined]) -> list[str]:
    """List the diagnoses that were possible in no cell."""
    return [name for name in examined[0].unseen if all(name in one.unseen for one in examined)]


def _summarise(count: int, examined: int, cells: int, unseen: list[str]) -> str:
    findings = "Nothing looks wrong" if not count else "1 finding" if count == 1 else f"{count:,} findings"
    if examined == 1:
        where = "in the only cell" if cells == 1 else f"in one of {cells:,} cells"
    else:
        where = f"in {examined:,} cells" if examined == cells else f"in {examined:,} of {cells:,} cells"
    lacking = f" Not looked at: {', '.join(unseen)}." if unseen else ""
    more = "" if examined == cells else " looks at all of them, and"
    return (
        f"{findings} {where}, from what is kept of their curves, codes and pictures.{lacking} `dis-bench "
        f"doctor`{more} also says what could not be looked at. A finding is advice, and changes nothing else "
        "on this page."
    ).replace("`", "")
