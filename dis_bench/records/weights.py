"""The file weights.pt: the state_dict of a cell's trained networks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench.records.kept import read_file
from dis_bench.records.schema import Damaged, Record

if TYPE_CHECKING:
    from torch import Tensor

FILE = "weights.pt"


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write the weights of a cell, readable on machines without a GPU too."""
    import torch

    content = io.BytesIO()  # torch's own errors do not name a full disk
    torch.save({name: value.cpu() for name, value in weights.items()}, content)
    (folder / FILE).write_bytes(content.getbuffer())


def read_weights(folder: str | Path, record: Record | None = None) -> dict[str, Tensor]:
    """Read the weights of a cell, on the CPU, without unpickling anything else.

    Args:
        folder: folder of the cell.
        record: record of the cell, if it was read before.

    Raises:
        Damaged: the file, or the record with its digest, has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    import torch

    content = io.BytesIO(read_file(folder, FILE, record))
    try:
        weights: dict[str, Tensor] = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and torch each have their own errors
        raise Damaged(f"{type(error).__name__}: {' '.join(str(error).split())}") from None
    return weights
