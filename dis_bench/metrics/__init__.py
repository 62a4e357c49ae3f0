"""Metrics of disentanglement: pure functions of codes and factors.

>>> import numpy as np
>>> from dis_bench.metrics import score
>>> factors = np.random.default_rng(0).integers(4, size=(1_000, 3))
>>> codes = factors + 0.1 * np.random.default_rng(1).standard_normal((1_000, 3))
>>> score(codes, factors, ["mig", "sap_continuous"], allow_small=True).round(1).to_dict()
{'mig': 1.0, 'sap_continuous': 1.0}
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
