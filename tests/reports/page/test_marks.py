"""The colours of the plane and the table stand out in both schemes, also from each other."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from dis_bench.reports.page import render
from tests.reports.contrast import contrast
from tests.reports.page.test_render import colours

STYLE = (Path(render.__file__).parent / "compare.css").read_text(encoding="utf-8")
HUES = [f"hue{number}" for number in range(8)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("hue", HUES)
def test_every_mark_stands_out_from_the_page(scheme, hue):
    found = colours(scheme)
    assert contrast(found[hue], found["page"]) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "muted"])
def test_texts_of_a_selected_row_can_be_read(scheme, text):
    found = colours(scheme)
    assert contrast(found[text], found["chosen"]) >= 4.5


# Machado et al. 2009, severity 1, for linear RGB.
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def linear(colour):
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def to_lab(rgb):
    """Return Oklab's lightness, green-red and blue-yellow (Ottosson 2020)."""
    cones = (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
    roots = [max(sum(a * b for a, b in zip(row, rgb, strict=True)), 0) ** (1 / 3) for row in cones]
    back = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    return [sum(a * b for a, b in zip(row, roots, strict=True)) for row in back]


def distances(scheme, matrix):
    """Return Oklab's distance of each two hues."""
    found = colours(scheme)
    seen = {
        hue: to_lab([sum(a * b for a, b in zip(row, linear(found[hue]), strict=True)) for row in matrix])
        for hue in HUES
    }
    return {
        pair: sum((a - b) ** 2 for a, b in zip(seen[pair[0]], seen[pair[1]], strict=True)) ** 0.5
        for pair in combinations(HUES, 2)
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", BLINDNESS)
def test_all_colours_differ_for_everybody(scheme, kind):
    # 0.02 is just noticeable; all eight differ in shape, too
    assert min(distances(scheme, BLINDNESS[kind]).values()) >= 0.09


def test_every_colour_has_a_value_in_both_schemes():
    own = {"hue", "share", "veil"}
    assert set(re.findall(r"var\(--(\w+)\)", STYLE)) <= {*colours("dark"), *own}
    assert not re.findall(r"#[0-9a-f]{3,8}\b", re.sub(r"#table-\w+", "", STYLE))
