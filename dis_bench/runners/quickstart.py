"""The study that provides the defaults of all options."""

from __future__ import annotations

import tomllib
from typing import Any

from dis_bench.runners.named import ABOUT, FOLDER

NAME = "quickstart"  # the name that --study takes
FILE = FOLDER / f"{NAME}.toml"


def _read() -> dict[str, Any]:
    values = tomllib.loads(FILE.read_text("utf-8"))
    del values[ABOUT]
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


# By option; a missing option has a default that depends on the budget or on the dataset.
DEFAULTS = _read()
