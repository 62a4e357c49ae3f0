"""Names of files with the codes of a cell at steps of its training."""

from __future__ import annotations

import re
from pathlib import Path

_CODES = re.compile(r"codes\.[1-9][0-9]*\.npz")


def name_codes(step: int | str) -> str:
    """Return the name of the file of codes in a finished cell: ``codes.1000.npz``."""
    return f"codes.{step}.npz"


def name_unfinished_codes(step: int) -> str:
    """Return the name of the file during training, when it belongs to the checkpoint."""
    return f"checkpoint-{name_codes(step)}"


def list_codes(folder: Path) -> list[str]:
    """List the names of such files in the folder of a cell, in no order."""
    return [path.name for path in folder.iterdir() if is_codes(path.name)]


def is_codes(name: str) -> bool:
    """Check whether a file holds codes at a step of the training."""
    return _CODES.fullmatch(name) is not None
