"""The built-in study, which provides the defaults of all options."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

NAME = "quickstart"  # the name that --study takes
FILE = Path(__file__).with_name(f"{NAME}.toml")


def _read() -> dict[str, Any]:
    values = tomllib.loads(FILE.read_text("utf-8"))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


# By option; a missing option has a default that depends on the budget or on the dataset.
DEFAULTS = _read()
