"""Factors and their grid, which maps indices to combinations of factor classes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dis_bench.errors import InputError, check_line, shown, unknown

if TYPE_CHECKING:
    import torch

    Integers = TypeVar("Integers", np.ndarray, torch.Tensor)

KINDS = ("categorical", "ordinal", "circular")


@dataclass(frozen=True)
class Factor:
    """A generative factor: a finite list of values, one of which each image has.

    Attributes:
        name: as in the dataset's own file or paper.
        size: the number of classes.
        values: the meaning of the classes 0 .. size - 1, as numbers or words.
        kind: ``categorical`` (unordered), ``ordinal`` (ordered), or ``circular`` (ordered, with the last
            class next to the first).

    Raises:
        InputError: the name is no printable line of text, the kind is unknown, or the number of values is not
            the size or is zero.
    """

    name: str
    size: int
    values: tuple[Any, ...]
    kind: str

    def __post_init__(self) -> None:
        check_line("the name of a factor", self.name)  # as records demand it, after hours of training
        if self.kind not in KINDS:
            raise unknown("factor kind", self.kind, KINDS)
        if self.size < 1 or len(self.values) != self.size:
            raise InputError(
                f"factor '{self.name}' has size {self.size} and {len(self.values)} values: "
                "it needs one value per class, and at least one class."
            )

    @classmethod
    def spaced(cls, name: str, size: int, first: float, last: float, kind: str = "ordinal") -> Factor:
        """Return a factor with evenly spaced values from ``first`` to ``last``."""
        return cls(name, size, tuple(np.linspace(first, last, size).tolist()), kind)


class Factors:
    """Factors of images, in order: what a grid and labels have in common.

    Attributes:
        names, sizes: of the factors.

    Args:
        factors: the factors.
        what: what has them, for messages.

    Raises:
        InputError: there is no factor, or two have the same name.
    """

    def __init__(self, factors: Sequence[Factor], what: str) -> None:
        names = [factor.name for factor in factors]
        if not names or len(set(names)) != len(names):
            raise InputError(f"{what} factors with different names, but {names} was given.")
        self._factors = tuple(factors)
        self.names = tuple(names)
        self.sizes = tuple(factor.size for factor in factors)

    def __iter__(self) -> Iterator[Factor]:
        return iter(self._factors)

    def __len__(self) -> int:
        """Return the number of images."""
        raise NotImplementedError

    def factors(self, indices: Any) -> Any:
        """Return the factor classes at each index.

        Args:
            indices: ``[B]``, integers in 0 .. len - 1; a numpy array (or list) or a torch tensor.

        Returns:
            int64 ``[B, F]``, from the same library and on the same device.

        Raises:
            InputError: the indices are not integers, do not have exactly one axis, or are out of range.
        """
        return self._find_classes(check_indices(indices, len(self)))

    def _find_classes(self, indices: Any) -> Any:
        """Return the classes int64 ``[B, F]`` at checked indices ``[B]``."""
        raise NotImplementedError


class FactorGrid(Factors):
    """The Cartesian product of factors in row-major order: the last varies fastest.

    Args:
        factors: the factors, slowest first.

    >>> grid = FactorGrid([Factor("shape", 2, ("square", "heart"), "categorical"),
    ...                    Factor("x", 3, (0.0, 0.5, 1.0), "ordinal")])
    >>> len(grid), grid.factors(np.array([4])).tolist(), grid.indices(np.array([[1, 1]])).tolist()
    (6, [[1, 1]], [4])
    """

    def __init__(self, factors: list[Factor] | tuple[Factor, ...]) -> None:
        super().__init__(factors, "a grid needs")
        self.strides = tuple(math.prod(self.sizes[i + 1 :]) for i in range(len(self.sizes)))

    def __len__(self) -> int:
        return math.prod(self.sizes)

    def __repr__(self) -> str:
        return "FactorGrid(" + " x ".join(f"{factor.name} {factor.size}" for factor in self) + ")"

    def _find_classes(self, indices: Any) -> Any:
        return indices[:, None] // _beside(indices, self.strides) % _beside(indices, self.sizes)

    def find_other(self, values: np.ndarray) -> str | None:
        """Find a factor whose values are not in the order of the grid.

        Args:
            values: ``[N, F]``, a value of each factor in each image of the grid; their ranks are the classes.

        Returns:
            The factor's name, or None if all are in order.
        """
        classes = self.factors(np.arange(len(self)))
        for name, own, expected in zip(self.names, values.T, classes.T, strict=True):
            if (np.unique(own, return_inverse=True)[1] != expected).any():
                return name
        return None

    def indices(self, factors: Integers) -> Integers:
        """Return the index of each combination of factor classes.

        This is the inverse of :meth:`factors`.

        Args:
            factors: ``[B, F]``, integers, column i in 0 .. sizes[i] - 1; numpy (or lists) or torch.

        Returns:
            int64 ``[B]``, from the same library and on the same device.

        Raises:
            InputError: the factors are not integers, not ``[B, F]``, or outside their range.
        """
        factors = _integers(factors, "factors")
        if factors.ndim != 2 or factors.shape[1] != len(self.sizes):
            raise InputError(
                f"factors must have shape [B, {len(self.sizes)}] ({', '.join(self.names)}), "
                f"but shape {list(factors.shape)} was given."
            )
        wrong = (factors < 0) | (factors >= _beside(factors, self.sizes))
        if wrong.any():
            row, column = divmod(int(wrong.ravel().nonzero()[0][0]), len(self.sizes))
            raise InputError(
                f"factor '{self.names[column]}' must be from 0 to {self.sizes[column] - 1}, "
                f"but {int(factors[row, column])} was given in row {row}."
            )
        return (factors * _beside(factors, self.strides)).sum(1)


def check_indices(indices: Any, count: int) -> Any:
    """Convert indices of images to int64, as an array or on their device as a tensor.

    Args:
        indices: ``[B]``, a numpy array (or list) or a torch tensor.
        count: number of images.

    Raises:
        InputError: they are not integers, do not have exactly one axis, or are out of range.
    """
    indices = _integers(indices, "indices")
    if indices.ndim != 1:
        raise InputError(f"indices must have one axis [B], but shape {list(indices.shape)} was given.")
    if len(indices) and not 0 <= indices.min() <= indices.max() < count:
        raise InputError(
            f"indices must be from 0 to {count - 1}, but {int(indices.min())} to {int(indices.max())} were "
            "given."
        )
    return indices


def _is_tensor(numbers: Any) -> bool:
    # A caller with a tensor has imported torch; the grid itself must not.
    return "torch" in sys.modules and isinstance(numbers, sys.modules["torch"].Tensor)


def _integers(numbers: Any, what: str) -> Any:
    """Convert to int64; a tensor stays a tensor, anything else becomes a numpy array."""
    if _is_tensor(numbers):
        is_whole = "int" in str(numbers.dtype) and not numbers.is_quantized
        if not is_whole and numbers.numel():
            raise InputError(f"{what} must be integers, but {numbers.dtype} was given.")
        return numbers.to_dense().long()
    try:
        given = np.asarray(numbers)
    except (ValueError, TypeError, OverflowError):  # rows of different lengths
        raise InputError(f"{what} must be an array of integers, but {shown(numbers)} was given.") from None
    if given.size and given.dtype.kind not in "iu":
        has = given.dtype if given.ndim else shown(numbers)
        raise InputError(f"{what} must be integers, but {has} was given.")
    return np.array(given, np.int64, order="C")  # torch takes no other order of bytes, nor negative strides


def _beside(numbers: Any, row: tuple[int, ...]) -> Any:
    """Convert ``row`` to the library and device of ``numbers``."""
    return numbers.new_tensor(row) if _is_tensor(numbers) else np.array(row)
