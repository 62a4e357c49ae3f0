"""The files in plans/: the cells of each study that was started in a result folder.

So ``dis-bench status`` knows what is left. The tasks of an array job, and the same command later, share the
file of their study.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from dis_bench.records.cell import Cell, hash_identity
from dis_bench.records.checks.plan import check_plan
from dis_bench.records.durable import write_whole
from dis_bench.records.schema import SCHEMA, stamp
from dis_bench.records.seal import read_signed, sign
from dis_bench.records.unreadable import is_readable, read_each

FOLDER = "plans"


def write_plan(root: Path, cells: Sequence[Cell], command: str, chosen: Collection[str] = ()) -> None:
    """Write the cells of a study, unless a valid file has the same cells.

    Args:
        root: the result folder.
        cells: all cells of the study, in their order.
        command: the command that the user typed.
        chosen: the fields of the cells that were chosen for this machine.
    """
    planned = [
        {
            **{"folder": cell.folder, "dataset": cell.dataset, "model": cell.model, "steps": cell.steps},
            **({"anywhere": cell.hash_anywhere(chosen)} if chosen else {}),
        }
        for cell in cells
    ]
    path = root / FOLDER / f"{hash_identity({'cells': planned})}.json"
    if planned and not is_readable(read_plan, path):
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


def read_plans(root: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the plans of a result folder, the earliest first.

    Returns:
        The plans (:class:`dis_bench.records.schema.KeptPlan`), and a sentence for each invalid file.
    """
    plans, problems = read_each(root / FOLDER, read_plan, "the cells that only it names count as not planned")
    return sorted(plans, key=lambda plan: str(plan["created"])), problems
