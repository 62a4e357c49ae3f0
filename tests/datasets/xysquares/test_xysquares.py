"""XYSquares: drawn as a loop over squares draws them, at every spacing."""

import numpy as np
import pytest

from dis_bench.datasets import load_dataset
from dis_bench.errors import InputError
from dis_bench.runners.planning.datasets import describe_parameters


def loop(dataset, index, spacing, positions):
    """Draw an image square by square, as the authors' code does."""
    image = np.zeros((64, 64, 3), np.uint8)
    first = (64 - (8 + (positions - 1) * spacing)) // 2
    places = np.unravel_index(index, (positions,) * 6)
    for channel, (x, y) in enumerate(zip(places[0::2], places[1::2], strict=True)):
        left, top = first + spacing * x, first + spacing * y
        image[top : top + 8, left : left + 8, channel] = 255
    return image


@pytest.mark.parametrize(
    ("spacing", "given", "positions"),
    [(8, 8, 8), (1, 8, 8), (3, 8, 8), (4, 0, 15), (1, 0, 57), (7, 0, 9), (56, 2, 2), (9, 3, 3)],
)
def test_images_are_those_of_a_loop(spacing, given, positions):
    dataset = load_dataset("xysquares", spacing=spacing, positions=given)
    assert (len(dataset), dataset.grid.sizes) == (positions**6, (positions,) * 6)
    indices = np.random.default_rng(0).integers(0, len(dataset), 40)
    drawn = dataset.images([*indices, 0, len(dataset) - 1]).numpy().transpose(0, 2, 3, 1)
    for index, image in zip([*indices, 0, len(dataset) - 1], drawn, strict=True):
        assert np.array_equal(image, loop(dataset, index, spacing, positions))


def test_factors_say_where_the_squares_are():
    dataset = load_dataset("xysquares")
    assert dataset.grid.names == ("x_R", "y_R", "x_G", "y_G", "x_B", "y_B")
    [red] = dataset.images(dataset.indices([[2, 5, 0, 0, 0, 0]]))[:, 0].numpy()
    assert np.argwhere(red)[[0, -1]].tolist() == [[40, 16], [47, 23]]
    assert next(iter(dataset.grid)).values == tuple(range(0, 64, 8))
    centred = load_dataset("xysquares", spacing=1)
    assert next(iter(centred.grid)).values == tuple(range(24, 32))


def test_without_overlap_all_moves_are_equally_far():
    """What the set is for: pixels know no order of positions at spacing 8, and know one below."""

    def distances(spacing):
        dataset = load_dataset("xysquares", spacing=spacing)
        moved = dataset.indices([[place, 3, 1, 1, 1, 1] for place in range(8)])
        images = dataset.images(moved).numpy().astype(float)
        return np.abs(images - images[:1]).sum((1, 2, 3)).tolist()

    assert len(set(distances(8)[1:])) == 1
    assert distances(2) == sorted(distances(2))
    assert len(set(distances(2))) == 5


def test_parameters_are_in_the_identity_if_they_are_not_the_default():
    assert describe_parameters(load_dataset("xysquares")) == ""
    assert describe_parameters(load_dataset("xysquares", spacing=4)) == "spacing=4"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"spacing": 9}, "positions must be 0 or from 2 to 7, which fit into 64 pixels with a spacing of 9"),
        ({"positions": 1}, "but 1 was given"),
        ({"spacing": 0}, "spacing must be from 1 to 56"),
        ({"positions": 58}, "positions must be from 0 to 57"),
        ({"size": 4}, "unknown parameter of dataset 'xysquares' 'size'"),
    ],
)
def test_what_does_not_fit_is_refused(values, sentence):
    with pytest.raises(InputError) as error:
        load_dataset("xysquares", **values)
    assert sentence in str(error.value)
