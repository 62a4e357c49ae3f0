"""The files in plans/: the cells of each study that was started in a result folder.

So ``dis-bench status`` knows what is left. The tasks of an array job, and the same command later, share the
file of their study.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dis_bench.records.cell import Cell, hash_identity
from dis_bench.records.checks.plan import check_plan
from dis_bench.records.durable import write_whole
from dis_bench.records.schema import SCHEMA, Damaged, stamp
from dis_bench.records.seal import read_signed, sign
from dis_bench.records.unreadable import Unreadable, describe_unreadable

FOLDER = "plans"


def write_plan(root: Path, cells: Sequence[Cell], command: str) -> None:
    """Write the cells of a study, unless a valid file has the same cells.

    Args:
        root: the result folder.
        cells: all cells of the study, in their order.
        command: the command that the user typed.
    """
    planned = [
        {"folder": cell.folder, "dataset": cell.dataset, "model": cell.model, "steps": cell.steps}
        for cell in cells
    ]
    path = root / FOLDER / f"{hash_identity({'cells': planned})}.json"
    if planned and not _is_valid(path):
        plan = sign({"schema": SCHEMA, "command": command, "created": stamp(), "cells": planned})
        write_whole(path, (json.dumps(plan, indent=1) + "\n").encode())


def read_plan(path: Path) -> dict[str, Any]:
    """Read the file of a plan.

    Raises:
        Damaged: it has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    plan = read_signed(path, "plan")
    check_plan(plan)
    return plan


def _is_valid(path: Path) -> bool:
    try:
        read_plan(path)
    except (Damaged, FileNotFoundError):
        return False
    return True


def read_plans(root: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the plans of a result folder, the earliest first.

    Returns:
        The plans (:class:`dis_bench.records.schema.KeptPlan`), and a sentence for each invalid file.
    """
    plans, failures = [], []
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            plan = read_plan(path)
        except (Damaged, FileNotFoundError) as error:
            failures.append(Unreadable(path, error, "the cells that only it names count as not planned"))
        else:
            plans.append(plan)
    return sorted(plans, key=lambda plan: str(plan["created"])), describe_unreadable(failures)
