"""Check values that were read from JSON: tables, lists, texts and numbers.

Every function raises :class:`~dis_bench.records.schema.Damaged` with the first fault found. Its argument
``what``, or ``name``, is what the message calls the value.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from typing import Any

from dis_bench.errors import LONGEST_LINE
from dis_bench.records.schema import Damaged

LARGEST = 1e150  # limit of any number: no measurement comes near it, and squares stay finite
WHOLE = 2**53  # the largest whole number that every reader of JSON and every table keeps exactly
DEPTH = 8  # limit of nesting; the environment of a stack has three levels


def check_keys(value: Any, schema: Any, name: str = "") -> None:
    """Check that a value has all keys that are always required."""
    check_table(name or "content", value)
    check_lacking(value, schema.__required_keys__, name)


def check_lacking(value: Mapping[str, Any], required: Collection[str], name: str) -> None:
    """Check that a table lacks none of the required keys."""
    lacking = sorted(required - value.keys())
    if lacking:
        raise Damaged(f"{f'its {name}' if name else 'it'} lacks {', '.join(lacking)}")


def check_names(what: str, names: Any, allowed: Any) -> None:
    """Check that all names are known to this version."""
    for name in names:
        if name not in allowed:
            raise Damaged(f"its {what} has {shown(name)}, which this version does not know")


def check_table(what: str, value: Any) -> None:
    """Check that a value is a table."""
    if not isinstance(value, dict):
        raise Damaged(f"its {what} is {shown(value)}, not a table")


def check_list(what: str, value: Any) -> list[Any]:
    """Check that a value is a list, and return it."""
    if not isinstance(value, list):
        raise Damaged(f"its {what} is {shown(value)}, not a list")
    return value


def check_texts(what: str, table: Any) -> None:
    """Check that a value is a table of texts."""
    check_table(what, table)
    for value in table.values():
        check_text(what, value)


def check_text(what: str, value: Any) -> None:
    """Check that a value is a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Damaged(f"its {what} is {shown(value)}, not a text")


def check_line(what: str, text: Any) -> None:
    """Check that a value is a text that fits on a line."""
    if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_LINE:
        raise Damaged(f"its {what} is {shown(text)}, not a line of text")


def check_number(what: str, value: Any, low: float = -LARGEST) -> None:
    """Check that a value is a finite number, from ``low`` on."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= (LARGEST if isinstance(value, float) else WHOLE):
        least = " of at least 0" if low == 0 else ""
        raise Damaged(f"its {what} is {shown(value)}, not a finite number{least}")


def check_whole(what: str, value: Any, low: int = 0) -> None:
    """Check that a value is a whole number, from ``low`` on."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= WHOLE:
        raise Damaged(f"its {what} is {shown(value)}, not a whole number from {low} to {WHOLE}")


def check_plain(what: str, value: dict[str, Any] | list[Any], depth: int = DEPTH) -> None:
    """Check that values are not nested too deeply, and that their numbers are finite."""
    if not depth:
        raise Damaged(f"its {what} is nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            check_plain(what, inner, depth - 1)
        elif isinstance(inner, (int, float)) and not -LARGEST <= inner <= LARGEST:
            raise Damaged(f"its {what} holds {shown(inner)}, not a finite number")


def shown(value: Any) -> str:
    """Return a value's text for a message, shortened if it is long."""
    return reprlib.repr(value)
