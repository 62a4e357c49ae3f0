"""Anchors: what a perfect code and a meaningless one score on the same rows, with the same protocol.

A score from 0 to 1 may not reach either: MIG with 20 bins cannot be 1 for a factor of 40 values, and noise
looks modular. Beside its anchors it can be read.
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
    """What a perfect code scores, and what noise does."""

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

    The perfect code is each kept factor itself, at mean 0 and variance 1. The noise is as many codes as the
    representation has, independent unit Gaussians. Posteriors, for metrics that read them, are 0.01 wide.

    Args:
        representation: gives factors, their order, the seed and the number of codes; what the codes are does
            not matter.
        metrics: as in :func:`dis_bench.metrics.score`.
        parameters: likewise; give those of the scores that the anchors shall stand beside.
        failures: is filled, if given, with the reason by metric where there are no anchors.

    Returns:
        The anchors by score. A metric that cannot score such codes, such as one of a stranger that expects
        codes of its own kind, has none.
    """
    found = find_metrics(metrics, representation.list_given())
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
        except InputError as error:  # without anchors its score still stands
            if failures is not None:
                failures[metric.name] = str(error)
            continue
        anchors |= {name: Anchor(perfect[name], chance[name]) for name in perfect if name in chance}
    return anchors


def _with_posteriors(representation: Representation, codes: np.ndarray) -> Representation:
    return representation.with_codes(codes, np.full(codes.shape, 2 * np.log(WIDTH)))
