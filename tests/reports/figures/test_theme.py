"""All lines, marks and letters of a figure stand out from white."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from dis_bench.reports.figures.theme import (
    COLOURS,
    DIAL_COLOURS,
    DPI,
    INK,
    LARGE,
    LINE,
    MUTED,
    REFERENCE_COLOURS,
    DialScale,
    panels,
    theme,
    to_pixels,
    to_png,
    to_webp,
)
from tests.reports.contrast import contrast
from tests.reports.page.test_render import colours


def test_the_contrast_of_known_colours():
    assert contrast("black") == pytest.approx(21)
    assert contrast("#777777") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize(
    "betas", [[4], [1, 4, 10], [0, 1, 4, 10], [*np.linspace(0.1, 9, 50)], [*np.geomspace(1, 1e4, 50)]]
)
def test_every_beta_stands_out_from_white(betas):
    scale = DialScale(betas)
    assert min(contrast(scale.colour(beta)) for beta in betas) >= 3
    assert len({scale.colour(beta) for beta in betas}) == len(betas)


def test_larger_betas_are_lighter():
    scale = DialScale(range(1, 9))
    ratios = [contrast(scale.colour(beta)) for beta in scale.levels]
    assert ratios == sorted(ratios, reverse=True)


def test_lines_and_letters_stand_out_from_white():
    assert min(map(contrast, (LINE, *REFERENCE_COLOURS))) >= 3
    assert min(map(contrast, (INK, MUTED))) >= 4.5


def turn_dark(colour, page):
    """Return a plot's colour in the dark scheme: invert(1) hue-rotate(180deg), blended with screen."""
    grey = np.tile([0.213, 0.715, 0.072], (3, 1))
    turned = np.clip((2 * grey - np.eye(3)) @ (1 - np.array(to_rgb(colour))), 0, 1)
    return to_hex(1 - (1 - turned) * (1 - np.array(to_rgb(page))))


def test_plots_stand_out_from_the_dark_page_too():
    page = colours("dark")["page"]
    dial = [DialScale(range(9)).colour(level) for level in range(9)]
    drawn = (LINE, *dial, *COLOURS, *REFERENCE_COLOURS)
    lines = [contrast(turn_dark(colour, page), page) for colour in drawn]
    letters = [contrast(turn_dark(colour, page), page) for colour in (INK, MUTED)]
    assert turn_dark("#ffffff", page) == page
    assert min(lines) >= 3
    assert min(letters) >= 4.5


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


def test_a_figure_drawn_once_is_the_one_that_is_saved():
    def draw():
        figure, axes = panels(3, 2, 2.0)
        for number, panel in enumerate(axes):
            panel.plot([0, 1], [0, 10.0**number], color=DIAL_COLOURS[number])
            panel.set_ylabel("an axis with a label")
        return figure

    saved = io.BytesIO()
    with theme():
        draw().savefig(saved, format="png", dpi=DPI)
        png = to_png(to_pixels(draw()))
    once, twice = (
        np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in (png, saved.getvalue())
    )
    assert np.array_equal(once, twice)


def test_a_plot_of_many_colours_keeps_them_nearly():
    figure, [panel] = panels(1, 1, 3.0)
    points = np.random.default_rng(0).random((400, 2))
    panel.scatter(*points.T, c=points[:, 0], cmap="viridis", alpha=0.3)
    with theme():
        drawn = to_pixels(figure)
    shown = Image.open(io.BytesIO(to_webp(drawn, exact=False))).convert("RGB")
    assert len(drawn.getcolors(1 << 24)) > 2_000 >= 256 >= len(shown.getcolors(256))
    changes = np.abs(np.asarray(drawn, dtype=int) - np.asarray(shown, dtype=int))
    assert changes.max() <= 24  # levels of 256
    assert changes.mean() < 1
    assert shown.getpixel((0, 0)) == (255, 255, 255)
