"""Labels of a few images: each quality is what it says, and the set stays the same through a training."""

import numpy as np
import pytest
import torch

from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError
from dis_bench.models.draws import Draws
from dis_bench.models.labels import QUALITIES, make_labels

GRID = FactorGrid(
    [
        Factor("shape", 3, (0, 1, 2), "categorical"),
        Factor("still", 1, (0,), "ordinal"),
        Factor("x", 32, tuple(range(32)), "ordinal"),
    ]
)
SIZES = np.array([3, 32])
CLASSES = GRID.factors(np.arange(len(GRID)))[:, [0, 2]]


def label(quality, classes=CLASSES, seed=0):
    return make_labels(quality, np.random.default_rng(seed), classes, SIZES)


def test_perfect_labels_go_from_zero_to_one():
    targets, observed = label("perfect")
    assert np.unique(targets[:, 0]).tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(targets[:, 1] * 31, CLASSES[:, 1], rtol=1e-6)
    assert observed.all()


def test_binned_labels_have_five_values_in_order():
    targets, _ = label("binned")
    assert np.unique(targets[:, 1]).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (targets[:, 0] == CLASSES[:, 0] / 2).all()  # fewer classes than bins stay
    order = np.argsort(CLASSES[:, 1], kind="stable")
    assert (np.diff(targets[order, 1]) >= 0).all()
    sizes = np.bincount((targets[:32, 1] * 4).astype(int))
    assert sizes.tolist() == [7, 6, 7, 6, 6]  # of labels // (32 / 5)


def test_a_tenth_of_noisy_labels_is_random():
    many = np.tile(CLASSES, (200, 1))
    wrong = (label("noisy", many).targets != label("perfect", many).targets).mean(0)
    assert wrong == pytest.approx(0.1 * (1 - 1 / SIZES), abs=0.006)  # of which some are right by chance


def test_permuted_labels_are_a_function_of_the_classes():
    targets, _ = label("permuted")
    pairs = {(*pair,) for pair in np.stack([CLASSES[:, 1], targets[:, 1]], 1).tolist()}
    assert len(pairs) == len({to for _, to in pairs}) == 32
    assert not np.allclose(targets, label("perfect").targets)


def test_partial_labels_are_of_two_factors():
    sizes, classes = np.array([3, 4, 5, 6]), np.zeros((7, 4), dtype=np.int64)
    seen = set()
    for seed in range(50):
        observed = make_labels("partial", np.random.default_rng(seed), classes, sizes).observed
        assert observed.sum() == 2
        seen.add(tuple(observed.tolist()))
    assert len(seen) == 6


def test_an_unknown_quality_is_refused():
    with pytest.raises(InputError, match="unknown quality of labels 'good'"):
        label("good")


@pytest.mark.parametrize("quality", QUALITIES)
def test_the_set_is_fixed_by_the_seed(quality):
    def of(draws):
        seen = {}
        for _ in range(20):
            images, targets, _ = draws.labelled(12, quality)
            for image, target in zip(images.tolist(), targets.tolist(), strict=True):
                assert seen.setdefault(image, target) == target
        return seen

    one = of(Draws(len(GRID), 16, 4, seed=3, grid=GRID))
    later = Draws(len(GRID), 16, 4, seed=3, grid=GRID)
    later.images()
    assert len(one) == 12
    assert of(later) == one
    assert of(Draws(len(GRID), 16, 4, seed=4, grid=GRID)).keys() != one.keys()


def test_drawing_goes_on_from_a_state():
    draws = Draws(len(GRID), 16, 4, seed=3, grid=GRID)
    draws.labelled(12, "noisy")
    again = Draws(len(GRID), 16, 4, seed=3, grid=GRID)
    again.restore(draws.state())
    for one, other in zip(draws.labelled(12, "noisy"), again.labelled(12, "noisy"), strict=True):
        assert torch.equal(one, other)


def test_no_labelled_image_is_held_out():
    draws = Draws(len(GRID), 500, 4, 0, lambda indices: np.asarray(indices) % 2 == 0, grid=GRID)
    images = draws.labelled(48, "perfect").images
    assert sorted(set(images.tolist())) == list(range(0, 96, 2))
    with pytest.raises(InputError, match="49 labelled images were asked for, but there are fewer"):
        draws.labelled(49, "perfect")
    with pytest.raises(InputError, match="1,000,000 labelled images were asked for"):
        draws.labelled(1_000_000, "perfect")
