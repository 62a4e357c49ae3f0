"""Check the declarations of plug-ins in a record."""

from __future__ import annotations

from typing import Any

from dis_bench.records.checks.values import (
    check_keys,
    check_line,
    check_list,
    check_number,
    check_plain,
    check_table,
    shown,
)
from dis_bench.records.schema import Damaged, Declared, DeclaredMetric


def check_declared(declared: Any) -> None:
    """Check that reports can show what plug-ins declared.

    Raises:
        Damaged: the first fault found.
    """
    check_table("declared", declared)
    check_plain("declared", declared)
    for name in Declared.__annotations__:
        check_table(f"declared {name}", declared.get(name, {}))
    check_line("caveat", declared.get("dataset", {}).get("caveat", ""))
    for name in check_list("declared factors", declared.get("dataset", {}).get("factors", [])):
        check_line("name of a factor", name)
    check_line("note", declared.get("model", {}).get("note", ""))
    if not isinstance(declared.get("model", {}).get("baseline", False), bool):
        raise Damaged("its declared baseline is neither true nor false")
    for metric, said in declared.get("metrics", {}).items():
        check_keys(said, DeclaredMetric, f"declared {shown(metric)}")
        for name in ("label", "short", "perfect"):
            check_table(name, said.get(name, {}))
        for text in [*said["label"].values(), *said.get("short", {}).values()]:
            check_line("label", text)
        for value in said.get("perfect", {}).values():
            check_number("perfect", value)
        for name in ("summary", "caveat"):
            check_line(name, said.get(name, ""))
        if said["better"] not in ("higher", "lower", "") or not isinstance(said.get("leads", True), bool):
            raise Damaged(f"its {shown(metric)} has an invalid direction or an invalid lead")
        _check_ends(said["range"])


def _check_ends(ends: Any) -> None:
    if ends is None:
        return
    if not isinstance(ends, list) or len(ends) != 2:
        raise Damaged(f"its range is {shown(ends)}, not a list of two ends")
    for end in ends:
        if end is not None:
            check_number("range", end)
    if None not in ends and not ends[0] < ends[1]:
        raise Damaged(f"its range is {shown(ends)}, whose lower end does not come first")
