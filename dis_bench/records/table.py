"""The tidy table of a result folder: one row per cell, in typed columns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.neutral import neutral
from dis_bench.records.cell import plain_name
from dis_bench.records.columns import (
    DERIVED,
    FIXED,
    KL_PER_LATENT,
    MEASURES,
    SETTINGS,
    TIMES,
    describe_schedules,
    find_dial,
    is_measure,
    list_scores,
    own_column,
    split_images,
)
from dis_bench.records.record import read_records
from dis_bench.records.schema import Record
from dis_bench.records.sorting import SortKey, sort_key

if TYPE_CHECKING:
    import pandas as pd


# The columns that identify a cell for a reader; notebooks show the first ones of a wide table.
FIRST = ("dataset", "model", "dial", "dial_value", "seed", "status")


@neutral()
def read_results(path: str | Path) -> pd.DataFrame:
    """Read the results under a folder as a tidy table: a row per cell.

    Args:
        path: the ``--out`` folder of one or more runs.

    Returns:
        A table that begins with dataset, model, dial, seed and scores, followed by all other settings and
        measurements (reconstruction and KL in nats per image); docs/results.md describes each column. Invalid
        records are left out, with a warning that names them; another warning names the metrics that scored
        cells by different protocols. ``attrs["small"]`` lists the scores some of which were computed from
        fewer rows than their protocol needs.

    Raises:
        InputError: there is no such folder, or it holds no readable results.
    """
    import warnings

    records, problems = read_records(path)
    if not records:
        raise InputError(f"the folder '{path}' holds no readable results: {problems[0]}")
    for problem in [*problems, *_list_mixed(records)]:
        warnings.warn(problem, stacklevel=3)  # past the decorator, to the caller
    return tabulate(records)


def _list_mixed(records: list[Record]) -> Iterator[str]:
    """Yield a sentence for each metric that scored cells by several protocols."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        for metric, used in record["protocol"].items():
            found[record["cell"]["dataset"], metric].add(json.dumps(used, sort_keys=True))
    for (dataset, metric), protocols in found.items():
        if len(protocols) > 1:
            yield (
                f"the scores of {metric} on {dataset} come from {len(protocols)} protocols, which a mean "
                "would mix; `dis-bench report` separates them."
            )


def tabulate(records: list[Record]) -> pd.DataFrame:
    """Build the table of :func:`read_results` from records that were already read."""
    import pandas as pd

    shared = _find_shared(records)
    rows = [_make_row(record, shared) for record in sorted(records, key=_order_rows(records))]
    found = dict.fromkeys(name for row in rows for name in row)
    table = pd.DataFrame(rows, columns=_order_columns(found, list_scores(records)))
    table.attrs["small"] = sorted({score for record in records for score in record.get("small", [])})
    return table


def _make_row(record: Record, shared: set[str]) -> dict[str, Any]:
    """Return the values that a cell has, by column.

    Args:
        record: record of the cell.
        shared: hyperparameters that get a column for each model.
    """
    cell, evaluation, failure = record["cell"], record["evaluation"], record["failure"]
    chosen, dial = cell["hyperparameters"], find_dial(record)
    return {
        **{name: record[name] for name in ("hash", "folder", "status")},
        **({} if "kind" in cell else {"holdout": 0.0}),  # unless the cell has another
        **{name: cell[name] for name in SETTINGS if name in cell},
        **{own_column(cell, name): value for name, value in chosen.items() if name in shared},
        **chosen,
        "schedules": describe_schedules(cell),
        "beta_norm": record["beta_norm"],
        "dial": dial,
        "dial_value": None if dial is None else chosen[dial],
        **{name: value for name, value in evaluation.items() if name != KL_PER_LATENT},
        **{f"kl_{latent}": value for latent, value in enumerate(evaluation.get(KL_PER_LATENT, []))},
        **record["scores"],
        **record["timing"],
        "failure": failure["reason"] if failure else "",
    }


def _find_shared(records: list[Record]) -> set[str]:
    """Return the hyperparameters that several models have, each with its own meaning."""
    models: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name in record["cell"]["hyperparameters"]:
            models[name].add(plain_name(record["cell"]["model"]))
    return {name for name, some in models.items() if len(some) > 1}


def _order_columns(found: Iterable[str], scores: list[str]) -> list[str]:
    """Order columns: first those that tell cells apart, scores, then all else by kind.

    The settings are in every table.
    """
    known = {*FIXED, *scores}
    measures = [name for name in found if name not in known and is_measure(name)]
    hyperparameters = [name for name in found if name not in known and not is_measure(name)]
    ordered = [
        *FIRST,
        *scores,
        *SETTINGS,
        *sorted(hyperparameters, key=lambda name: "." in name),
        *DERIVED,
        *MEASURES,
        *sorted(measures, key=lambda name: (split_images(name)[1], sort_key(name))),
        *TIMES,
        *("failure", "hash", "folder"),
    ]
    there = {*found, *SETTINGS}
    return [name for name in dict.fromkeys(ordered) if name in there]


def _order_rows(records: list[Record]) -> Callable[[Record], list[SortKey]]:
    """Return a sort key: dataset, source, model, hyperparameters, seed."""
    names = sorted({name for record in records for name in record["cell"]["hyperparameters"]})

    def key(record: Record) -> list[SortKey]:
        # in Python, as pandas cannot sort a column of texts and numbers
        cell = record["cell"]
        first = [cell["dataset"], cell["source"], cell["model"]]
        return [sort_key(v) for v in (*first, *map(cell["hyperparameters"].get, names), cell["seed"])]

    return key
