"""Score a trained model again, as it was scored after its training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dis_bench import registry
from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.metrics import Representation, find_metrics, score_representation
from dis_bench.neutral import neutral, one_thread
from dis_bench.records.codes import round_log_variances
from dis_bench.records.columns import find_metric
from dis_bench.runners.passes import BATCH
from dis_bench.runners.scoring.rows import draw_rows, read_factors
from dis_bench.runners.scoring.scores import SCORING_SEED

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.datasets.dataset import Dataset
    from dis_bench.records.schema import Record

Posterior = Callable[[Any], tuple[Tensor, Tensor | None]]


@neutral()
def score_again(
    record: Record, dataset: Dataset, posterior: Posterior, metrics: Iterable[Any] | None
) -> pd.Series:
    """Encode the rows that a study scores, and score the codes with its seed.

    Args:
        record: the record of the cell.
        dataset: its dataset.
        posterior: encodes uint8 images [B, C, H, W] to codes and log-variances [B, D], or None.
        metrics: names or functions, with their defaults; None takes those of the record, with its protocol.
    """
    import pandas as pd

    parameters, small = None, []
    if metrics is None:  # the recorded parameters are already reduced to the rows that there are
        metrics, parameters = _find_recorded(record)
        small = record.get("small", [])
    found = find_metrics(metrics, ["log_variances"])
    if dataset.known_factors is None and (not found or any(one.reads_factors for one in found.values())):
        raise InputError(
            f"dataset '{dataset.name}' has no factors, so its codes can be scored only with metrics that "
            "look at codes alone."
        )
    rows = draw_rows(dataset)
    with one_thread():  # as in a worker: the number of threads changes the last digits
        codes, log_variances = _encode(rows, dataset, posterior)
        given: dict[str, Any] = {"seed": SCORING_SEED, "allow_small": True, "log_variances": log_variances}
        table = Representation(codes, read_factors(dataset, rows), **given)
        scores = score_representation(table, found.values(), parameters).values
    series = pd.Series(scores, dtype=float)
    series.attrs["small"] = sorted(table.small.union(small) & scores.keys())
    return series


def _encode(rows: np.ndarray, dataset: Dataset, posterior: Posterior) -> tuple[np.ndarray, np.ndarray | None]:
    """Return codes and log-variances [N, D] of rows, in the batches of a study."""
    parts = []
    with bar(total=len(rows), desc="encode", unit="image") as progress:
        for some in torch.from_numpy(rows).split(BATCH[torch.device(dataset.device).type]):
            parts.append(posterior(dataset.images(some)))
            progress.update(len(some))
    log_variances = [part for _, part in parts if part is not None]
    codes = torch.cat([part for part, _ in parts]).cpu().numpy()
    if not log_variances:
        return codes, None
    return codes, round_log_variances(torch.cat(log_variances).cpu().numpy())


def _find_recorded(record: Record) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return the installed metrics of a record, and the parameters of its protocol."""
    # one that was left out, for codes as wide as images, has a protocol and no score
    scored = {find_metric(score, record["protocol"]) for score in record["scores"]}
    kept = [name for name in record["protocol"] if name in scored]
    names = [name for name in kept if registry.installed("metrics", name) is not None]
    others = [name for name in kept if name not in names]
    if others:
        named = ", ".join(others)
        warnings.warn(f"left out, as not installed: {named}; give them as metrics=[...].", stacklevel=4)
    if not names:
        raise InputError("the record has no scores of installed metrics; name some with metrics=[...].")
    recorded = {name: record["protocol"][name] for name in names}
    found = find_metrics(names, ["log_variances"])
    changed = [name for name in names if found[name].version != recorded[name].get("version")]
    if changed:
        warnings.warn(f"scored with another version than the record's: {', '.join(changed)}.", stacklevel=4)
    parameters = {
        name: {key: value for key, value in used.items() if key != "version"}
        for name, used in recorded.items()
    }
    return names, parameters
