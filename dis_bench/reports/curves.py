"""The losses of one cell during training, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dis_bench.records.curves import FILE, read_curves, read_heldout
from dis_bench.records.schema import Damaged

# A figure shows no more; longer curves are averaged over equal blocks of rows.
MOST_POINTS = 200


@dataclass(frozen=True)
class Heldout:
    """Held-out images through training: step, reconstruction and KL in nats, each `[P]`."""

    step: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray


@dataclass(frozen=True)
class Curve:
    """One cell's training: step, reconstruction and KL in nats per image, each `[P]`.

    Attributes:
        step, reconstruction, kl: of training batches.
        heldout: of images that were kept out of training; None where none were.
    """

    step: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray
    heldout: Heldout | None = None


def read_curve(folder: str | Path, problems: list[str]) -> Curve | None:
    """Read the training curve of a cell.

    Args:
        folder: folder of the cell.
        problems: list that a sentence is appended to if the file is missing or unusable.

    Returns:
        The curve, or None if it cannot be read.
    """
    path = Path(folder) / FILE
    try:
        columns = read_curves(folder, ("reconstruction", "kl"))
        heldout = read_heldout(folder, ("heldout_reconstruction", "heldout_kl"))
    except FileNotFoundError:
        problems.append(f"{path} is missing; its training curve is left out.")
        return None
    except Damaged as error:
        problems.append(f"{path} cannot be read ({error}); its training curve is left out.")
        return None
    if not len(columns["step"]):
        problems.append(f"{path} is empty; its training curve is left out.")
        return None
    values = _thin(np.stack([columns[name] for name in ("step", "reconstruction", "kl")]))
    return Curve(values[0], values[1], values[2], None if heldout is None else Heldout(*heldout.values()))


def _thin(values: np.ndarray) -> np.ndarray:
    """Average `[3, P]` over equal blocks, at most :data:`MOST_POINTS` of them."""
    block = -(-values.shape[1] // MOST_POINTS)
    whole = values.shape[1] // block * block
    return values[:, :whole].reshape(len(values), -1, block).mean(axis=2)
