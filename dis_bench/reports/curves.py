"""The measures of one cell during training, read from its folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dis_bench.records.columns import join_images
from dis_bench.records.curves import FILE, STEP, read_log
from dis_bench.records.schema import Damaged, Record
from dis_bench.reports.problems import EMPTY, MISSING, FileProblem, unreadable

# A figure of curves has at most this many panels.
MOST_MEASURES = 6
# Every VAE has these; its loss follows from the others, so curves that have no more show two panels.
_USUAL = ("reconstruction", "kl")
_USUAL_AND_LOSSES = {*_USUAL, "loss", "weighted_kl"}
_LOSSES = ("its training curve is left out", "their training curves are left out")


@dataclass(frozen=True)
class Heldout:
    """Held-out images through training: step, reconstruction and KL in nats, each `[P]`."""

    step: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray


@dataclass(frozen=True)
class Curve:
    """One cell's training.

    Attributes:
        step: the last step of each row `[P]`.
        measures: losses and what else the model measured on training batches `[P]`, by name:
            ``reconstruction`` and ``kl`` in nats per image.
        heldout: of images that were kept out of training; None where none were.
    """

    step: np.ndarray
    measures: dict[str, np.ndarray]
    heldout: Heldout | None = None


def read_curve(folder: str | Path, problems: list[str], record: Record | None = None) -> Curve | None:
    """Read the training curve of a cell.

    Args:
        folder: folder of the cell.
        problems: list that a sentence is appended to if the file is missing or unusable.
        record: record of the cell, if it was read before.

    Returns:
        The curve, or None if it cannot be read.
    """
    path = Path(folder) / FILE
    try:
        log = read_log(folder, record)
        columns = log.measure()
        heldout = log.measure_heldout([join_images(name, "heldout") for name in ("reconstruction", "kl")])
    except FileNotFoundError:
        problems.append(FileProblem(path, MISSING, _LOSSES))
        return None
    except Damaged as error:
        problems.append(FileProblem(path, unreadable(error), _LOSSES))
        return None
    if not len(columns[STEP]):
        problems.append(FileProblem(path, EMPTY, _LOSSES))
        return None
    kept_out = None if heldout is None else Heldout(*heldout.values())
    return Curve(columns.pop(STEP), columns, kept_out)


def list_measures(curves: Iterable[Curve]) -> list[str]:
    """List the measures in a figure of curves: reconstruction, KL, then all others.

    The loss of a VAE is shown only together with measures of other models.
    """
    found = dict.fromkeys(name for curve in curves for name in curve.measures)
    usual = [name for name in _USUAL if name in found]
    others = [name for name in found if name not in (*_USUAL, "weighted_kl")]
    if usual and found.keys() <= _USUAL_AND_LOSSES:
        return usual
    return [*usual, *others][:MOST_MEASURES]


def describe_measure(name: str) -> str:
    """Return a measure in words: ``loss of critic`` for ``loss_critic``."""
    player = name.removeprefix("loss_")
    return "KL" if name == "kl" else f"loss of {player}" if player != name else name.replace("_", " ")
