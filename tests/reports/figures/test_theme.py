"""All lines, marks and letters of a figure stand out from white."""

import io

import numpy as np
import pytest
from PIL import Image

from dis_bench.reports.figures.theme import INK, LARGE, LINE, MUTED, REFERENCE_COLOURS, BetaScale, to_webp
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


@pytest.mark.parametrize(("noise", "loss"), [(0, 0), (20, 12)])
def test_only_a_large_picture_loses_something(noise, loss):
    rng = np.random.default_rng(0)
    pixels = np.full((600, 600), 128.0) + noise * rng.standard_normal((300, 300)).repeat(2, 0).repeat(2, 1)
    picture = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    webp, exact = to_webp(picture, exact=True), io.BytesIO()
    shown = np.asarray(Image.open(io.BytesIO(webp)).convert("RGB"), dtype=float)
    picture.save(exact, "WEBP", lossless=True, method=0)
    assert (len(exact.getvalue()) > LARGE) == bool(noise)
    assert np.abs(shown - np.asarray(picture, dtype=float)).mean() <= loss
    assert len(webp) <= len(exact.getvalue())
