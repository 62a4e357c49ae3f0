"""The losses of one cell through training, read from its folder."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dis_bench.records.kept import read_file
from dis_bench.records.schema import Damaged

# A figure shows no more; longer curves are averaged over equal blocks of rows.
MOST_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """One cell's training: step, reconstruction and KL in nats per image, each `[P]`."""

    step: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray


def read_curve(folder: str | Path, problems: list[str]) -> Curve | None:
    """The curve in a cell's ``training.csv``.

    Args:
        folder: of the cell.
        problems: gets a sentence where the file is missing or unusable.

    Returns:
        The curve, or None where it cannot be read.
    """
    import pandas as pd

    path = Path(folder) / "training.csv"
    try:
        content = io.BytesIO(read_file(folder, "training.csv"))
        table = pd.read_csv(content, usecols=["step", "reconstruction", "kl"], dtype=float)
        if not np.isfinite(table.to_numpy()).all():
            raise Damaged("it holds numbers that are not finite")
    except FileNotFoundError:
        problems.append(f"{path} is missing; its training curve is left out.")
        return None
    except (ValueError, OverflowError) as error:  # of which Damaged is one
        problems.append(f"{path} cannot be read ({error}); its training curve is left out.")
        return None
    if table.empty:
        problems.append(f"{path} is empty; its training curve is left out.")
        return None
    values = _thin(table[["step", "reconstruction", "kl"]].to_numpy().T)
    return Curve(*values)


def _thin(values: np.ndarray) -> np.ndarray:
    """Averages `[3, P]` over equal blocks, at most :data:`MOST_POINTS` of them."""
    block = -(-values.shape[1] // MOST_POINTS)
    whole = values.shape[1] // block * block
    return values[:, :whole].reshape(len(values), -1, block).mean(axis=2)
