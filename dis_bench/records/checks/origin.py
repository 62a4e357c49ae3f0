"""Check the origin of a kept file: a command, a date and an environment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dis_bench.records.checks.values import check_plain, check_table, shown
from dis_bench.records.schema import Damaged


def check_origin(record: dict[str, Any]) -> None:
    """Check the environment and the command that made a record."""
    check_table("environment", record["environment"])
    check_plain("environment", record["environment"])
    check_command(record)


def check_command(record: dict[str, Any]) -> None:
    """Check the command that made a file, and its date."""
    for name in ("command", "created"):
        if not isinstance(record[name], str):
            raise Damaged(f"its {name} is {shown(record[name])}, not a text")
    try:
        datetime.fromisoformat(record["created"])
    except ValueError:
        raise Damaged(f"its created is {shown(record['created'])}, not a date") from None
