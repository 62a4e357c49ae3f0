"""Bootstrap intervals over rows: how much a score varies with the images that are scored.

They say nothing about training with another seed. The seeds of a study show that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.bars import bar
from dis_bench.errors import InputError, shown
from dis_bench.metrics.inputs import check_count
from dis_bench.metrics.metric import Metric
from dis_bench.metrics.protocols import row_blocks
from dis_bench.metrics.representation import Representation
from dis_bench.metrics.scoring import Parameters, Wanted, add_columns, find_metrics, resolve_parameters
from dis_bench.neutral import neutral

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
MOST_RESAMPLES = 100_000  # chance then moves the ends of an interval by less than 1% of its width


@neutral()
def bootstrap(
    representation: Representation,
    metrics: Wanted = None,
    *,
    resamples: int = 100,
    seed: int = 0,
    parameters: Parameters = None,
) -> pd.DataFrame:
    """Compute 95% percentile intervals of a representation's scores over its rows.

    Rows are drawn with replacement, separately from the training rows and from the test rows, so that no row
    is used for both. A plain function that splits rows itself is not protected.

    A resample holds about 63% of the rows, many of them twice, and is not a fresh sample. A score that
    depends on the number of distinct rows, such as DCI or mutual information, is biased on resamples and
    could lie outside its interval. The interval is therefore shifted back by the mean of the resamples less
    the score.

    A rare value may be missing from a resample, and a metric may refuse the rest. Such resamples are skipped
    and counted.

    Args:
        representation: the rows to resample.
        metrics: as in :func:`dis_bench.metrics.score`.
        resamples: number of resamples, 2 to 100,000; each takes as long as scoring once.
        seed: seed of the resampling. Metrics that draw use the representation's own seed.
        parameters: as in :func:`dis_bench.metrics.score`.

    Returns:
        A row per score, with the columns ``score``; ``low`` and ``high``, the ends of its interval, clipped
        to the range that its metric declares; ``shift``, the mean of the resamples less the score, which was
        subtracted from both ends; and ``skipped``, the number of resamples that could not be scored. The ends
        are NaN if fewer than two resamples could be scored.

    Raises:
        InputError: too few or too many resamples, a seed that is no whole number of at least 0, or rows that
            cannot be scored.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(1_000, 3))
        >>> codes = factors + np.random.default_rng(1).standard_normal((1_000, 3))
        >>> table = Representation(codes, factors, allow_small=True)
        >>> bootstrap(table, ["sap_continuous", "mig"], resamples=30)[["score", "low", "high"]].round(2)
                        score   low  high
        sap_continuous   0.56  0.53  0.58
        mig              0.28  0.26  0.30
    """
    import pandas as pd

    check_count("resamples", resamples, least=2)
    if resamples > MOST_RESAMPLES:
        raise InputError(f"resamples must be at most {MOST_RESAMPLES:,}, but {shown(resamples)} was given.")
    check_count("seed", seed, least=0)
    found = find_metrics(metrics, representation.list_given(), representation.has_factors)
    used = resolve_parameters(found, parameters)
    blocks = resampling_blocks(representation, found, used)
    tables = _resample(representation, blocks, int(resamples), np.random.default_rng(seed))
    drawn: list[dict[str, float]] = []
    ranges: dict[str, tuple[float, float]] = {}
    total = (1 + int(resamples)) * len(found)
    with bar(total=total, desc="bootstrap", unit="score") as progress:
        for table in tables:
            drawn.append({})
            for name, metric in found.items():
                progress.update()
                try:
                    values = metric.scores(table, **used[name])
                except InputError:
                    if table is representation:
                        raise
                    continue
                drawn[-1] = add_columns(drawn[-1], name, values)
                # a plain function declares no range
                ends = (-np.inf, np.inf) if metric.is_plain else metric.range
                ranges |= dict.fromkeys(values, ends)
    score = pd.Series(drawn[0], dtype=float)
    resampled = pd.DataFrame(drawn[1:], columns=score.index, dtype=float)
    return _intervals(score, resampled, ranges)


def _intervals(
    score: pd.Series, resampled: pd.DataFrame, ranges: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """Return the table of :func:`bootstrap`.

    Args:
        score: the scores of the given rows.
        resampled: a row per resample and a column per score; NaN where it was skipped.
        ranges: lowest and highest possible value of each score.
    """
    import pandas as pd

    skipped = resampled.isna().sum()
    is_enough = len(resampled) - skipped.to_numpy() >= 2
    resampled = resampled.where(np.broadcast_to(is_enough, resampled.shape))
    shift = resampled.mean() - score
    smallest, largest = np.transpose([ranges[name] for name in resampled])
    tail = (1 - LEVEL) / 2
    low, high = ((resampled.quantile(at) - shift).clip(smallest, largest) for at in (tail, 1 - tail))
    return pd.DataFrame({"score": score, "low": low, "high": high, "shift": shift, "skipped": skipped})


def _resample(
    representation: Representation, blocks: list[tuple[int, int]], resamples: int, rng: np.random.Generator
) -> Iterator[Representation]:
    """Yield the given table, then the resampled ones."""
    yield representation
    for _ in range(resamples):
        yield representation.take(draw_rows(blocks, rng))


def resampling_blocks(
    representation: Representation, metrics: Mapping[str, Metric], parameters: Mapping[str, dict[str, Any]]
) -> list[tuple[int, int]]:
    """List the start and end of each block of rows that is resampled separately.

    No block crosses the border between a metric's training and test rows.
    """
    edges = {0, len(representation)}
    for name, metric in metrics.items():
        edges.update(row_blocks(metric.afford(representation, parameters[name])))
    ordered = sorted(edge for edge in edges if edge <= len(representation))
    return list(pairwise(ordered))


def draw_rows(blocks: list[tuple[int, int]], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw positions [N]: from each block, with replacement, as many as it has rows."""
    return np.concatenate([rng.integers(start, end, size=end - start) for start, end in blocks])
