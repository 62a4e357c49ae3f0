"""Pictures show the stored pixels, exactly, in the right order."""

import io

import numpy as np
import pytest
from PIL import Image

from dis_bench.records.pictures import Pictures
from dis_bench.reports.figures.pictures import draw_reconstructions, draw_traversals, find_pictures
from dis_bench.reports.figures.theme import theme, to_pixels, to_png
from tests.reports.made_up import LATENTS, reseal, write_cell

RNG = np.random.default_rng(0)


def make(kl=(0.5, 0.0, 2.0), channels=1, images=4):
    def pixels(*shape):
        return RNG.integers(0, 256, (*shape, channels, 64, 64), dtype=np.uint8)

    return Pictures(pixels(images), pixels(images), pixels(len(kl), 5), np.linspace(-2, 2, 5), np.asarray(kl))


def render(figure):
    with theme():
        png = to_png(to_pixels(figure))
    return np.asarray(Image.open(io.BytesIO(png)))


def texts(figure):
    return [text.get_text() for text in figure.texts]


def contains(page, image, factor):
    """Return True if an image [C, 64, 64], enlarged by a factor, is on the page."""
    wanted = np.broadcast_to(image, (3, 64, 64)).transpose(1, 2, 0).repeat(factor, 0).repeat(factor, 1)
    height, width = wanted.shape[:2]
    corners = np.argwhere((page[: -height + 1, : -width + 1] == wanted[0, 0]).all(2))
    return any(np.array_equal(page[y : y + height, x : x + width], wanted) for y, x in corners)


@pytest.mark.parametrize("channels", [1, 3])
def test_traversals_are_sorted_by_kl_with_nats_beside(channels):
    pictures = make(channels=channels)
    figure = draw_traversals(pictures)
    assert [text.split() for text in texts(figure)[:3]] == [
        ["z2", "2.00", "nats"],
        ["z0", "0.50", "nats"],
        ["z1", "0.000", "nats"],
    ]
    assert texts(figure)[3:] == ["−2", "−1", "0", "1", "2"]  # noqa: RUF001
    page = render(figure)
    height = page.shape[0] // 3
    assert contains(page[: 2 * height], pictures.traversals[2, 0], 2)
    assert contains(page, pictures.traversals[0, 4], 2)
    assert not contains(page, pictures.traversals[1, 2], 2)  # frozen: greyed


def test_a_frozen_latent_is_pale():
    dark = Pictures(
        *(np.zeros((2, 1, 64, 64), np.uint8),) * 2,
        np.zeros((2, 5, 1, 64, 64), np.uint8),
        np.arange(5),
        np.array([1.0, 0.001]),
    )
    page = render(draw_traversals(dark))
    column = page[:, -30, 0]
    assert (column[len(column) // 4 : len(column) // 3] == 0).all()
    assert (column[-40:-10] > 200).all()


def test_originals_stand_above_reconstructions():
    first, second = make(), make()
    second = Pictures(
        first.originals,
        second.reconstructions,
        *(getattr(second, n) for n in ("traversals", "traversal_values", "kl_per_latent")),
    )
    figure = draw_reconstructions([("β = 1", first), ("β = 4", second)])
    assert texts(figure) == ["original", "β = 1", "β = 4"]
    page = render(figure)
    third = page.shape[0] // 3
    for row, images in enumerate([first.originals, first.reconstructions, second.reconstructions]):
        assert contains(page[row * third : (row + 1) * third + 8], images[3], 3)


def test_other_originals_are_shown_again():
    figure = draw_reconstructions([("β = 1", make()), ("β = 4", make())])
    assert texts(figure) == ["original", "β = 1", "original", "β = 4"]


@pytest.fixture
def folder(tmp_path):
    return write_cell(tmp_path)


def save(folder, **change):
    arrays = {**vars(make(np.ones(LATENTS))), **change}
    np.savez_compressed(
        folder / "pictures.npz", **{name: value for name, value in arrays.items() if value is not None}
    )
    reseal(folder)


def test_reading_gives_what_was_kept(folder):
    save(folder)
    problems = []
    assert find_pictures(folder, problems).traversals.shape == (LATENTS, 5, 1, 64, 64)
    assert problems == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"traversals": None}, "traversals"),
        ({"originals": np.zeros((4, 1, 64, 64))}, "float64"),
        ({"reconstructions": np.zeros((3, 1, 64, 64), np.uint8)}, "reconstructions is uint8 [3, 1, 64, 64]"),
        ({"traversals": np.array([{"a": "pickle"}])}, "traversals is object [1]"),
        ({"kl_per_latent": np.ones(3)}, "kl_per_latent is float64 [3], not float64 [10]"),
        ({"kl_per_latent": np.full(LATENTS, np.nan)}, "kl_per_latent holds numbers that are not finite"),
    ],
)
def test_unusable_arrays_are_told_of(folder, change, words):
    save(folder, **change)
    problems = []
    assert find_pictures(folder, problems) is None
    [problem] = problems
    assert words in problem


@pytest.mark.parametrize("content", [None, b"", b"not a zip file"])
def test_unusable_files_are_told_of(folder, content):
    if content is not None:
        (folder / "pictures.npz").write_bytes(content)
        reseal(folder)
    problems = []
    assert find_pictures(folder, problems) is None
    assert "pictures.npz" in problems[0]
