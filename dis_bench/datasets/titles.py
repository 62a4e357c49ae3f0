"""Titles: names that users give to datasets of their own."""

from __future__ import annotations

import re
from typing import Any

from dis_bench import registry
from dis_bench.errors import InputError, shown

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


def check_title(what: str, title: Any) -> None:
    """Check that tables and file names can show a title, and that it is free.

    Raises:
        InputError: it has other characters, or is the name of an installed dataset.
    """
    if not isinstance(title, str) or not _PLAIN.fullmatch(title) or title in registry.known("datasets"):
        raise InputError(
            f"{what} must be letters, digits, '.', '_' or '-', and not the name of an installed dataset, but "
            f"{shown(title)} was given."
        )
