"""The picture of a dataset: one row per factor, and no file is overwritten."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

import dis_bench
from dis_bench import plotting
from dis_bench.datasets import picture
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


def test_many_labels_are_counted_and_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "ROWS", 3)
    titles = []
    monkeypatch.setattr(plotting.Figure, "suptitle", lambda figure, text, **options: titles.append(text))
    images = np.zeros((4, 8, 8), np.uint8)
    sizes = set()
    for count in (3, 4, 9):
        dataset = dis_bench.dataset_from(images, labels=np.tile([[0], [1]], (2, count)))
        with Image.open(draw_picture(dataset, tmp_path / f"{count}.png")) as image:
            sizes.add(image.size)
    assert len(sizes) == 1
    shown = "each row has an image of each class of one label"
    assert [title.partition(": ")[2] for title in titles] == [
        shown,
        f"{shown}; 1 more are left out",
        f"{shown}; 6 more are left out",
    ]


def test_characters_that_the_font_lacks_are_no_warning(tmp_path, recwarn):
    dataset = dis_bench.dataset_from(
        np.zeros((4, 8, 8), np.uint8), ["日", "本", "日", "本"], label_names=["国"]
    )
    draw_picture(dataset, tmp_path / "cjk.png")
    assert not recwarn.list
