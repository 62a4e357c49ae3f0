"""Check a plan: the cells that a run set out to do."""

from __future__ import annotations

from typing import Any

from dis_bench.records.checks.origin import check_command
from dis_bench.records.checks.values import check_keys, check_text, check_whole, shown
from dis_bench.records.schema import Damaged, KeptPlan, PlannedCell


def check_plan(plan: dict[str, Any]) -> None:
    """Check the content of a plan.

    Raises:
        Damaged: the first fault found.
    """
    check_keys(plan, KeptPlan)
    check_command(plan)
    if not isinstance(plan["cells"], list):
        raise Damaged(f"its cells are {shown(plan['cells'])}, not a list")
    for cell in plan["cells"]:
        check_keys(cell, PlannedCell, "cell")
        for name in ("folder", "dataset", "model"):
            check_text(name, cell[name])
        check_text("anywhere", cell.get("anywhere", "absent"))
        check_whole("steps", cell["steps"])
