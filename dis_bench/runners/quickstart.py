"""The built-in study: the value of each option where nobody gives one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

NAME = "quickstart"  # as it is given to --study
FILE = Path(__file__).with_name(f"{NAME}.toml")


def _read() -> dict[str, Any]:
    values = tomllib.loads(FILE.read_text("utf-8"))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


# By option; one that is missing is left to the budget or to the dataset.
DEFAULTS = _read()
