"""Configurations: cells that differ only by their seed, with names for people and an order.

The *dial* of a model is the hyperparameter that its cells are drawn along: beta where it varies, else the
first number that varies. What else varies splits the model into *series*, each a path along the dial. A value
that is no number (a word, True, None) is a category: it names a series of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from dis_bench.records.sorting import sort_key

if TYPE_CHECKING:
    import pandas as pd

Hyperparameters = dict[str, Any]


def format_value(value: Any) -> str:
    """A setting or hyperparameter for people: 300000 is 300,000 and 4.0 is 4."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)  # two values must not read alike
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def format_dial(name: str) -> str:
    """Return how a hyperparameter is written on axes and in sentences: β for ``beta``."""
    return "β" if name == "beta" else name


def is_number(value: Any) -> bool:
    """Return whether a hyperparameter is a number that can be drawn along an axis."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def canonical(value: Any) -> str:
    """Return a text that is equal only for equal values of the same kind."""
    return json.dumps(value, sort_keys=True, default=str)


def name_cells(cells: pd.DataFrame, models: list[str], chosen: list[Hyperparameters]) -> pd.DataFrame:
    """Name and sort cells.

    Args:
        cells: the store's table.
        models: a label for the model of each cell.
        chosen: the hyperparameters of each cell.

    Returns:
        The table with these columns, ordered by them as numbers where they are numbers:

        - ``model_name``: the label of the model;
        - ``series``: the model, and those of its hyperparameters that vary, without the dial;
        - ``label``: the same with the dial, and with beta; unique to a configuration;
        - ``row``: the same without beta, which tables have in a column of its own;
        - ``dial``: the model's dial; empty where it has none, and in cells whose value is no number;
        - ``level``: the dial as a number, and ``beta`` the same for beta; NaN where there is none.
    """
    varied = {model: _find_varied(some) for model, some in _by_model(models, chosen).items()}
    dials = {model: _choose_dial(some) for model, some in _by_model(models, chosen).items()}
    names, keys = [], []
    for model, values in zip(models, chosen, strict=True):
        dial = dials[model] if is_number(values.get(dials[model])) else ""
        names.append(_name_cell(model, values, varied[model], dial))
        # ``None`` stands apart from a hyperparameter that a cell does not have
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
    """List the hyperparameters that take more than one value, by name."""
    names = dict.fromkeys(name for values in some for name in values)
    return sorted(n for n in names if len({canonical(v[n]) if n in v else None for v in some}) > 1)


def _choose_dial(some: list[Hyperparameters]) -> str:
    """Return beta where it varies, else the first number that varies, else beta if there is one."""
    names = dict.fromkeys(name for values in some for name in values)
    for name in sorted(names, key=lambda name: name != "beta"):
        if len({values[name] for values in some if is_number(values.get(name))}) > 1:
            return name
    return "beta" if "beta" in names else ""


def _name_cell(model: str, values: Hyperparameters, varied: list[str], dial: str) -> dict[str, Any]:
    """Return the columns of :func:`name_cells` for one cell."""
    beta = values.get("beta")
    others = [name for name in varied if name != dial and name in values]
    series = ", ".join([model, *(f"{name} = {_quote(values[name])}" for name in others)])
    level = values[dial] if dial else float("nan")
    row = f"{series}, {dial} = {format_value(level)}" if dial not in ("", "beta") else series
    # a beta that is no dial is part of the series already, if it varies
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
    """Format a value, with quotes around a text that reads like another kind of value."""
    if not isinstance(value, str):
        return format_value(value)
    try:
        looks_alike = value.strip() != value or not isinstance(json.loads(value), str)
    except ValueError:
        looks_alike = value in ("", "True", "False", "None")
    return json.dumps(value, ensure_ascii=False) if looks_alike else value


def _tell_apart(names: list[dict[str, Any]], identities: list[str]) -> None:
    """Add what differs to labels that two configurations share, so that no mean mixes them."""
    shared = Counter(label for label, _ in {(n["label"], i) for n, i in zip(names, identities, strict=True)})
    for name, identity in zip(names, identities, strict=True):
        if shared[name["label"]] > 1:
            for column in ("series", "label", "row"):
                name[column] += f" {identity}"
