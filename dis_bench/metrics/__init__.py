"""Metrics of disentanglement: pure functions of codes and factors.

>>> from dis_bench.metrics import score
>>> score(codes, factors)  # doctest: +SKIP
"""

from dis_bench.metrics.metric import Metric, MetricFailed, as_metric
from dis_bench.metrics.representation import Representation
from dis_bench.metrics.scoring import (
    Scores,
    add_columns,
    find_metrics,
    protocol,
    resolve_parameters,
    score,
    score_representation,
)

__all__ = [
    "Metric",
    "MetricFailed",
    "Representation",
    "Scores",
    "add_columns",
    "as_metric",
    "find_metrics",
    "protocol",
    "resolve_parameters",
    "score",
    "score_representation",
]
