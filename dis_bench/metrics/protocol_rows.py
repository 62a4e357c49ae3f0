"""How many rows a protocol reads, by the names of its parameters.

``rows`` says how many rows are read; ``train`` and ``test`` how many are learned from, and how many of the
next ones judge; the largest of ``labels`` stands for ``train``. Parameters of other names are not understood
here: a metric that reads rows by them is refused where it finds too few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from dis_bench.errors import InputError, MetricParameters, Option

ROW_PARAMETERS = ("rows", "train", "labels", "test")
NAMED = 4  # metrics in a sentence about several
STUDY_ROWS = 15_000  # 10,000 that train and 5,000 that test, as in Locatello et al. 2019


def row_blocks(parameters: Mapping[str, Any]) -> tuple[int, ...]:
    """Where each block of rows of a protocol ends: ``(rows,)``, ``(train, train + test)`` or ``()``."""
    train = parameters.get("train", _most(parameters.get("labels")))
    test, rows = parameters.get("test"), parameters.get("rows")
    if isinstance(train, Integral) and isinstance(test, Integral):
        return int(train), int(train) + int(test)
    return (int(rows),) if isinstance(rows, Integral) else ()


def check_rows(
    protocols: Mapping[str, Mapping[str, Any]],
    rows: int,
    allow_small: bool = False,
    whose: str = "",
) -> None:
    """Refuse protocols that want more rows than there are.

    Args:
        protocols: parameters by metric.
        rows: how many there are.
        allow_small: whether protocols are cut to the rows; then only so few are refused that no cut helps.
        whose: what the rows are of, where the reader cannot give more: ``dataset 'mine'``.

    Raises:
        InputError: it says what can be done about it.
    """
    cuts = {name: cut_protocol(dict(parameters), rows) for name, parameters in protocols.items()}
    wanting = [
        name
        for name, parameters in protocols.items()
        if (ends := row_blocks(cuts[name] if allow_small else parameters)) and ends[-1] > rows
    ]
    if not wanting:
        return
    if allow_small:
        needs = ", ".join(
            f"{name}: at least {_count_rows(cuts[name])} are needed" for name in wanting[:NAMED]
        )
        raise InputError(f"{needs}, but {f'{whose} has' if whose else 'there are'} {rows}.")
    more = "" if whose else "give more rows, "
    raise InputError(
        f"{_describe_wants(protocols, wanting, rows, whose)}: {more}ask for fewer (",
        MetricParameters({name: _changed(protocols[name], cuts[name]) for name in wanting[:NAMED]}),
        " and so on" if len(wanting) > NAMED else "",
        "), or score what there is, marked as such (",
        Option("allow_small"),
        ").",
    )


def _describe_wants(
    protocols: Mapping[str, Mapping[str, Any]], wanting: Sequence[str], rows: int, whose: str
) -> str:
    if len(wanting) == 1:
        wants = f"{wanting[0]}: the protocol wants {_count_rows(protocols[wanting[0]])}"
        return f"{wants}, but {f'{whose} has' if whose else 'there are'} {rows}"
    wants = "; ".join(f"{name}: {_count_rows(protocols[name])}" for name in wanting[:NAMED])
    more = f"; and {len(wanting) - NAMED} more" if len(wanting) > NAMED else ""
    return f"{whose or 'the table'} has {rows} rows, fewer than the protocols want ({wants}{more})"


def _changed(parameters: Mapping[str, Any], cut: Mapping[str, Any]) -> dict[str, Any]:
    return {key: cut[key] for key in ROW_PARAMETERS if cut.get(key) != parameters.get(key)}


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


def _most(labels: Any) -> int | None:
    """The largest of some whole numbers; ``None`` if it is something else."""
    if not isinstance(labels, Sequence) or not all(isinstance(n, Integral) for n in labels):
        return None
    return max(labels, default=None)
