"""The examination of a whole result folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.neutral import neutral
from dis_bench.records.record import read_records
from dis_bench.reports.doctor.diagnoses import Examined, examine


@neutral(warn=True)
def examine_folder(folder: str | Path) -> tuple[list[Examined], list[str]]:
    """Examine all cells of a result folder.

    Args:
        folder: the result folder.

    Returns:
        The cells, those with most findings first, and a sentence for each record that cannot be read.

    Raises:
        InputError: there is no such folder, or it contains no readable results.
    """
    records, problems = read_records(folder)
    if not records:
        raise InputError(f"the folder '{folder}' holds no readable results: {problems[0]}")
    examined = [examine(record) for record in bar(records, "doctor", unit="cell")]
    return sorted(examined, key=lambda one: -len(one.findings)), problems


def describe_as_data(examined: Sequence[Examined], problems: Sequence[str]) -> dict[str, Any]:
    """Return the findings as plain values, for JSON."""
    return {
        "cells": [
            {
                "cell": one.label,
                "folder": one.folder,
                "findings": {
                    name: {"what": found.what, "try": [*found.advice], "figures": found.figures}
                    for name, found in one.findings.items()
                },
                "not_looked_at": one.unseen,
            }
            for one in examined
        ],
        "problems": [*problems],
    }
