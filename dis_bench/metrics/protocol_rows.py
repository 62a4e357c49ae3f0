"""How many rows a protocol reads, by the names of its parameters.

``rows`` says how many rows are read; ``train`` and ``test`` how many are learned from, and how many of the
next ones judge; the largest of ``labels`` stands for ``train``. Parameters of other names are not understood
here: a metric that reads rows by them is refused where there are too few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any


def row_blocks(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Where each block of rows of a protocol ends: ``(rows,)``, ``(train, train + test)`` or ``()``."""
    train = parameters.get("train", _most(parameters.get("labels")))
    test, rows = parameters.get("test"), parameters.get("rows")
    if isinstance(train, Integral) and isinstance(test, Integral):
        return int(train), int(train) + int(test)
    return (int(rows),) if isinstance(rows, Integral) else ()


def cut_protocol(parameters: dict[str, Any], rows: int) -> dict[str, Any]:
    """The parameters themselves where so many rows are enough; else what these rows allow.

    Training and test rows keep their proportion. Of ``labels`` those stay for which there are training rows.
    """
    ends = row_blocks(parameters)
    if not ends or ends[-1] <= rows:
        return parameters
    if len(ends) == 1:
        return {**parameters, "rows": rows}
    train = max(2, rows * ends[0] // ends[1])
    cut = {**parameters, "test": max(1, rows - train)}
    if "train" in parameters:
        return {**cut, "train": train}
    return {**cut, "labels": tuple(n for n in parameters["labels"] if n <= train) or (train,)}


def _most(labels: Any) -> int | None:
    """The largest of some whole numbers; ``None`` if it is something else."""
    if not isinstance(labels, Sequence) or not all(isinstance(n, Integral) for n in labels):
        return None
    return max(labels, default=None)
