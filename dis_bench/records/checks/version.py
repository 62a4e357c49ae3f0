"""Check the version of the schema that a kept file follows."""

from __future__ import annotations

from typing import Any

from dis_bench.records.schema import SCHEMA, Damaged, Outdated


def check_version(value: Any, kind: str) -> None:
    """Check that a value is a table that follows this version's schema.

    Args:
        value: the value that was read from JSON.
        kind: ``record``, ``anchor`` or ``plan``.

    Raises:
        Damaged: it follows another version of the schema, or none.
    """
    schema = value.get("schema") if isinstance(value, dict) else None
    if type(schema) is not int:
        raise Damaged(f"it does not hold a valid {kind}")
    if schema < SCHEMA:
        raise Outdated(
            f"an earlier version of dis-bench wrote schema {schema}, and this one reads schema {SCHEMA}: run "
            "the same command again, or read it with dis-bench 0.1"
        )
    if schema > SCHEMA:
        raise Damaged(
            f"a later version of dis-bench wrote schema {schema}, and this one reads schema {SCHEMA}"
        )
