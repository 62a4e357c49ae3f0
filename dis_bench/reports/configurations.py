"""Configurations: cells that differ only in their seed, named and sorted.

The *dial* of a model is the hyperparameter along which its cells are drawn: the one that the model names if
it varies, else beta, else the first number that varies. The other varying hyperparameters split the model
into *series*, each a path along the dial. A value that is not a number (a word, True, None) is a category and
names a series of its own, and so does a schedule, apart from its end, which is the hyperparameter's value.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dis_bench.records.sorting import sort_key

if TYPE_CHECKING:
    import pandas as pd

Hyperparameters = dict[str, Any]

SCHEDULE = " schedule"  # follows the name of the hyperparameter; no name of one has a space
_START_AND_END = re.compile(r"(\w+\([^,()]*,)[^,()]*")


def format_value(value: Any) -> str:
    """Format a setting or hyperparameter for readers: 300000 is 300,000 and 4.0 is 4."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)  # different values must not look alike
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def format_dial(name: str) -> str:
    """Return a hyperparameter's name for axes and sentences: β for ``beta``."""
    return "β" if name == "beta" else name


def is_number(value: Any) -> bool:
    """Return True if a hyperparameter is a number that can be drawn along an axis."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def canonical(value: Any) -> str:
    """Return a text that is equal only for equal values of the same kind."""
    return json.dumps(value, sort_keys=True, default=str)


def add_schedules(cell: Mapping[str, Any]) -> Hyperparameters:
    """Return a cell's hyperparameters together with its schedules.

    ``linear(0,4,0.1)`` of beta becomes ``linear(0,β,0.1)``, so that cells that differ only in the end value
    are drawn as one series.
    """
    schedules = {
        name + SCHEDULE: _START_AND_END.sub(rf"\g<1>{format_dial(name)}", text, count=1)
        for name, text in cell.get("schedules", {}).items()
    }
    return {**cell["hyperparameters"], **schedules}


def name_cells(cells: pd.DataFrame, models: list[str], chosen: list[Hyperparameters]) -> pd.DataFrame:
    """Name and sort cells.

    Args:
        cells: the store's table, whose ``dial`` is the one that a model names.
        models: a label for the model of each cell.
        chosen: the hyperparameters of each cell.

    Returns:
        The table with these columns, sorted by them, numerically where they are numbers:

        - ``model_name``: the label of the model;
        - ``series``: the model and its varying hyperparameters, without the dial;
        - ``label``: the same with the dial and beta; unique to a configuration;
        - ``row``: the same without beta, which has a column of its own in tables;
        - ``dial``: in place of the store's, the dial that is drawn; empty if there is none, or if its value
          in the cell is not a number;
        - ``level`` and ``beta``: the values of the dial and of beta; NaN if there is none.
    """
    varied = {model: _find_varied(some) for model, some in _by_model(models, chosen).items()}
    named = _find_named(cells, models)
    dials = {model: _choose_dial(some, named[model]) for model, some in _by_model(models, chosen).items()}
    names, keys = [], []
    for model, values in zip(models, chosen, strict=True):
        dial = dials[model] if is_number(values.get(dials[model])) else ""
        names.append(_name_cell(model, values, varied[model], dial))
        # ``None`` differs from a hyperparameter that a cell does not have
        others = [(n in values, sort_key(values.get(n))) for n in varied[model] if n != dial]
        keys.append((sort_key(model), not dial, others, sort_key(values.get(dial))))
    _tell_apart(names, [canonical([m, values]) for m, values in zip(models, chosen, strict=True)])
    cells = cells.assign(**{column: [name[column] for name in names] for column in names[0]})
    cells = cells.astype({"level": float, "beta": float})
    seeds = cells["seed"].tolist()
    order = sorted(range(len(cells)), key=lambda i: (*keys[i], names[i]["label"], sort_key(seeds[i])))
    return cells.iloc[order].reset_index(drop=True)


def _by_model(models: list[str], chosen: list[Hyperparameters]) -> dict[str, list[Hyperparameters]]:
    groups: dict[str, list[Hyperparameters]] = {}
    for model, values in zip(models, chosen, strict=True):
        groups.setdefault(model, []).append(values)
    return groups


def _find_varied(some: list[Hyperparameters]) -> list[str]:
    """List the hyperparameters that take more than one value, and all schedules."""
    names = dict.fromkeys(name for values in some for name in values)
    varied = {n for n in names if len({canonical(v[n]) if n in v else None for v in some}) > 1}
    return sorted(name for name in names if name in varied or name.endswith(SCHEDULE))


def _find_named(cells: pd.DataFrame, models: list[str]) -> dict[str, str]:
    """Return the dial that each model names, by label; beta for those that name none."""
    named = dict.fromkeys(models, "beta")
    given = cells["dial"] if "dial" in cells else [None] * len(models)
    return named | {model: dial for model, dial in zip(models, given, strict=True) if isinstance(dial, str)}


def _choose_dial(some: list[Hyperparameters], named: str) -> str:
    """Return the named dial if it varies, else beta, else the first varying number."""
    names = dict.fromkeys(name for values in some for name in values)
    for name in sorted(names, key=lambda name: (name != named, name != "beta")):
        if len({values[name] for values in some if is_number(values.get(name))}) > 1:
            return name
    return next((name for name in (named, "beta") if name in names), "")


def _name_cell(model: str, values: Hyperparameters, varied: list[str], dial: str) -> dict[str, Any]:
    """Return the columns of :func:`name_cells` for one cell."""
    beta = values.get("beta")
    others = [name for name in varied if name != dial and name in values]
    series = ", ".join([model, *(f"{name} = {_quote(values[name])}" for name in others)])
    level = values[dial] if dial else float("nan")
    row = f"{series}, {dial} = {format_value(level)}" if dial not in ("", "beta") else series
    # a varying beta that is not the dial is already part of the series
    with_beta = is_number(beta) and "beta" not in others
    return {
        "model_name": model,
        "series": series,
        "label": f"{row}, β = {format_value(beta)}" if with_beta else row,
        "row": row,
        "dial": dial,
        "level": level,
        "beta": beta if is_number(beta) else float("nan"),
    }


def _quote(value: Any) -> str:
    """Format a value, quoting a text that looks like another kind of value."""
    if not isinstance(value, str):
        return format_value(value)
    try:
        looks_alike = value.strip() != value or not isinstance(json.loads(value), str)
    except ValueError:
        looks_alike = value in ("", "True", "False", "None")
    return json.dumps(value, ensure_ascii=False) if looks_alike else value


def _tell_apart(names: list[dict[str, Any]], identities: list[str]) -> None:
    """Make labels unique to a configuration, so that no mean mixes two of them."""
    shared = Counter(label for label, _ in {(n["label"], i) for n, i in zip(names, identities, strict=True)})
    for name, identity in zip(names, identities, strict=True):
        if shared[name["label"]] > 1:
            for column in ("series", "label", "row"):
                name[column] += f" {identity}"
