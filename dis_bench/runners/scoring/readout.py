"""How well factors are read from codes of combinations that were kept out of training.

A linear classifier per factor is fitted to codes of the usual sample's images that are not held out, and is
tested on further such images and on held-out ones: where it fails on these alone, the encoder does not
compose that factor with the others. The sample is uniform, also where training draws correlated factors.
Schott et al. 2022 regress factors on held-out combinations likewise.
"""

from __future__ import annotations

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.holdout import HeldOut
from dis_bench.metrics.estimators.logistic import fit_logistic
from dis_bench.metrics.estimators.standardise import standardise
from dis_bench.metrics.estimators.threads import map_threads
from dis_bench.metrics.representation import MOST_CODES
from dis_bench.records.columns import join_images
from dis_bench.runners.scoring.evaluation import Evaluation
from dis_bench.runners.scoring.rows import draw_rows

FITTED = 2 / 3  # of the rows that are not held out; the others test
DIGITS = 6
FEWEST = 10  # rows to fit to, and to test on

Readout = dict[str, list[float]]


def read_out(dataset: Dataset, holdout: HeldOut, sample: Evaluation, held: Evaluation) -> Readout:
    """Measure how well each factor is read from the codes of images seen and held out.

    Args:
        dataset: a dataset with a grid.
        holdout: its images that are held out.
        sample: codes of the study's sample, of which the images that are not held out count.
        held: codes of held-out images.

    Returns:
        By factor that varies, the accuracy on images of the sample that are not held out, and on held-out
        ones; empty if there are too few rows, or codes are as wide as images.
    """
    seen = holdout.keeps(draw_rows(dataset))
    count = int(FITTED * seen.sum())
    grid = dataset.grid
    if grid is None or min(count, int(seen.sum()) - count) < FEWEST or sample.codes.shape[1] > MOST_CODES:
        return {}
    codes, factors = sample.codes[seen].astype(np.float64), np.asarray(sample.factors)[seen]
    fitted, tested = standardise(codes[:count]), standardise(codes[count:], like=codes[:count])
    other = standardise(held.codes.astype(np.float64), like=codes[:count])

    def read(place: int) -> list[float]:
        values, labels = np.unique(factors[:count, place], return_inverse=True)
        if len(values) == 1:
            predicted = [np.full(len(some), values[0]) for some in (tested, other)]
        else:
            fit = fit_logistic(fitted, labels)
            predicted = [values[fit.predict(some)] for some in (tested, other)]
        truth = (factors[count:, place], np.asarray(held.factors)[:, place])
        return [round(float((one == own).mean()), DIGITS) for one, own in zip(predicted, truth, strict=True)]

    places = [place for place, size in enumerate(grid.sizes) if size > 1]
    found = map_threads(read, places, "readout", "factor")
    return {grid.names[place]: accuracies for place, accuracies in zip(places, found, strict=True)}


def average(readout: Readout) -> dict[str, float]:
    """Average the accuracies over factors, by column."""
    if not readout:
        return {}
    seen, held = np.mean([*readout.values()], axis=0).tolist()
    return {"readout": seen, join_images("readout", "heldout"): held}
