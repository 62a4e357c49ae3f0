"""Options that several subcommands declare in the same way."""

from __future__ import annotations

from typing import Any

SEVERAL: dict[str, Any] = {"nargs": "+", "action": "extend"}  # given twice, an option has the values of both
