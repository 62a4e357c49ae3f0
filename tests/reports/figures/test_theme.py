"""All lines, marks and letters of a figure stand out from white."""

import numpy as np
import pytest

from dis_bench.reports.figures.theme import INK, LINE, MUTED, REFERENCE_COLOURS, BetaScale
from tests.reports.contrast import contrast


def test_the_contrast_of_known_colours():
    assert contrast("black") == pytest.approx(21)
    assert contrast("#777777") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize(
    "betas", [[4], [1, 4, 10], [0, 1, 4, 10], [*np.linspace(0.1, 9, 50)], [*np.geomspace(1, 1e4, 50)]]
)
def test_every_beta_stands_out_from_white(betas):
    scale = BetaScale(betas)
    assert min(contrast(scale.colour(beta)) for beta in betas) >= 3
    assert len({scale.colour(beta) for beta in betas}) == len(betas)


def test_larger_betas_are_lighter():
    scale = BetaScale(range(1, 9))
    ratios = [contrast(scale.colour(beta)) for beta in scale.betas]
    assert ratios == sorted(ratios, reverse=True)


def test_lines_and_letters_stand_out_from_white():
    assert min(map(contrast, (LINE, *REFERENCE_COLOURS))) >= 3
    assert min(map(contrast, (INK, MUTED))) >= 4.5
