"""Choose the metrics of `dis-bench score`, if none are named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dis_bench.datasets.dataset import Dataset
from dis_bench.errors import InputError
from dis_bench.metrics import find_metrics
from dis_bench.paths import check_path
from dis_bench.records.record import find_cells, read_records
from dis_bench.records.schema import Record
from dis_bench.runners.planning.options import check_alone
from dis_bench.runners.scoring.scores import list_unscorable

ALL = "all"  # stands for all built-in metrics


def choose_metrics(given: Iterable[str] | None, out: str | Path | None = None) -> list[str]:
    """Choose the named metrics, those of a result folder, or the fast ones.

    Args:
        given: names; ``all`` alone stands for all built-in ones. None names none.
        out: the result folder, which may not exist yet; None without one.

    Raises:
        InputError: it cannot be a folder, or ``all`` does not stand alone.
    """
    installed = find_metrics(given=["log_variances"])
    if given is not None:
        named = list(given)
        check_alone("metrics", ALL, named)
        return list(installed) if named == [ALL] else named
    records: list[Record] = []
    if out is not None and find_cells(check_path("the result folder", out)):
        records, _ = read_records(out)
    names = [name for name in installed if any(name in record["protocol"] for record in records)]
    return names or [name for name, metric in installed.items() if not metric.slow]


def keep_scorable(dataset: Dataset, chosen: Mapping[str, str], named: Sequence[str] | None) -> dict[str, str]:
    """Return the metrics that can score codes of a dataset, which may have no factors.

    Args:
        dataset: the dataset.
        chosen: what to load for each metric, by name.
        named: the names that the user gave, as for :func:`choose_metrics`.

    Raises:
        InputError: a named metric needs factors that the dataset does not have.
    """
    unscorable = list_unscorable(dataset.name, dataset, find_metrics(chosen.values()))
    if named not in (None, [ALL]):
        for metric, reason in unscorable.items():
            alone = [
                name for name, one in find_metrics(given=["log_variances"]).items() if not one.reads_factors
            ]
            raise InputError(f"{metric} cannot be scored: {reason}; give some of {', '.join(alone)}.")
    return {name: given for name, given in chosen.items() if name not in unscorable}
