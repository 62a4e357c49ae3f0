"""The picture of a dataset: one row per factor, and no file is overwritten."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from dis_bench.datasets.grid import Factor
from dis_bench.datasets.picture import _label, _spread, draw_picture


@pytest.mark.parametrize("reference", [0, 7, 39])
def test_a_row_holds_first_last_and_the_reference(reference):
    classes = _spread(40, reference)
    assert len(classes) == len(set(classes.tolist())) == 10
    assert {0, 39, reference} <= set(classes.tolist())
    assert (np.diff(classes) > 0).all()


def test_short_factors_are_shown_whole():
    assert _spread(3, 1).tolist() == [0, 1, 2]


def test_labels_are_short():
    assert _label(Factor.spaced("scale", 6, 0.5, 1), 5) == "1"
    assert _label(Factor.spaced("orientation", 40, 0, 2 * np.pi), 39) == "6.28"
    assert _label(Factor("shape", 2, ("cube", "capsule"), "categorical"), 1) == "capsule"


def test_the_picture_is_drawn_and_nothing_is_overwritten(tmp_path, dsprites):
    first = draw_picture(dsprites, tmp_path / "dsprites.png")
    assert first == tmp_path / "dsprites.png"
    with Image.open(first) as image:
        black = np.asarray(image.convert("L")) == 0
    areas = np.bincount(label(black)[0].ravel())[1:]
    assert (areas > 10_000).sum() == 3 + 6 + 10 + 10 + 10  # backgrounds of images; letters are smaller
    content = first.read_bytes()
    assert draw_picture(dsprites, tmp_path / "dsprites.png") == tmp_path / "dsprites-2.png"
    assert first.read_bytes() == content
