"""Natural order of values: numbers by size, also inside texts."""

from __future__ import annotations

import json
import re
from typing import Any

SortKey = tuple[Any, ...]


def sort_key(value: Any) -> SortKey:
    """Return a key that sorts mixed values: truth values, numbers, texts, None.

    Numbers inside a text are compared as numbers, so that ``beta10`` comes after ``beta4``.
    """
    if value is None or value != value:
        return (4,)
    if isinstance(value, bool):
        return 0, value
    if isinstance(value, (int, float)):
        return 1, value
    if isinstance(value, str):
        return 2, _split_numbers(value), value
    return 3, _split_numbers(json.dumps(value, sort_keys=True, default=str))


def _split_numbers(text: str) -> tuple[str | int, ...]:
    """Split a text into alternating words and whole numbers."""
    parts = re.split(r"([0-9]{1,18})", text)  # longer numbers are split: int() is slow, then refuses them
    return tuple(int(part) if number % 2 else part for number, part in enumerate(parts))
