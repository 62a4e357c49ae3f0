"""Anchors: the scores of a perfect code and of noise on the same rows.

A score from 0 to 1 may not reach either end: MIG with 20 bins cannot be 1 for a factor of 40 values, and
noise looks modular. Beside its anchors a score can be read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.representation import Representation
from dis_bench.metrics.scoring import Parameters, Wanted, find_metrics, resolve_parameters
from dis_bench.neutral import neutral

WIDTH = 0.01  # standard deviation of the posteriors of both codes, for metrics that read posteriors


class Anchor(NamedTuple):
    """The score of a perfect code, and that of noise."""

    perfect: float
    chance: float


@neutral()
def anchor_scores(
    representation: Representation,
    metrics: Wanted = None,
    parameters: Parameters = None,
    failures: dict[str, str] | None = None,
) -> dict[str, Anchor]:
    """Score a perfect code and a code of noise on the rows of a representation.

    The perfect codes are the kept factors themselves, at mean 0 and variance 1. The noise has as many codes
    as the representation, independent unit Gaussians. For metrics that read posteriors, their standard
    deviation is 0.01.

    Args:
        representation: its factors, the order of its rows, its seed and its number of codes are used; the
            values of its codes do not matter.
        metrics: as in :func:`dis_bench.metrics.score`.
        parameters: as in :func:`dis_bench.metrics.score`; give those of the scores to compare with.
        failures: if given, it is filled with the reason for each metric that has no anchors.

    Returns:
        The anchors by score. A metric that cannot score such codes has none, for example a user's metric that
        expects codes of its own kind.

    Raises:
        InputError: an unknown metric or parameter.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(4, size=(1_000, 3))
        >>> table = Representation(np.zeros((1_000, 5)), factors, allow_small=True)
        >>> for name, anchor in anchor_scores(table, ["mig", "modularity"]).items():
        ...     print(f"{name}: {anchor.perfect:.1f} for the factors, {anchor.chance:.1f} for noise")
        mig: 1.0 for the factors, 0.0 for noise
        modularity: 1.0 for the factors, 0.3 for noise
    """
    found = find_metrics(metrics, representation.list_given(), representation.has_factors)
    used = resolve_parameters(found, parameters)
    noise = representation.generator("anchors").standard_normal(representation.codes.shape)
    tables = [
        _with_posteriors(representation, codes)
        for codes in (standardise(representation.factors.astype(float)), noise)
    ]
    anchors: dict[str, Anchor] = {}
    for metric in bar(found.values(), "anchors", unit="metric"):
        try:
            perfect, chance = (metric.scores(table, **used[metric.name]) for table in tables)
        except InputError as error:  # the metric's score is valid without anchors
            if failures is not None:
                failures[metric.name] = str(error)
            continue
        anchors |= {name: Anchor(perfect[name], chance[name]) for name in perfect if name in chance}
    return anchors


def _with_posteriors(representation: Representation, codes: np.ndarray) -> Representation:
    return representation.with_codes(codes, np.full(codes.shape, 2 * np.log(WIDTH)))
