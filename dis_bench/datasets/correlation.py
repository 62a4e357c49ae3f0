"""Correlated factors: pairs of factors whose classes tend to be alike, by published laws.

With both classes scaled to u = class / (size - 1), from 0 to 1, a pair weighs exp(-d^2 / (2 sigma^2)):

- ``a~b:0.2``: d = u_a - u_b. This is the density of Träuble et al. 2021, exp(-(c_a - alpha c_b)^2 / (2 s^2))
  with alpha = max c_a / max c_b and classes as values c, where sigma = s / max c_a: the unit of sigma is the
  factor's range, in which the paper gives its 0.2, 0.4 and 0.7.
- ``a~b:dcf(0.1)``: the scaling of Roth et al. 2023, which is the same law, and therefore the same cell.
- ``a~b:inverse(0.1)``: d = u_a - (1 - u_b), their inverse correlation.
- ``a~b:indices(1.8)``: the density with s in classes of the first factor: sigma = s / (size - 1).

``a~*:0.2`` pairs a factor with each other one that varies: the confounder of Roth et al. The weight of an
image is the product over pairs; factors in no pair stay uniform and independent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError, shown, unknown

EXAMPLE = "floor_hue~scale:0.2"
LAWS = ("dcf", "inverse", "indices")
EVERY_OTHER = "*"

_LAW = re.compile(r"(?:(?P<law>\w+)\((?P<inside>[^()]*)\)|(?P<plain>[^()]*))")
_DIGITS = 10  # of sigma, so that one law has one spelling however it was given
_LEAST = 1e-300  # sigma, which no division may turn into 0


@dataclass(frozen=True)
class Pair:
    """Two correlated factors.

    Attributes:
        first, second: names of the factors, in the grid's order.
        sigma: standard deviation of the difference, in units of the factors' range.
        inverse: whether the second factor runs the other way.
    """

    first: str
    second: str
    sigma: float
    inverse: bool = False

    def __str__(self) -> str:
        sigma = _write(self.sigma)
        return f"{self.first}~{self.second}:{f'inverse({sigma})' if self.inverse else sigma}"

    def weigh(self, grid: FactorGrid) -> np.ndarray:
        """Compute the logarithm of the weight of each pair of classes: [size, size]."""
        ends = {name: size - 1 for name, size in zip(grid.names, grid.sizes, strict=True)}
        first, second = (np.arange(ends[name] + 1) for name in (self.first, self.second))
        if self.inverse:
            second = second[::-1]
        # In whole numbers, so that equal ones are equal however small sigma is.
        apart = first[:, None] * ends[self.second] - second * ends[self.first]
        with np.errstate(over="ignore"):  # then the weight is 0
            return np.asarray(-((apart / (ends[self.first] * ends[self.second]) / self.sigma) ** 2) / 2)


def read_correlations(given: str | Sequence[str]) -> list[tuple[str, str, str, float]]:
    """Read pairs without knowing the factors.

    Args:
        given: pairs such as ``floor_hue~scale:0.2``, in one text with commas or in several.

    Returns:
        For each pair both names, its law (empty for a plain sigma) and its number.

    Raises:
        InputError: it is not of this form, the law is unknown, or its number is not positive and finite.
    """
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"correlate must be texts such as '{EXAMPLE}', but {shown(given)} was given.")
    return [_read_pair(part.strip()) for text in texts for part in text.split(",")]


def _read_pair(text: str) -> tuple[str, str, str, float]:
    names, colon, law = text.rpartition(":")
    first, tilde, second = (part.strip() for part in names.partition("~"))
    found = _LAW.fullmatch(law.strip())
    if not (colon and tilde and first and second and found):
        raise InputError(
            f"correlate takes pairs of factors with a width, such as '{EXAMPLE}', but {shown(text)} was "
            "given."
        )
    if found["law"] is not None and found["law"] not in LAWS:
        raise unknown("law of correlated factors", found["law"], LAWS)
    number = found["plain"] if found["law"] is None else found["inside"]
    try:
        sigma = float(number)
    except ValueError:
        sigma = math.nan
    if not 0 < sigma < math.inf:
        raise InputError(
            f"the width of correlated factors must be a positive, finite number, but {shown(number)} was "
            f"given in '{text}'; without a pair, factors are independent."
        )
    return first, second, found["law"] or "", sigma


def resolve_correlations(given: str | Sequence[str], grid: FactorGrid) -> tuple[Pair, ...]:
    """Resolve pairs of factors for a grid, in one order and one spelling.

    Args:
        given: as for :func:`read_correlations`.
        grid: the factors.

    Raises:
        InputError: as there; a factor is unknown, has a single value, or is paired with itself; or a pair is
            given twice, in either order.
    """
    factors = {factor.name: factor for factor in grid}
    found: dict[tuple[str, str], Pair] = {}
    for first, second, law, width in read_correlations(given):
        for other in _list_partners(first, second, factors):
            pair = _make_pair(factors[first], factors[other], law, width, grid)
            if (pair.first, pair.second) in found:
                raise InputError(
                    f"correlate has the factors '{pair.first}' and '{pair.second}' twice; give a pair once, "
                    "in either order."
                )
            found[pair.first, pair.second] = pair
    places = {name: place for place, name in enumerate(grid.names)}
    return tuple(sorted(found.values(), key=lambda pair: (places[pair.first], places[pair.second])))


def _list_partners(first: str, second: str, factors: dict[str, Factor]) -> Iterator[str]:
    """Yield the factors that a pair's second name stands for."""
    named = [first] if second == EVERY_OTHER else [first, second]
    for name in named:
        if name not in factors:
            raise unknown("factor to correlate", name, factors)
        if factors[name].size < 2:
            raise InputError(f"factor '{name}' has a single value, so it cannot be correlated.")
    if first == second:
        raise InputError(f"correlate pairs factor '{first}' with itself; name two factors.")
    if second != EVERY_OTHER:
        yield second
        return
    yield from (name for name, factor in factors.items() if name != first and factor.size > 1)


def _make_pair(first: Factor, second: Factor, law: str, width: float, grid: FactorGrid) -> Pair:
    sigma = max(width / (first.size - 1) if law == "indices" else width, _LEAST)
    if grid.names.index(second.name) < grid.names.index(first.name):  # the law is symmetric
        first, second = second, first
    return Pair(first.name, second.name, float(_write(sigma)), law == "inverse")


def _write(sigma: float) -> str:
    return f"{sigma:.{_DIGITS}g}"


def describe_correlations(pairs: Sequence[Pair]) -> str:
    """Return pairs as the text of a cell, from which they can be resolved again."""
    return ",".join(map(str, pairs))
