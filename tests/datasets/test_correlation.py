"""Pairs of correlated factors: the density as printed, one spelling for each law, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench.datasets.correlation import describe_correlations, read_correlations, resolve_correlations
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.shapes3d.dataset import Shapes3D
from dis_bench.errors import InputError

GRID = Shapes3D.grid
SIZES = st.integers(2, 12)
WIDTHS = st.floats(0.02, 5)


def grid_of(*sizes):
    return FactorGrid([Factor(f"f{place}", size, (0,) * size, "ordinal") for place, size in enumerate(sizes)])


@settings(deadline=None)
@given(SIZES, SIZES, WIDTHS)
def test_the_weights_are_the_printed_density(size, other, sigma):
    # Träuble et al. 2021: exp(-(c1 - alpha c2)^2 / (2 s^2)), alpha = c1max / c2max, classes as values, with s
    # in units of the range of c1.
    [pair] = resolve_correlations(f"f0~f1:{sigma!r}", grid_of(size, other))
    first, second = np.arange(size)[:, None], np.arange(other)
    alpha, s = (size - 1) / (other - 1), sigma * (size - 1)
    printed = np.exp(-((first - alpha * second) ** 2) / (2 * s**2))
    assert np.exp(pair.weigh(grid_of(size, other))) == pytest.approx(printed, rel=1e-6, abs=1e-12)


@settings(deadline=None)
@given(SIZES, SIZES, WIDTHS)
def test_the_laws_of_roth_scale_both_factors_to_one(size, other, sigma):
    grid = grid_of(size, other)
    first, second = np.linspace(0, 1, size)[:, None], np.linspace(0, 1, other)
    for law, apart in (("dcf", first - second), ("inverse", first - (1 - second))):
        [pair] = resolve_correlations(f"f0~f1:{law}({sigma!r})", grid)
        weights = np.exp(-(apart**2) / (2 * sigma**2))
        assert np.exp(pair.weigh(grid)) == pytest.approx(weights, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("given_as", "text"),
    [
        ("floor_hue~scale:0.2", "floor_hue~scale:0.2"),
        (" scale ~ floor_hue : 0.20 ", "floor_hue~scale:0.2"),
        ("scale~floor_hue:dcf(0.2)", "floor_hue~scale:0.2"),
        ("floor_hue~scale:indices(1.8)", "floor_hue~scale:0.2"),
        ("scale~floor_hue:indices(1.4)", "floor_hue~scale:0.2"),
        ("floor_hue~scale:inverse(2e-1)", "floor_hue~scale:inverse(0.2)"),
        ("shape~scale:1,floor_hue~wall_hue:0.1", "floor_hue~wall_hue:0.1,scale~shape:1"),
        (["shape~scale:1", "floor_hue~wall_hue:0.1"], "floor_hue~wall_hue:0.1,scale~shape:1"),
        (
            "shape~*:0.2",
            "floor_hue~shape:0.2,wall_hue~shape:0.2,object_hue~shape:0.2,scale~shape:0.2,shape~orientation:0.2",
        ),
    ],
)
def test_a_law_has_one_spelling(given_as, text):
    pairs = resolve_correlations(given_as, GRID)
    assert describe_correlations(pairs) == text
    assert resolve_correlations(text, GRID) == pairs


@settings(deadline=None)
@given(SIZES, SIZES, st.floats(1e-6, 1e6), st.sampled_from(["", "dcf", "inverse", "indices"]))
def test_the_spelling_gives_the_same_law_again(size, other, width, law):
    grid = grid_of(size, other)
    pairs = resolve_correlations(f"f1~f0:{f'{law}({width!r})' if law else repr(width)}", grid)
    assert resolve_correlations(describe_correlations(pairs), grid) == pairs


def test_a_confounder_leaves_out_factors_of_one_value():
    pairs = resolve_correlations("posX~*:0.2", DSprites.grid)
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("shape", "posX"),
        ("scale", "posX"),
        ("orientation", "posX"),
        ("posX", "posY"),
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        *(
            (f"floor_hue~scale:{width}", "positive, finite")
            for width in ("0", "-1", "nan", "inf", "1e999", "x")
        ),
        ("floor_hue~scale:dcf(0)", "positive, finite number, but '0'"),
        ("floor_hue~scale:dcf()", "positive, finite"),
        ("floor_hue~scale:gauss(0.2)", "unknown law of correlated factors 'gauss'"),
        *((text, "pairs of factors with a width") for text in ("", "scale", "floor_hue~scale", "~:1", "a:1")),
        ("floor_hue~scale:0.2)", "pairs of factors with a width"),
        ("floor_hue~scale:0.2,", "pairs of factors with a width"),
        ("floor~scale:0.2", "unknown factor to correlate 'floor': did you mean 'floor_hue'"),
        ("floor_hue~size:0.2", "unknown factor to correlate 'size'"),
        ("floor_hue~scale~shape:0.2", "unknown factor to correlate 'scale~shape'"),
        ("*~scale:0.2", "unknown factor to correlate"),
        ("scale~scale:0.2", "'scale' with itself"),
        ("floor_hue~scale:0.2,scale~floor_hue:0.1", "'floor_hue' and 'scale' twice"),
        ("floor_hue~scale:0.2,floor_hue~scale:inverse(0.1)", "'floor_hue' and 'scale' twice"),
        ("shape~*:0.2,scale~shape:0.1", "'scale' and 'shape' twice"),
        (0.2, "must be texts"),
        ([], "must be texts"),
        ([0.2], "must be texts"),
    ],
)
def test_what_is_no_pair_is_refused_in_a_sentence(wrong, words):
    with pytest.raises(InputError, match=words.replace("*", r"\*")) as refused:
        resolve_correlations(wrong, GRID)
    assert "\n" not in str(refused.value)


def test_a_factor_of_one_value_is_refused():
    with pytest.raises(InputError, match="factor 'color' has a single value"):
        resolve_correlations("color~shape:0.2", DSprites.grid)


def test_pairs_are_read_without_a_grid():
    assert read_correlations(["a~b:0.2", "c~d:dcf(1),e~*:3"]) == [
        ("a", "b", "", 0.2),
        ("c", "d", "dcf", 1.0),
        ("e", "*", "", 3.0),
    ]
