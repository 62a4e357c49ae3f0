"""Pages of made-up stores without figures, to test what scripts do on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dis_bench.records.cell import NO_BUDGET
from dis_bench.records.columns import list_scores
from dis_bench.records.record import read_records
from dis_bench.records.table import tabulate
from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.declared import Declared
from dis_bench.reports.headline import write_headlines
from dis_bench.reports.page.render import render_page
from dis_bench.reports.published.reported import find_reported
from dis_bench.reports.published.source import read_source
from dis_bench.reports.quantities import Quantity, find_quantities
from dis_bench.reports.settings import Setting, split_settings
from dis_bench.reports.tables import in_use, summarise
from dis_bench.reports.udr import UDR
from tests.reports.made_up import write_anchors
from tests.reports.mixed import write_mixed, write_one

DIALS = {
    "betavae": ("beta", [1.0, 4.0, 16.0]),
    "factorvae": ("gamma", [1.0, 10.0, 40.0]),
    "dipvae1": ("lambda_od", [1.0, 5.0, 50.0]),
}


class Written(NamedTuple):
    """A page, and the parts that it was rendered from."""

    path: Path
    settings: list[Setting]
    tables: list[pd.DataFrame]
    quantities: list[Quantity]


def write_many(root: Path, *, models: int = 3, seeds: int = 3, **options: Any) -> Path:
    """Write models with dials, three baselines and a model without reconstructions, with anchors of MIG.

    Args:
        root: the result folder.
        models: how many models have a dial, of three values each.
        seeds: of each configuration.
        options: those of :func:`tests.reports.mixed.write_mixed`.
    """
    others = [f"model{number}" for number in range(models - len(DIALS))]
    values = {**DIALS, **{name: ("gamma", [2.0, 8.0, 30.0]) for name in others}}
    write_mixed(
        root, values=dict([*values.items()][:models]), seeds=seeds, blind=True, pictures=False, **options
    )
    for seed in range(seeds):
        for name in ("ica", "untrained"):
            write_one(root, name, {}, None, seed, NO_BUDGET, lacks=("kl", "elbo"))
    write_anchors(root, {"mig": (0.85, 0.01)})
    return root


def write_page(root: Path, path: Path, published: Sequence[str] = (), with_udr: bool = False) -> Written:
    """Write the page of a result folder without figures, with published figures of these sources.

    With UDR, all configurations have the same made-up one.
    """
    records, problems = read_records(root)
    quantities = find_quantities(tabulate(records), list_scores(records), Declared(records))
    settings = split_settings(records, gather_anchors(root, problems))
    tables = [summarise(setting, quantities) for setting in settings]
    headlines = [
        write_headlines(setting, table, in_use(table, quantities))
        for setting, table in zip(settings, tables, strict=True)
    ]
    for table in tables if with_udr else ():
        table["udr_mean"], table["udr_std"], table["udr_n"] = 0.5, float("nan"), table["n"]
    quantities += [UDR] * with_udr
    images: list[list[Any]] = [[] for _ in settings]
    sources = [read_source(name) for name in published]
    reported = [find_reported(setting, sources, quantities) for setting in settings]
    path.write_text(
        render_page(settings, tables, quantities, headlines, images, problems, records, reported),
        encoding="utf-8",
    )
    return Written(path, settings, tables, quantities)
