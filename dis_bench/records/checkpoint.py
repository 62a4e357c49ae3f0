"""The format of a checkpoint: the state from which a cell's training goes on, in its unfinished folder."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from dis_bench.records.durable import remove_file, write_new
from dis_bench.records.processes import make_stamp

NAME = "checkpoint.pt"
FORMAT = 1  # raised whenever a state holds something else


def write_checkpoint(folder: Path, cell_hash: str, state: dict[str, Any]) -> None:
    """Write a state, tensors and plain values, whole or not at all; the last one is replaced.

    Raises:
        OSError: it cannot be written; without its folder, another process has the cell.
    """
    import torch

    content = io.BytesIO()
    torch.save({"format": FORMAT, "hash": cell_hash, "state": state}, content)
    half = folder / f".{NAME}.{make_stamp()}"
    try:
        write_new(half, content.getvalue())
        os.replace(half, folder / NAME)
    except BaseException:
        remove_file(half)
        raise


def read_checkpoint(folder: Path, cell_hash: str) -> dict[str, Any] | None:
    """Read the state from which a cell goes on; None where there is none of this cell that can be read."""
    import torch

    try:
        kept = torch.load(folder / NAME, map_location="cpu", weights_only=True)
        state: dict[str, Any] = kept["state"]
        return state if (kept["format"], kept["hash"]) == (FORMAT, cell_hash) else None
    except Exception:  # whatever is wrong with it, the cell is trained from the beginning
        return None


def discard_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a cell that is to be trained from the beginning."""
    (folder / NAME).unlink(missing_ok=True)


def set_checkpoint_aside(folder: Path, unowned: Path) -> None:
    """Leave a checkpoint, and what goes with it, to the next owner of a cell.

    Args:
        folder: of the claim.
        unowned: the folder of the cell when nobody has it.
    """
    if (folder / NAME).exists():
        unowned.mkdir(exist_ok=True)
        # The checkpoint last: without what goes with it, nobody is to find it.
        for path in sorted(folder.glob("checkpoint*"), key=lambda path: path.name == NAME):
            os.replace(path, unowned / path.name)
