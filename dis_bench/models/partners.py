"""Partners of images: draws by the published laws of pairs, in numpy on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from dis_bench.errors import InputError, unknown

Classes = np.ndarray  # int64 [B, F], of factors that vary


class Factors(Protocol):
    """The factors of a dataset, as draws see them: a grid, or labels."""

    sizes: tuple[int, ...]

    def __iter__(self) -> Iterator[Any]:
        """Yield factors, with ``size`` and ``kind``."""

    def factors(self, indices: Any) -> Any:
        """Return the factor classes [B, F] at indices [B]."""


@runtime_checkable
class Grid(Factors, Protocol):
    """The grid of a dataset, of which each combination of classes has an image."""

    def indices(self, factors: Any) -> Any:
        """Return the indices [B] of factor classes [B, F]."""


class Varying(NamedTuple):
    """The factors that take more than one value.

    Attributes:
        places: among all factors, int64 [V].
        sizes: number of values of each, int64 [V].
        ordered: False for categorical ones, bool [V].
    """

    places: np.ndarray
    sizes: np.ndarray
    ordered: np.ndarray


def list_varying(grid: Factors) -> Varying:
    """List the factors that take more than one value."""
    factors = [(place, factor) for place, factor in enumerate(grid) if factor.size > 1]
    return Varying(
        np.array([place for place, _ in factors], dtype=np.int64),
        np.array([factor.size for _, factor in factors], dtype=np.int64),
        np.array([factor.kind != "categorical" for _, factor in factors], dtype=bool),
    )


def draw_partners(law: str, rng: np.random.Generator, classes: Classes, varying: Varying) -> Classes:
    """Draw the partner of each image by a law.

    Args:
        law: one of :data:`dis_bench.models.pairs.LAWS`.
        rng: the cell's own generator.
        classes: of the first images, int64 [B, V].
        varying: what the V factors are.

    Returns:
        Classes of the partners, int64 [B, V].

    Raises:
        InputError: an unknown law, or one that moves ordered factors where there are none.
    """
    if law not in _LAWS:
        raise unknown("law of pairs", law, _LAWS)
    return _LAWS[law](rng, classes, varying)


def _change_one(rng: np.random.Generator, classes: Classes, varying: Varying) -> Classes:
    chosen = _choose(rng, classes.shape, np.ones(len(classes)))
    return np.where(chosen, _draw_others(rng, classes, varying), classes)


def _change_some(rng: np.random.Generator, classes: Classes, varying: Varying) -> Classes:
    chosen = _choose(rng, classes.shape, _count(rng, classes))
    return np.where(chosen, _draw_others(rng, classes, varying), classes)


def _change_as_in_code(rng: np.random.Generator, classes: Classes, varying: Varying) -> Classes:
    counts = np.where(rng.random(len(classes)) < 0.5, 1, _count(rng, classes))
    chosen = _choose(rng, classes.shape, counts)
    return np.where(chosen, rng.integers(0, varying.sizes, size=classes.shape), classes)


def _step(rng: np.random.Generator, classes: Classes, varying: Varying) -> Classes:
    ordered = np.flatnonzero(varying.ordered)
    if not len(ordered):
        raise InputError("the law LAP of pairs steps along ordered factors, but this dataset has none.")
    partners = classes.copy()
    for place in ordered:
        weights = _weigh_steps(int(varying.sizes[place]))
        partners[:, place] = _draw_by(rng, weights[classes[:, place]])
    still = np.flatnonzero((partners == classes).all(1))
    moved = rng.choice(ordered, size=len(still))
    for place in ordered:
        rows = still[moved == place]
        weights = _weigh_steps(int(varying.sizes[place]))
        np.fill_diagonal(weights, 0)
        partners[rows, place] = _draw_by(rng, weights[classes[rows, place]])
    return partners


_LAWS: dict[str, Callable[[np.random.Generator, Classes, Varying], Classes]] = {
    "k=1": _change_one,
    "k=random": _change_some,
    "locatello_code": _change_as_in_code,
    "LAP": _step,
    "UNI": _change_some,
}


def _count(rng: np.random.Generator, classes: Classes) -> np.ndarray:
    """Draw how many factors change in each row, from one to all but one."""
    return rng.integers(1, max(2, classes.shape[1]), size=len(classes))


def _choose(rng: np.random.Generator, shape: tuple[int, ...], counts: np.ndarray) -> np.ndarray:
    """Choose a number of columns in each row, uniform over their sets: bool [B, V]."""
    ranks = rng.random(shape).argsort(1).argsort(1)
    return np.asarray(ranks < counts[:, None])


def _draw_others(rng: np.random.Generator, classes: Classes, varying: Varying) -> Classes:
    """Draw another value for each class, uniform over the others."""
    return (classes + rng.integers(1, varying.sizes, size=classes.shape)) % varying.sizes


def _weigh_steps(size: int) -> np.ndarray:
    """Weigh the steps from each value of a factor to each: float64 [size, size]."""
    values = np.arange(size)
    return np.exp(-np.abs(values[:, None] - values) / np.log(size))


def _draw_by(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """Draw a column for each row of weights [B, size], in proportion to them."""
    ends = weights.cumsum(1)
    # below the last end, so that rounding cannot lead past the last column
    drawn = rng.random(len(weights)) * ends[:, -1]
    return np.asarray((ends[:, :-1] <= drawn[:, None]).sum(1))
