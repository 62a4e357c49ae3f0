"""Images of a grid drawn by weight: correlated factors, and combinations left out.

The weights are a product of tables, one for each group of factors that pairs or a rule connect; all other
factors are uniform. So an image is drawn from a few small tables, never from a list of all images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from dis_bench.datasets.combinations import Combinations, resolve_combinations
from dis_bench.datasets.correlation import Pair, resolve_correlations
from dis_bench.datasets.grid import FactorGrid
from dis_bench.errors import InputError

LARGEST_TABLE = 1 << 22  # combinations of the factors of a group, with 16 bytes each
CHUNK = 1 << 20  # images that are weighed at a time, if all are


class WeightedGrid:
    """The images of a grid, with weights.

    Args:
        grid: the factors.
        pairs: correlated factors.
        without: combinations of weight 0.

    Attributes:
        groups: by the places of its factors, the probabilities of their combinations, with an axis for each.

    Raises:
        InputError: too many combinations are connected, or none has a weight.
    """

    def __init__(
        self, grid: FactorGrid, pairs: Sequence[Pair] = (), without: Combinations | None = None
    ) -> None:
        self._grid = grid
        self.groups = {
            places: _make_table(grid, places, pairs, without) for places in _connect(grid, pairs, without)
        }
        self._cumulated = {places: table.reshape(-1).cumsum() for places, table in self.groups.items()}
        grouped = {place for places in self.groups for place in places}
        self._free = np.array([place for place in range(len(grid.sizes)) if place not in grouped], dtype=int)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw the indices int64 [count] of images by weight, with replacement."""
        sizes, classes = np.array(self._grid.sizes), np.empty((count, len(self._grid.sizes)), dtype=np.int64)
        classes[:, self._free] = rng.integers(0, sizes[self._free], size=(count, len(self._free)))
        for places, ends in self._cumulated.items():
            # The first end above the drawn number: a combination of weight 0 has the end of the one before.
            found = ends.searchsorted(rng.random(count) * ends[-1], side="right")
            shape = self.groups[places].shape
            classes[:, places] = np.stack(np.unravel_index(found, shape), axis=1)
        return classes @ np.array(self._grid.strides)

    def weigh(self, indices: np.ndarray) -> np.ndarray:
        """Compute the probability of each image at indices [N]."""
        classes = self._grid.factors(indices)
        weights = np.full(len(indices), 1 / math.prod(self._grid.sizes[place] for place in self._free))
        for places, table in self.groups.items():
            weights *= table[tuple(classes[:, places].T)]
        return weights

    def sum_over(self, keeps: Callable[[np.ndarray], np.ndarray]) -> float:
        """Sum the probabilities of the images that a function of indices returns True for."""
        total = 0.0
        for start in range(0, len(self._grid), CHUNK):
            indices = np.arange(start, min(start + CHUNK, len(self._grid)))
            total += float(self.weigh(indices)[keeps(indices)].sum())
        return total


def _connect(
    grid: FactorGrid, pairs: Sequence[Pair], without: Combinations | None
) -> Iterator[tuple[int, ...]]:
    """Yield groups of factors, by place, that pairs or combinations connect."""
    links = [{grid.names.index(pair.first), grid.names.index(pair.second)} for pair in pairs]
    groups: list[set[int]] = []
    for link in [*links, *([] if without is None else [set(without.places)])]:
        apart = [group for group in groups if not group & link]
        groups = [*apart, link.union(*(group for group in groups if group & link))]
    yield from sorted(tuple(sorted(group)) for group in groups)


def _make_table(
    grid: FactorGrid, places: tuple[int, ...], pairs: Sequence[Pair], without: Combinations | None
) -> np.ndarray:
    """Compute the probabilities of a group, with an axis for each factor."""
    names, sizes = [grid.names[place] for place in places], [grid.sizes[place] for place in places]
    if math.prod(sizes) > LARGEST_TABLE:
        raise InputError(
            f"correlate and holdout connect the factors {', '.join(names)}, which have {math.prod(sizes):,} "
            f"combinations, more than {LARGEST_TABLE:,}; connect fewer factors."
        )
    weights = np.zeros(sizes)  # logarithms
    for pair in pairs:
        if pair.first in names:
            weights += _along(pair.weigh(grid), [names.index(pair.first), names.index(pair.second)], sizes)
    if without is not None and without.places[0] in places:
        held = _along(without.contained, [places.index(place) for place in without.places], sizes)
        weights = np.where(held, -np.inf, weights)
    if not np.isfinite(weights).any():
        raise InputError(
            f"correlate and holdout leave no combination of {', '.join(names)} with a weight; give larger "
            "widths, or another rule."
        )
    weights = np.exp(weights - weights.max())
    return np.asarray(weights / weights.sum())


def _along(table: np.ndarray, axes: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    """Lay a table of some factors, in order, along the axes of a group."""
    return table.reshape([sizes[axis] if axis in axes else 1 for axis in range(len(sizes))])


@lru_cache(maxsize=16)
def find_weights(grid: FactorGrid, correlate: str, without: str = "") -> WeightedGrid:
    """Return the weights of a dataset's images, which its cells share.

    Args:
        grid: the factors.
        correlate: pairs of factors; empty for none.
        without: a rule of the combinations to leave out; empty for none.
    """
    pairs = resolve_correlations(correlate, grid) if correlate else ()
    return WeightedGrid(grid, pairs, resolve_combinations(without, grid) if without else None)
