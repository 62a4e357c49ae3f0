"""Names of files with further codes of a cell: at steps, or of other images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The images scored in addition to the study's sample, and the setting of a cell that asks for each.
SCORED_IMAGES = {"heldout": "holdout_rule", "correlated": "correlate"}

_CODES = re.compile(rf"codes\.([1-9][0-9]*|{'|'.join(SCORED_IMAGES)})\.npz")


def name_codes(of: int | str) -> str:
    """Return the name of a file of codes in a finished cell: ``codes.1000.npz``.

    Args:
        of: a step of the training, or a key of :data:`SCORED_IMAGES`.
    """
    return f"codes.{of}.npz"


def list_other_images(cell: Mapping[str, Any]) -> list[str]:
    """List the other images on which a cell is scored, by its identity."""
    return [images for images, setting in SCORED_IMAGES.items() if cell.get(setting)]


def name_unfinished_codes(step: int) -> str:
    """Return the name of the file during training, when it belongs to the checkpoint."""
    return f"checkpoint-{name_codes(step)}"


def list_code_files(folder: Path) -> list[str]:
    """List the names of such files in the folder of a cell, in no order."""
    return [path.name for path in folder.iterdir() if is_codes(path.name)]


def is_codes(name: str) -> bool:
    """Check whether a file holds further codes of a cell."""
    return _CODES.fullmatch(name) is not None
