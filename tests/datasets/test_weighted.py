"""Images by weight: the drawn table is the exact one, and whatever is not correlated stays uniform."""

import numpy as np
import pytest
from scipy import stats

from dis_bench.datasets import weighted
from dis_bench.datasets.combinations import resolve_combinations
from dis_bench.datasets.correlation import resolve_correlations
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.holdout import Holdout
from dis_bench.datasets.shapes3d.dataset import Shapes3D
from dis_bench.datasets.weighted import WeightedGrid, find_weights
from dis_bench.errors import InputError
from dis_bench.models.draws import Draws

DRAWN = 200_000
LEAST_P = 1e-4  # of a test that is true: seeds are fixed, so it passes always or never
FLOOR, WALL, SCALE, SHAPE = (
    Shapes3D.grid.names.index(name) for name in ("floor_hue", "wall_hue", "scale", "shape")
)


def draw(weights, grid, seed=0, count=DRAWN):
    return grid.factors(weights.draw(np.random.default_rng(seed), count))


def count_pairs(classes, places, grid):
    sizes = [grid.sizes[place] for place in places]
    cells = np.ravel_multi_index(classes[:, places].T, sizes)
    return np.bincount(cells, minlength=np.prod(sizes)).reshape(sizes)


def fits(counts, probabilities):
    """Return the p-value of Pearson's test, with cells of few expected draws pooled."""
    counts, expected = counts.reshape(-1), probabilities.reshape(-1) * counts.sum()
    assert (counts[expected == 0] == 0).all()
    common = expected >= 5
    observed = np.append(counts[common], counts[~common].sum())
    awaited = np.append(expected[common], expected[~common].sum())
    if awaited[-1] == 0:
        observed, awaited = observed[:-1], awaited[:-1]
    return stats.chisquare(observed, awaited).pvalue


def printed(grid, first, second, sigma):
    """Compute the table of Träuble et al. 2021 in plain numpy."""
    size, other = grid.sizes[first], grid.sizes[second]
    apart = np.arange(size)[:, None] - (size - 1) / (other - 1) * np.arange(other)
    table = np.exp(-(apart**2) / (2 * (sigma * (size - 1)) ** 2))
    return table / table.sum()


@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.4, 0.7])
def test_the_drawn_table_is_the_printed_one_and_the_rest_is_uniform(sigma):
    grid = Shapes3D.grid
    classes = draw(find_weights(grid, f"floor_hue~scale:{sigma}"), grid)
    table = printed(grid, FLOOR, SCALE, sigma)
    assert fits(count_pairs(classes, [FLOOR, SCALE], grid), table) > LEAST_P
    rest = [place for place in range(6) if place not in (FLOOR, SCALE)]
    for place in rest:
        uniform = np.full(grid.sizes[place], 1 / grid.sizes[place])
        assert fits(np.bincount(classes[:, place]), uniform) > LEAST_P
        for other in range(6):  # independent of every other factor
            if other != place:
                together = count_pairs(classes, [place, other], grid)
                assert stats.chi2_contingency(together).pvalue > LEAST_P
    together = count_pairs(classes, [FLOOR, SCALE], grid)
    assert stats.chi2_contingency(together[:, together.any(0)]).pvalue < 1e-9


def test_a_huge_width_is_uniform():
    grid = Shapes3D.grid
    weights = find_weights(grid, "floor_hue~scale:1e6,shape~wall_hue:dcf(1e9)")
    for table in weights.groups.values():
        assert table == pytest.approx(np.full(table.shape, 1 / table.size), rel=1e-9)
    classes = draw(weights, grid)
    counts = count_pairs(classes, [FLOOR, SCALE], grid)
    assert fits(counts, np.full(counts.shape, 1 / counts.size)) > LEAST_P


def test_a_tiny_width_leaves_the_line_alone():
    grid = FactorGrid([Factor(name, 7, (0,) * 7, "ordinal") for name in "abc"])
    classes = draw(find_weights(grid, "a~b:1e-300,b~c:inverse(1e-9)"), grid, count=5_000)
    assert (classes[:, 0] == classes[:, 1]).all()
    assert (classes[:, 1] == 6 - classes[:, 2]).all()
    assert fits(np.bincount(classes[:, 0]), np.full(7, 1 / 7)) > LEAST_P


def test_pairs_that_share_a_factor_have_the_product_of_their_weights():
    grid = Shapes3D.grid
    weights = find_weights(grid, "floor_hue~wall_hue:0.3,wall_hue~scale:0.2,shape~orientation:0.4")
    assert {places: table.shape for places, table in weights.groups.items()} == {
        (FLOOR, WALL, SCALE): (10, 10, 8),
        (SHAPE, 5): (4, 15),
    }
    product = printed(grid, FLOOR, WALL, 0.3)[:, :, None] * printed(grid, WALL, SCALE, 0.2)
    product /= product.sum()
    assert weights.groups[FLOOR, WALL, SCALE] == pytest.approx(product, rel=1e-9)
    classes = draw(weights, grid)
    assert fits(count_pairs(classes, [FLOOR, WALL, SCALE], grid), product) > LEAST_P
    assert stats.chi2_contingency(count_pairs(classes, [FLOOR, SHAPE], grid)).pvalue > LEAST_P


def test_a_rule_has_weight_0_and_the_rest_keeps_its_proportions():
    grid = Shapes3D.grid
    weights = find_weights(grid, "floor_hue~scale:0.3", "scale<3,shape=sphere")
    [(places, table)] = weights.groups.items()
    assert places == (FLOOR, SCALE, SHAPE)
    held = np.zeros((8, 4), dtype=bool)
    held[:3, 2] = True
    wanted = np.where(held, 0, printed(grid, FLOOR, SCALE, 0.3)[:, :, None] / 4)
    wanted /= wanted.sum()
    assert table == pytest.approx(wanted, rel=1e-9)
    classes = draw(weights, grid)
    assert not (held[classes[:, SCALE], classes[:, SHAPE]]).any()
    assert fits(count_pairs(classes, list(places), grid), wanted) > LEAST_P


def test_a_rule_alone_is_uniform_over_what_it_leaves_however_little_that_is():
    grid = DSprites.grid
    weights = find_weights(grid, "", "shape=square|ellipse or scale!=2")
    classes = draw(weights, grid, count=20_000)
    assert {(2, 2)} == {tuple(row) for row in classes[:, 1:3].tolist()}
    assert fits(np.bincount(classes[:, 4]), np.full(32, 1 / 32)) > LEAST_P


@pytest.mark.parametrize("pairs", ["a~b:0.2", "a~b:0.2,b~c:inverse(0.4)", "b~*:0.3"])
def test_the_probabilities_of_all_images_are_those_of_the_draws(pairs, monkeypatch):
    monkeypatch.setattr(weighted, "CHUNK", 7)
    grid = FactorGrid(
        [Factor(name, size, (0,) * size, "ordinal") for name, size in zip("abcd", (3, 4, 5, 1), strict=True)]
    )
    weights = find_weights(grid, pairs)
    every = np.arange(len(grid))
    probabilities = weights.weigh(every)
    assert probabilities.sum() == pytest.approx(1)
    drawn = weights.draw(np.random.default_rng(1), 50_000)
    assert fits(np.bincount(drawn, minlength=len(grid)), probabilities) > LEAST_P
    share = Holdout(len(grid), 0.5)
    kept = weights.sum_over(share.keeps)
    assert kept == pytest.approx(probabilities[share.keeps(every)].sum())
    assert 0 < kept < 1


def test_no_table_has_an_entry_for_every_image():
    weights = find_weights(DSprites.grid, "shape~scale:0.1,posX~posY:0.1")
    assert sum(table.size for table in weights.groups.values()) == 3 * 6 + 32 * 32


def test_what_cannot_be_drawn_is_refused():
    large = FactorGrid([Factor(name, 200, (0,) * 200, "ordinal") for name in "abc"])
    with pytest.raises(InputError, match="the factors a, b, c, which have 8,000,000 combinations"):
        find_weights(large, "a~b:0.2,b~c:0.2")
    grid = FactorGrid([Factor(name, 2, (0, 1), "ordinal") for name in "ab"])
    with pytest.raises(InputError, match="leave no combination of a, b with a weight"):
        find_weights(grid, "a~b:1e-300", "a=0,b=0 or a=1,b=1")


def test_batches_are_drawn_by_weight_from_the_cell_s_own_generator():
    grid = Shapes3D.grid
    weights = find_weights(grid, "floor_hue~scale:0.2")
    one, same = (Draws(len(grid), 500, 3, 5, grid=grid, propose=weights.draw) for _ in range(2))
    drawn = [one.images(rows=2) for _ in range(100)]
    state = one.state()
    after = one.images()
    assert [row.tolist() for row in drawn[:3]] == [same.images(rows=2).tolist() for _ in range(3)]
    same.restore(state)
    assert same.images().tolist() == after.tolist()
    classes = grid.factors(np.concatenate([row.numpy() for row in drawn]))
    assert fits(count_pairs(classes, [FLOOR, SCALE], grid), printed(grid, FLOOR, SCALE, 0.2)) > LEAST_P


def test_held_out_images_are_drawn_anew_and_the_rest_keeps_its_weight():
    grid = FactorGrid([Factor(name, 6, (0,) * 6, "ordinal") for name in "abc"])
    weights, held = find_weights(grid, "a~b:0.3"), Holdout(len(grid), 0.4)
    draws = Draws(len(grid), 50_000, 3, 0, held.keeps, grid=grid, propose=weights.draw)
    counts = np.bincount(draws.images().numpy(), minlength=len(grid))
    every = np.arange(len(grid))
    wanted = np.where(held.keeps(every), weights.weigh(every), 0)
    assert fits(counts, wanted / wanted.sum()) > LEAST_P


def test_the_first_images_of_pairs_are_drawn_by_weight_and_the_law_changes_them():
    grid = Shapes3D.grid
    weights = find_weights(grid, "floor_hue~scale:0.2")
    draws = Draws(len(grid), 50_000, 3, 0, grid=grid, propose=weights.draw)
    pairs = draws.pairs("k=1")
    first, second = (grid.factors(half.numpy()) for half in pairs.images.chunk(2))
    assert fits(count_pairs(first, [FLOOR, SCALE], grid), printed(grid, FLOOR, SCALE, 0.2)) > LEAST_P
    assert (pairs.changed.sum(1) == 1).all()
    floor = pairs.changed[:, FLOOR].numpy()
    moved = (second[floor, FLOOR] - first[floor, FLOOR]) % 10
    assert fits(np.bincount(moved, minlength=10)[1:], np.full(9, 1 / 9)) > LEAST_P  # an intervention


def test_no_pair_has_an_image_that_a_rule_holds_out():
    grid = Shapes3D.grid
    rule = resolve_combinations("shape=sphere,scale<3 or floor_hue>=8", grid)
    weights = WeightedGrid(grid, resolve_correlations("floor_hue~scale:0.4", grid), rule)
    draws = Draws(
        *(len(grid), 2_000, 3, 0), lambda indices: ~rule.contains(indices), grid=grid, propose=weights.draw
    )
    for law in ("k=1", "k=random", "LAP"):
        assert not rule.contains(draws.pairs(law).images.numpy()).any()
    assert not rule.contains(draws.sharing().images.numpy()).any()
    assert not rule.contains(draws.labelled(300, "perfect").images.numpy()).any()
