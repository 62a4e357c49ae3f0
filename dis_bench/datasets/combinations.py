"""Combinations of factor values, as users write them: ``shape=heart,scale<3``.

Conditions that commas join hold together, and `` or `` separates alternatives. A condition compares a factor
with ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; after the first two, ``|`` separates several values, and
``in`` is another word for ``=``. A value is a name, if the factor's values have names, or the number of a
class, counted from 0, unless there are numbers in the names. The classes of a categorical factor have no
order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError, shown, unknown

EXAMPLE = "shape=heart,scale<3"
LARGEST_TABLE = 1 << 22  # combinations of the factors of a rule, with a byte each

_CONDITION = re.compile(r"(?P<name>.+?)\s*(?P<sign><=|>=|!=|==|=|<|>|\sin\s)\s*(?P<values>.+)")
_OR = re.compile(r"\s+or\s+")
_SEPARATOR = re.compile(r"[,|]|\sor\s")  # of conditions, values and alternatives
_NUMBER = re.compile(r"\b[0-9]+\b")
_MOST_DIGITS = 9  # of the number of a class
_MOST_NAMED = 20  # values that a message lists
_COMPARED = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}

Conditions = list[tuple[str, str, str]]  # name of a factor, sign, and values as a text
Box = Mapping[str, np.ndarray]  # by factor, bool [size]: its classes that the conditions allow


def read_combinations(given: str) -> list[Conditions]:
    """Read conditions without knowing the factors: those of each alternative.

    Raises:
        InputError: it is not of this form.
    """
    alternatives = []
    for alternative in _OR.split(given.strip()):
        conditions: Conditions = []
        for text in alternative.split(","):
            found = _CONDITION.fullmatch(text.strip())
            if found is None:
                raise InputError(
                    "holdout must be a number between 0 and 1, the share of the images that are kept out of "
                    f"training, or a rule of factor values such as '{EXAMPLE}', but {shown(given)} was given."
                )
            sign = found["sign"].strip()
            conditions.append(
                (found["name"].strip(), {"==": "=", "in": "="}.get(sign, sign), found["values"])
            )
        alternatives.append(conditions)
    return alternatives


@dataclass(frozen=True, eq=False)
class Combinations:
    """A set of combinations of factor classes.

    Attributes:
        grid: the factors.
        places: of the factors that the rule names, in the grid's order.
        contained: bool, an axis for each of them: True for the combinations in the set.
        text: the rule in one spelling.
    """

    grid: FactorGrid
    places: tuple[int, ...]
    contained: np.ndarray
    text: str

    def contains(self, indices: np.ndarray) -> np.ndarray:
        """Return True for each index of an image in the set."""
        strides = np.array([self.grid.strides[place] for place in self.places])
        sizes = np.array([self.grid.sizes[place] for place in self.places])
        classes = np.asarray(indices)[:, None] // strides % sizes
        return np.asarray(self.contained[tuple(classes.T)])

    @property
    def size(self) -> int:
        """The number of images in the set."""
        return int(self.contained.sum()) * (len(self.grid) // self.contained.size)


def resolve_combinations(given: str, grid: FactorGrid) -> Combinations:
    """Resolve a rule for a grid.

    Args:
        given: as for :func:`read_combinations`.
        grid: the factors.

    Raises:
        InputError: as there; a factor or a value is unknown, an order is asked of a categorical factor, or no
            image, or every image, fulfils the rule.
    """
    factors = {factor.name: factor for factor in grid}
    boxes = _merge([_resolve_box(conditions, factors) for conditions in read_combinations(given)], factors)
    named = {name for box in boxes for name in box}
    names = [name for name in grid.names if name in named]
    sizes = [factors[name].size for name in names]
    if math.prod(sizes) > LARGEST_TABLE:
        raise InputError(
            f"holdout names the factors {', '.join(names)}, which have {math.prod(sizes):,} combinations, "
            f"more than {LARGEST_TABLE:,}; name fewer factors."
        )
    contained = np.zeros(sizes, dtype=bool)
    for box in boxes:
        every = [box.get(name, np.ones(factors[name].size, dtype=bool)) for name in names]
        contained[np.ix_(*every)] = True
    for found, word in ((contained.any(), "no"), (not contained.all(), "every")):
        if not found:
            raise InputError(f"holdout {shown(given)} holds out {word} image; write another rule.")
    texts = sorted(_write_box(box, factors) for box in boxes)
    places = tuple(grid.names.index(name) for name in names)
    return Combinations(grid, places, contained, " or ".join(texts))


def _resolve_box(conditions: Conditions, factors: dict[str, Factor]) -> Box:
    """Return the classes that the conditions of one alternative allow, by factor."""
    box: dict[str, np.ndarray] = {}
    for name, sign, values in conditions:
        if name not in factors:
            raise unknown("factor to hold out", name, factors)
        factor = factors[name]
        allowed = _compare(factor, sign, [value.strip() for value in values.split("|")])
        box[name] = box.get(name, np.ones(factor.size, dtype=bool)) & allowed
    return {name: allowed for name, allowed in box.items() if not allowed.all()}


def _merge(boxes: list[Box], factors: dict[str, Factor]) -> list[Box]:
    """Join boxes that differ in one factor, and drop those within another.

    Empty boxes are dropped, too. The order of the boxes changes nothing. Equal sets may still be boxes that
    overlap in several ways.
    """
    names = [name for name in factors if any(name in box for box in boxes)]
    if not names:
        return boxes[:1]
    ends = np.cumsum([factors[name].size for name in names])
    rows = [
        np.concatenate([box.get(name, np.ones(factors[name].size, dtype=bool)) for name in names])
        for box in boxes
        if all(allowed.any() for allowed in box.values())
    ]
    before = None
    while rows and len(rows) != before:
        before = len(rows)
        for name, end in zip(names, ends, strict=True):
            rows = _join(rows, slice(end - factors[name].size, end))
        every = np.stack(rows)  # all differ, so that one within another is within two, itself included
        rows = [row for row in rows if (row <= every).all(1).sum() == 1]
    split = [dict(zip(names, np.split(row, ends[:-1]), strict=True)) for row in rows]
    return [{name: allowed for name, allowed in box.items() if not allowed.all()} for box in split]


def _join(rows: list[np.ndarray], along: slice) -> list[np.ndarray]:
    """Join rows that are equal but for a slice, and so become one."""
    groups: dict[bytes, np.ndarray] = {}
    for row in rows:
        others = row.copy()
        others[along] = False
        key = others.tobytes()
        groups[key] = groups[key] | row if key in groups else row
    return [*groups.values()]


def _compare(factor: Factor, sign: str, values: list[str]) -> np.ndarray:
    """Return True for each class of a factor that fulfils a condition: bool [size]."""
    if sign in _COMPARED:
        if factor.kind == "categorical":
            raise InputError(
                f"factor '{factor.name}' is categorical, so its values have no order; use = or !=."
            )
        if len(values) > 1:
            raise InputError(f"'{sign}' compares factor '{factor.name}' with one value; use = for several.")
        return np.asarray(_COMPARED[sign](np.arange(factor.size), _find_class(factor, values[0])))
    among = np.isin(np.arange(factor.size), [_find_class(factor, value) for value in values])
    return ~among if sign == "!=" else among


def _find_class(factor: Factor, value: str) -> int:
    """Return the class that a text names."""
    names = _name_values(factor)
    if value in names:
        return names.index(value)
    # A number would have two readings where there are numbers in names, such as "toy 4".
    has_classes = not any(_NUMBER.search(name) for name in names)
    if has_classes and value.isdecimal() and len(value) <= _MOST_DIGITS and int(value) < factor.size:
        return int(value)
    there = ", ".join(names[:_MOST_NAMED]) + (", and others" if len(names) > _MOST_NAMED else "")
    classes = f"the classes 0 to {factor.size - 1}" if has_classes else ""
    raise InputError(
        f"factor '{factor.name}' has no value {shown(value)}; there are: "
        f"{', or '.join(filter(None, (there, classes)))}."
    )


def _name_values(factor: Factor) -> list[str]:
    """Return the names of a factor's values; empty if a rule cannot hold them."""
    are_words = all(
        isinstance(value, str) and value == value.strip() and not _SEPARATOR.search(value)
        for value in factor.values
    )
    return [str(value) for value in factor.values] if are_words else []


def _write_box(box: Box, factors: dict[str, Factor]) -> str:
    """Write the conditions of one alternative, in the grid's order."""
    return ",".join(_write_classes(factors[name], box[name]) for name in factors if name in box)


def _write_classes(factor: Factor, allowed: np.ndarray) -> str:
    """Write the allowed classes of a factor: as one end of an order, or one by one."""
    classes, count = np.flatnonzero(allowed), int(allowed.sum())
    is_ordered = factor.kind != "categorical" and 1 < count < factor.size
    if is_ordered and classes[-1] == count - 1:
        return f"{factor.name}<{count}"
    if is_ordered and classes[0] == factor.size - count:
        return f"{factor.name}>={classes[0]}"
    names = _name_values(factor)
    return f"{factor.name}={'|'.join(names[place] if names else str(place) for place in classes)}"
