"""How many rows a protocol reads, by the names of its parameters.

``rows`` says how many rows are read; ``train`` and ``test`` how many are learned from, and how many of the
next ones judge; the largest of ``labels`` stands for ``train``. Parameters of other names are not understood
here: a metric that reads rows by them is refused where it finds too few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from dis_bench.errors import InputError

ROW_PARAMETERS = ("rows", "train", "labels", "test")
STUDY_ROWS = 15_000  # 10,000 that train and 5,000 that test, as in Locatello et al. 2019


def row_blocks(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Where each block of rows of a protocol ends: ``(rows,)``, ``(train, train + test)`` or ``()``."""
    train = parameters.get("train", _most(parameters.get("labels")))
    test, rows = parameters.get("test"), parameters.get("rows")
    if isinstance(train, Integral) and isinstance(test, Integral):
        return int(train), int(train) + int(test)
    return (int(rows),) if isinstance(rows, Integral) else ()


def check_rows(name: str, parameters: Mapping[str, Any], rows: int, allow_small: bool = False) -> None:
    """Refuse a protocol that wants more rows than there are.

    Args:
        name: of the metric.
        parameters: its protocol.
        rows: how many there are.
        allow_small: whether the protocol is cut to them; then only so few are refused that no cut helps.

    Raises:
        InputError: it says what can be done about it.
    """
    cut = cut_protocol(dict(parameters), rows)
    ends = row_blocks(cut if allow_small else parameters)
    if not ends or ends[-1] <= rows:
        return
    if allow_small:
        raise InputError(f"{name}: at least {_count_rows(cut)} are needed, but there are {rows}.")
    changed = (key for key in ROW_PARAMETERS if cut.get(key) != parameters.get(key))
    fewer = " ".join(f"{name}.{key}={_plain(cut[key])}" for key in changed)
    raise InputError(
        f"{name}: the protocol wants {_count_rows(parameters)}, but there are {rows}: give more rows, ask "
        f"for fewer (--set {fewer}), or score what there is, marked as such (--allow-small; in Python "
        "allow_small=True)."
    )


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


def _count_rows(parameters: Mapping[str, Any]) -> str:
    """The rows that a protocol wants, in words."""
    ends = row_blocks(parameters)
    if len(ends) == 1:
        return f"{ends[0]} rows"
    learned = "training" if "train" in parameters else "labelled"
    return f"{ends[0]} {learned} and {ends[1] - ends[0]} test rows"


def _plain(value: Any) -> str:
    """A value as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _most(labels: Any) -> int | None:
    """The largest of some whole numbers; ``None`` if it is something else."""
    if not isinstance(labels, Sequence) or not all(isinstance(n, Integral) for n in labels):
        return None
    return max(labels, default=None)
