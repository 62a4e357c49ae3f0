"""Which cells may be compared: those that differ in model, hyperparameters and seed, and in nothing else.

Such a group of cells is a *setting*. Another dataset, source, network, budget or metric protocol makes
another setting, so that a mean, a curve or an ordering never mixes them.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dis_bench.metrics.anchors import Anchor
from dis_bench.reports.anchors import match_anchors

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

# What the cells of a setting share, as far as the store's table tells; a record tells more.
SHARED = (
    "dataset",
    "source",
    "fingerprint",
    "network",
    "likelihood",
    "latent_size",
    "steps",
    "batch_size",
    "lr",
)

# What may differ inside a setting.
_VARIED = ("model", "model_version", "hyperparameters", "seed")

# The table has settings first; what was measured begins with one of these.
_MEASURED = ("reconstruction", "train_seconds", "failure")


@dataclass(frozen=True)
class Setting:
    """Cells that may be compared.

    Attributes:
        title: what tells it from the other settings, for people.
        slug: the same for file names; unique.
        cell: what its cells share.
        protocol: of each metric, as recorded.
        cells: one row per cell, with the store's columns and ``series`` (the model, and those of its
            hyperparameters that vary, without beta), ``label`` (the same with beta) and a numeric ``beta``.
        anchors: by score, what a perfect code and noise get on the same images by the same protocol; only
            where that is known.
    """

    title: str
    slug: str
    cell: dict[str, Any]
    protocol: dict[str, dict[str, Any]]
    cells: pd.DataFrame
    anchors: dict[str, Anchor] = field(default_factory=dict)

    @property
    def done(self) -> pd.DataFrame:
        """The cells that finished."""
        return self.cells[self.cells["status"] == "done"]


def split_settings(records: list[Record], anchors: list[dict[str, Any]] | None = None) -> list[Setting]:
    """Sort cells into settings, by dataset, source and steps.

    Args:
        records: as the store gives them.
        anchors: as :func:`dis_bench.reports.anchors.gather_anchors` gives them.
    """
    records = list({record["hash"]: record for record in records}.values())
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[_canonical(_shared(record))].append(record)
    parts = [part for group in groups.values() for part in _split_protocols(group)]
    parts.sort(key=lambda part: _order(part[0]))
    titles = _titles(parts)
    slugs = _unique([_slug(part[0]["cell"]) for part in parts])
    names = _model_names(records)
    settings = []
    for title, slug, part in zip(titles, slugs, parts, strict=True):
        cell, protocol = _shared(part[0]), _protocol(part)
        found = match_anchors(anchors or [], cell, protocol)
        settings.append(Setting(title, slug, cell, protocol, _tabulate(part, names), found))
    return settings


def split_table(table: pd.DataFrame) -> list[Setting]:
    """The settings of the store's tidy table, where records are not at hand: protocols are not compared."""
    first = min(table.columns.get_loc(name) for name in _MEASURED if name in table)
    known = {"hash", "folder", "status", "model", "seed", "beta_norm", *SHARED}
    hyperparameters = [name for name in table.columns[:first] if name not in known]
    settings = []
    for values, cells in table.groupby(list(SHARED)):
        cell = dict(zip(SHARED, values, strict=True))
        named = _name_cells(cells, cells["model"].map(plain_name), hyperparameters)
        settings.append(Setting(_title(cell), _slug(cell), cell, {}, named))
    return settings


def plain_name(name: str) -> str:
    """``MyVAE`` of ``path/file.py:MyVAE``: a path makes no readable label."""
    return name.rpartition(":")[2]


def format_value(value: Any) -> str:
    """A setting or hyperparameter for people: 300000 is 300,000 and 4.0 is 4."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)  # two values must not read alike
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _shared(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record["cell"].items() if name not in _VARIED}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _comparable_protocol(record: Record, metric: str) -> str | None:
    """The parameters that decide a metric's value; None where it was not computed."""
    protocol = record.get("protocol", {}).get(metric)
    if protocol is None:
        return None
    return _canonical({name: value for name, value in protocol.items() if name != "seed"})


def _split_protocols(records: list[Record]) -> list[list[Record]]:
    """Keep apart cells that scored the same metric in different ways.

    A cell that lacks a metric (it failed, or was scored before the metric was asked for) contradicts
    nobody and goes with the most common protocol.
    """
    parts: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    metrics = sorted({metric for record in records for metric in record.get("protocol", {})})
    usual = {}
    for metric in metrics:
        seen = Counter(p for r in records if (p := _comparable_protocol(r, metric)) is not None)
        usual[metric] = seen.most_common(1)[0][0]
    for record in records:
        parts[tuple(_comparable_protocol(record, m) or usual[m] for m in metrics)].append(record)
    return list(parts.values())


def _protocol(records: list[Record]) -> dict[str, dict[str, Any]]:
    return {metric: protocol for record in records for metric, protocol in record.get("protocol", {}).items()}


def _order(record: Record) -> tuple[str, str, int]:
    cell = record["cell"]
    return plain_name(cell["dataset"]), cell["source"], cell["steps"]


def _titles(parts: list[list[Record]]) -> list[str]:
    """Dataset, source and steps always; anything else only where two settings would read alike."""
    cells = [_shared(part[0]) for part in parts]
    heads = [_title(cell) for cell in cells]
    protocols = [_protocol(part) for part in parts]
    titles = []
    for head, cell, protocol in zip(heads, cells, protocols, strict=True):
        alike = [i for i, other in enumerate(heads) if other == head]
        details = [
            f"{name.replace('_', ' ')} {format_value(value)}"
            for name, value in cell.items()
            if any(cells[i].get(name) != value for i in alike)
        ]
        details += [
            f"{metric} {name} {format_value(value)}"
            for metric, parameters in protocol.items()
            for name, value in parameters.items()
            if any(protocols[i].get(metric, parameters).get(name) != value for i in alike) and name != "seed"
        ]
        titles.append(", ".join([head, *details]))
    return titles


def _title(cell: dict[str, Any]) -> str:
    return f"{plain_name(cell['dataset'])} ({cell['source']}), {cell['steps']:,} steps"


LONGEST_SLUG = 80  # characters: a file's name may have 143 bytes on some disks, and more is put around this


def _slug(cell: dict[str, Any]) -> str:
    text = f"{plain_name(cell['dataset'])}-{cell['source']}-{cell['steps']}steps".lower()
    plain = "".join(character if character.isalnum() and character.isascii() else "-" for character in text)
    return plain[:LONGEST_SLUG]


def _unique(slugs: list[str]) -> list[str]:
    """Number slugs that are taken already, also by the number of another."""
    unique: list[str] = []
    for slug in slugs:
        names = itertools.chain([slug], (f"{slug}-{number}" for number in itertools.count(2)))
        unique.append(next(name for name in names if name not in unique))
    return unique


def _model_names(records: list[Record]) -> dict[tuple[str, str], str]:
    """A label for each (model, version): short, and longer only where two would read alike."""
    versions = sorted({(r["cell"]["model"], str(r["cell"].get("model_version", ""))) for r in records})
    plain = Counter(plain_name(model) for model in {model for model, _ in versions})
    models = Counter(model for model, _ in versions)
    names = {}
    for model, version in versions:
        name = plain_name(model) if plain[plain_name(model)] == 1 else model
        names[model, version] = f"{name} [{version}]" if models[model] > 1 else name
    return names


def _tabulate(records: list[Record], names: dict[tuple[str, str], str]) -> pd.DataFrame:
    from dis_bench.runners.store import tabulate

    cells = tabulate(records)
    models = {r["hash"]: names[r["cell"]["model"], str(r["cell"].get("model_version", ""))] for r in records}
    hyperparameters = {name for record in records for name in record["cell"]["hyperparameters"]}
    return _name_cells(cells, cells["hash"].map(models), sorted(hyperparameters))


def _name_cells(cells: pd.DataFrame, models: pd.Series, hyperparameters: list[str]) -> pd.DataFrame:
    """The store's table with ``series``, ``label`` and a numeric ``beta`` for each cell, in their order."""
    import pandas as pd

    beta = pd.to_numeric(cells["beta"], errors="coerce") if "beta" in cells else float("nan")
    series = models.astype(str)
    for name in hyperparameters:
        varied = cells.groupby(models)[name].transform("nunique") > 1
        if name != "beta" and varied.any():
            given = varied & cells[name].notna()
            texts = cells.loc[given, name].map(lambda value, name=name: f", {name} = {format_value(value)}")
            series[given] = series[given] + texts
    cells = cells.assign(beta=beta, series=series).astype({"beta": float})
    cells["label"] = [
        name if math.isnan(beta) else f"{name}, β = {format_value(beta)}"
        for name, beta in zip(cells["series"], cells["beta"], strict=True)
    ]
    return cells.sort_values(["series", "beta", "seed"], ignore_index=True)
