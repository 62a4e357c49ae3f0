"""Pairs of images: each law draws what it says, from the cell's own generator."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, laplace

from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError
from dis_bench.models.draws import Draws
from dis_bench.models.pairs import LAWS
from dis_bench.models.partners import draw_partners, list_varying
from tests.tiny import Tiny

GRID = FactorGrid(
    [
        Factor("shape", 2, ("square", "heart"), "categorical"),
        Factor("still", 1, (0,), "ordinal"),
        Factor("size", 3, (0, 1, 2), "ordinal"),
        Factor("angle", 4, (0, 1, 2, 3), "circular"),
    ]
)
SIZES = (2, 3, 4)  # of the factors that vary
START = (1, 0, 2)
ALL = list(itertools.product(*map(range, SIZES)))
ROWS = 20_000


def differing(partner):
    return [place for place, (old, new) in enumerate(zip(START, partner, strict=True)) if old != new]


def number_of_sets(size):
    return len(list(itertools.combinations(range(3), size)))


def probability_of_others(partner, weights):
    """Return the probability where a set of factors of a drawn size takes other values."""
    changed = differing(partner)
    weight = weights.get(len(changed), 0.0) / max(1, number_of_sets(len(changed)))
    return weight * np.prod([1 / (SIZES[place] - 1) for place in changed])


def probability_in_code(partner):
    """Return the probability where a set of factors takes any values, the old ones included."""
    total = 0.0
    for size, weight in ((1, 0.75), (2, 0.25)):  # one with a half, else one or two
        for chosen in itertools.combinations(range(3), size):
            if set(differing(partner)) <= set(chosen):
                total += weight / number_of_sets(size) * np.prod([1 / SIZES[place] for place in chosen])
    return total


def step_weights(place):
    density = laplace.pdf(np.arange(SIZES[place]), loc=START[place], scale=np.log(SIZES[place]))
    return density / density.sum()


def probability_of_steps(partner):
    """Return the probability of truncated Laplace steps in size and angle, at least one of them."""
    if partner[0] != START[0]:
        return 0.0
    steps = {place: step_weights(place) for place in (1, 2)}
    moved = bool(differing(partner))
    free = moved * np.prod([steps[place][partner[place]] for place in (1, 2)])
    still = np.prod([steps[place][START[place]] for place in (1, 2)])
    if len(differing(partner)) == 1:
        [place] = differing(partner)
        free += still / 2 * steps[place][partner[place]] / (1 - steps[place][START[place]])
    return free


EXACT = {
    "k=1": lambda partner: probability_of_others(partner, {1: 1.0}),
    "k=random": lambda partner: probability_of_others(partner, {1: 0.5, 2: 0.5}),
    "UNI": lambda partner: probability_of_others(partner, {1: 0.5, 2: 0.5}),
    "locatello_code": probability_in_code,
    "LAP": probability_of_steps,
}


@pytest.mark.parametrize("law", LAWS)
def test_partners_follow_their_law(law):
    expected = np.array([EXACT[law](partner) for partner in ALL])
    assert expected.sum() == pytest.approx(1)
    start = np.tile(START, (ROWS, 1))
    drawn = draw_partners(law, np.random.default_rng(0), start, list_varying(GRID))
    counts = Counter(map(tuple, drawn.tolist()))
    found = np.array([counts[partner] for partner in ALL])
    possible = expected > 0
    assert not found[~possible].any()
    assert chisquare(found[possible], ROWS * expected[possible]).pvalue > 1e-3


@pytest.mark.parametrize("law", LAWS)
def test_pairs_say_what_changed(law):
    pairs = Draws(len(GRID), 500, 4, seed=0, grid=GRID).pairs(law)
    first, second = GRID.factors(pairs.images).chunk(2)
    assert torch.equal(pairs.changed, (first != second)[:, [0, 2, 3]])
    assert first.unique(dim=0).shape[0] == len(GRID)  # first images are all images
    counts = pairs.changed.sum(1)
    assert counts.min() == (0 if law == "locatello_code" else 1)
    assert (counts == 1).all() == (law == "k=1")


def test_a_factor_of_one_value_takes_no_part():
    assert list_varying(GRID).places.tolist() == [0, 2, 3]
    only = FactorGrid([Factor("still", 1, (0,), "ordinal"), Factor("x", 5, (0, 1, 2, 3, 4), "ordinal")])
    for law in LAWS:
        changed = Draws(5, 200, 2, seed=0, grid=only).pairs(law).changed
        assert changed.shape == (200, 1)
        assert changed.all() == (law != "locatello_code")


def test_steps_need_an_ordered_factor():
    unordered = FactorGrid([Factor("shape", 3, (0, 1, 2), "categorical")])
    with pytest.raises(
        InputError, match="LAP of pairs steps along ordered factors, but this dataset has none"
    ):
        Draws(3, 4, 2, seed=0, grid=unordered).pairs("LAP")


def test_an_unknown_law_is_refused():
    with pytest.raises(InputError, match="unknown law of pairs 'k=2'"):
        Draws(len(GRID), 4, 2, seed=0, grid=GRID).pairs("k=2")


def test_draws_without_factors_are_refused():
    for draw in (lambda draws: draws.pairs("k=1"), Draws.sharing):
        with pytest.raises(InputError, match="pairs and labels need factors, but this dataset has none"):
            draw(Draws(100, 4, 2, seed=0))


def test_images_that_share_differ_in_one_factor():
    draws = Draws(len(GRID), 64, 2, seed=0, grid=GRID)
    places = []
    for _ in range(100):
        images, varying = draws.sharing()
        classes = GRID.factors(images)
        place = [0, 2, 3][varying]
        others = [column for column in range(4) if column != place]
        assert len(classes[:, others].unique(dim=0)) == 1
        assert len(classes[:, place].unique()) == GRID.sizes[place]
        places.append(place)
    assert set(places) == {0, 2, 3}


def test_images_that_share_differ_in_a_factor_that_still_varies():
    """A rule leaves one value of the size, so that it is never the one that varies."""
    draws = Draws(
        len(GRID), 16, 2, 0, lambda indices: GRID.factors(np.asarray(indices))[:, 2] == 1, grid=GRID
    )
    places = [int(draws.sharing().varying) for _ in range(60)]
    assert set(places) == {0, 2}


def test_looking_for_factors_that_vary_changes_no_draw():
    """Cells with and without a holdout draw the same numbers as before there were such rules."""
    place, seen = [0, 2, 3], []
    rng = np.random.default_rng(7)
    for _ in range(5):
        number = int(rng.integers(3))
        classes = GRID.factors(rng.integers(0, len(GRID), size=1)).repeat(GRID.sizes[place[number]], 0)
        classes[:, place[number]] = np.arange(len(classes))
        seen.append(rng.choice(GRID.indices(classes), size=16).tolist())
    for keeps in (None, lambda indices: np.ones(len(indices), dtype=bool)):
        draws = Draws(len(GRID), 16, 2, 7, keeps, grid=GRID)
        assert [draws.sharing().images.tolist() for _ in range(5)] == seen


def test_pairs_go_on_from_a_state_as_if_never_stopped():
    draws = Draws(len(Tiny.grid), 16, 3, seed=5, grid=Tiny.grid)
    draws.pairs("LAP")
    state = draws.state()
    expected = [draws.pairs("k=random"), draws.pairs("LAP")]
    again = Draws(len(Tiny.grid), 16, 3, seed=0, grid=Tiny.grid)
    again.restore(state)
    for pairs, law in zip(expected, ("k=random", "LAP"), strict=True):
        assert torch.equal(again.pairs(law).images, pairs.images)


def test_pairs_leave_the_global_streams_alone():
    before = np.random.get_state(legacy=False)["state"]["pos"]  # noqa: NPY002
    Draws(len(GRID), 64, 2, seed=0, grid=GRID).pairs("locatello_code")
    assert np.random.get_state(legacy=False)["state"]["pos"] == before  # noqa: NPY002


def keep_even(indices):
    return np.asarray(indices) % 2 == 0


@pytest.mark.parametrize("law", ["k=1", "LAP"])
def test_no_image_of_a_pair_is_held_out(law):
    draws = Draws(len(GRID), 500, 4, 0, keep_even, grid=GRID)
    assert keep_even(draws.pairs(law).images).all()
    assert keep_even(draws.sharing().images).all()


def test_pairs_of_images_to_train_on_follow_their_law():
    """Of the pairs that the law gives, those of kept images, in the same proportions."""
    draws = Draws(len(GRID), ROWS, 4, 0, keep_even, grid=GRID)
    counts = Counter(zip(*draws.pairs("k=1").images.view(2, -1).tolist(), strict=True))
    whole = {}
    for first, second in itertools.product(np.arange(0, 24, 2), repeat=2):
        one, other = GRID.factors(np.array([first, second]))[:, [0, 2, 3]]
        [*changed] = np.flatnonzero(one != other)
        if len(changed) == 1:
            whole[first, second] = 1 / (SIZES[changed[0]] - 1)
    expected = np.array([*whole.values()])
    found = np.array([counts[pair] for pair in whole])
    assert sum(counts.values()) == found.sum()
    assert chisquare(found, ROWS * expected / expected.sum()).pvalue > 1e-3


def test_where_no_pair_is_left_that_is_said():
    draws = Draws(len(GRID), 4, 4, 0, lambda indices: np.asarray(indices) == 3, grid=GRID)
    with pytest.raises(InputError, match="no pairs by the law k=1 are left to train on: hold out fewer"):
        draws.pairs("k=1")
    with pytest.raises(InputError, match="no images that differ in one factor are left"):
        draws.sharing()
