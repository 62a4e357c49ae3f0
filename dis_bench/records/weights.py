"""The file weights.safetensors: the tensors of a cell's trained networks.

The format holds names, shapes and numbers, so that reading it runs no code and unpickles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench.records.kept import read_file, read_record_of
from dis_bench.records.schema import EARLIER_WEIGHTS, Damaged, Record

if TYPE_CHECKING:
    from torch import Tensor

FILE = "weights.safetensors"
SAFE_TORCH = (2, 11)  # crafted pickles get past the restricted unpickler of earlier versions


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write the weights of a cell, readable on machines without a GPU too."""
    (folder / FILE).write_bytes(pack_weights(weights))


def pack_weights(weights: Mapping[str, Tensor]) -> bytes:
    """Return tensors by name as the content of a safetensors file."""
    import torch
    from safetensors.torch import save

    # the format refuses views, shared memory and other layouts
    dense = torch.contiguous_format
    plain = {name: value.cpu().clone(memory_format=dense) for name, value in weights.items()}
    content: bytes = save(plain)
    return content


def unpack_weights(content: bytes) -> dict[str, Tensor]:
    """Return the tensors in the content of a safetensors file, on the CPU.

    Raises:
        Damaged: the content does not follow the format.
    """
    from safetensors.torch import load

    try:
        weights: dict[str, Tensor] = load(content)
    except Exception as error:  # the library has several errors of its own
        raise Damaged(f"{type(error).__name__}: {' '.join(str(error).split())}") from None
    return weights


def read_weights(folder: str | Path, record: Record | None = None) -> dict[str, Tensor]:
    """Read the weights of a cell, on the CPU.

    Those of an earlier version are read too, without unpickling anything but tensors.

    Args:
        folder: folder of the cell.
        record: record of the cell, if it was read before.

    Raises:
        Damaged: the file, or the record with its digest, has changed since it was written, or this version of
            torch cannot read it safely.
        FileNotFoundError: there is no such file.
    """
    name = find_weights(folder)
    record = record or read_record_of(folder, name)
    if name == FILE:
        return unpack_weights(read_file(folder, FILE, record))
    return _unpickle(read_file(folder, EARLIER_WEIGHTS, record))


def find_weights(folder: str | Path) -> str:
    """Return the name of the file with a cell's weights; the present one without any."""
    is_earlier = (Path(folder) / EARLIER_WEIGHTS).exists() and not (Path(folder) / FILE).exists()
    return EARLIER_WEIGHTS if is_earlier else FILE


def _unpickle(content: bytes) -> dict[str, Tensor]:
    """Read tensors from a pickle of an earlier version, which may hold nothing else."""
    import io

    import torch

    if tuple(map(int, torch.__version__.split(".")[:2])) < SAFE_TORCH:
        needed = ".".join(map(str, SAFE_TORCH))
        raise Damaged(
            f"an earlier version wrote it, and torch {torch.__version__} cannot read it safely; install "
            f"torch {needed}, or train the cell again with rerun 'always'"
        )
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and torch each have their own errors
        raise Damaged(f"{type(error).__name__}: {' '.join(str(error).split())}") from None
    values = weights.values() if isinstance(weights, dict) else [weights]
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in values):
        raise Damaged("it holds something other than tensors by name")
    return weights
