"""Bootstrap intervals over rows: how far a score would move with other images of the same representation.

They say nothing about another seed of the training: that is the spread over the seeds of a study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.metrics.inputs import check_count
from dis_bench.metrics.metric import Metric
from dis_bench.metrics.protocols import row_blocks
from dis_bench.metrics.representation import Representation
from dis_bench.metrics.scoring import Parameters, Wanted, add_columns, find_metrics, resolve_parameters
from dis_bench.neutral import neutral

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95


@neutral()
def bootstrap(
    representation: Representation,
    metrics: Wanted = None,
    *,
    resamples: int = 100,
    seed: int = 0,
    parameters: Parameters = None,
) -> pd.DataFrame:
    """Percentile intervals, at 95%, of the scores of one representation over its rows.

    Rows are drawn with replacement, within the training rows and within the test rows apart, so that no row
    is both learned from and judged by. A plain function that splits rows on its own is not protected.

    A resample holds some 63% of the rows, many of them twice, and is no fresh sample: what depends on how
    many different rows there are, such as DCI and mutual information, moves to one side, and would leave its
    interval. So the interval of the resamples is moved back, by how far their mean lies from the score.

    A value that few rows have may be missing in a resample, and a metric may refuse what is left. Such
    resamples are skipped and counted.

    Args:
        representation: what to resample.
        metrics: as in :func:`dis_bench.metrics.score`.
        resamples: how often; each takes as long as scoring once.
        seed: of the resampling. What a metric draws itself, it draws by the representation's seed.
        parameters: as in :func:`dis_bench.metrics.score`.

    Returns:
        By score: ``score``; ``low`` and ``high``, the ends of its interval, within the possible range;
        ``shift``, the mean of the resamples less the score, which was taken off both ends; ``skipped``, the
        number of resamples that could not be scored. Without at least two that could, there is no interval,
        and its ends are NaN.

    Raises:
        InputError: fewer than 2 resamples, or rows that cannot be scored.
    """
    import pandas as pd

    check_count("resamples", resamples, least=2)
    found = find_metrics(metrics, representation.list_given())
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
                ranges |= dict.fromkeys(values, metric.range)
    score = pd.Series(drawn[0], dtype=float)
    resampled = pd.DataFrame(drawn[1:], columns=score.index, dtype=float)
    return _intervals(score, resampled, ranges)


def _intervals(
    score: pd.Series, resampled: pd.DataFrame, ranges: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """The table of :func:`bootstrap` from the scores of the resamples, a column per score; NaN if skipped."""
    import pandas as pd

    skipped = resampled.isna().sum()
    resampled = resampled.where(len(resampled) - skipped >= 2, axis=1)
    shift = resampled.mean() - score
    # A plain function declares no range: what was drawn widens the one that is assumed.
    smallest, largest = np.transpose([ranges[name] for name in resampled])
    smallest, largest = np.minimum(smallest, resampled.min()), np.maximum(largest, resampled.max())
    tail = (1 - LEVEL) / 2
    low, high = ((resampled.quantile(at) - shift).clip(smallest, largest) for at in (tail, 1 - tail))
    return pd.DataFrame({"score": score, "low": low, "high": high, "shift": shift, "skipped": skipped})


def _resample(
    representation: Representation, blocks: list[tuple[int, int]], resamples: int, rng: np.random.Generator
) -> Iterator[Representation]:
    """The given table first, then so many resampled ones."""
    yield representation
    for _ in range(resamples):
        yield representation.take(draw_rows(blocks, rng))


def resampling_blocks(
    representation: Representation, metrics: Mapping[str, Metric], parameters: Mapping[str, dict[str, Any]]
) -> list[tuple[int, int]]:
    """First row and end of each block that is resampled apart: no metric's training or test rows are torn."""
    edges = {0, len(representation)}
    for name, metric in metrics.items():
        edges.update(row_blocks(metric.afford(representation, parameters[name])))
    ordered = sorted(edge for edge in edges if edge <= len(representation))
    return list(pairwise(ordered))


def draw_rows(blocks: list[tuple[int, int]], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions [N]: for each block as many of its own rows as it has, with replacement."""
    return np.concatenate([rng.integers(start, end, size=end - start) for start, end in blocks])
