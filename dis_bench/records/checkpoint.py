"""The format of checkpoints, from which the training of an unfinished cell is resumed."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

from dis_bench.records.durable import replace_file

NAME = "checkpoint.pt"
FORMAT = 1  # raised whenever the content of a state changes


def write_checkpoint(folder: Path, cell_hash: str, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain values atomically, replacing the last one.

    Raises:
        OSError: it cannot be written; if its folder is missing, another process has the cell.
    """
    import torch

    content = io.BytesIO()
    torch.save({"format": FORMAT, "hash": cell_hash, "state": state}, content)
    replace_file(folder / NAME, content.getvalue())


def read_checkpoint(folder: Path, cell_hash: str) -> dict[str, Any] | None:
    """Read the state to resume a cell from, or None if there is no valid one."""
    import torch

    if not is_whole(folder / NAME):
        return None
    try:
        kept = torch.load(folder / NAME, map_location="cpu", weights_only=True)
        state: dict[str, Any] = kept["state"]
        return state if (kept["format"], kept["hash"]) == (FORMAT, cell_hash) else None
    except Exception:  # whatever is wrong with it, the cell can be trained from the beginning
        return None


def is_whole(path: Path) -> bool:
    """Return True if all parts of an archive (.pt, .npz) have their checksums.

    torch does not compare them: it would load weights with a changed bit, and train on.
    """
    try:
        if not path.is_file():  # a pipe would never end
            return False
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # a changed length ends in an EOFError, a compression in its own
        return False


def discard_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a cell, to train it from the beginning."""
    (folder / NAME).unlink(missing_ok=True)


def set_checkpoint_aside(folder: Path, unowned: Path) -> None:
    """Move a checkpoint and its codes to where the cell's next owner looks for it.

    Args:
        folder: folder of the claim.
        unowned: folder of the cell when nobody has claimed it.
    """
    if (folder / NAME).exists():
        unowned.mkdir(exist_ok=True)
        # The checkpoint last, so that nobody finds it without the files that belong to it.
        for path in sorted(folder.glob("checkpoint*"), key=lambda path: path.name == NAME):
            os.replace(path, unowned / path.name)
