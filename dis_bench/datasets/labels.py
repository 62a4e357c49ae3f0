"""Labels of images that have no grid of factors: the classes of each image, one by one."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from numbers import Integral
from typing import Any

import numpy as np

from dis_bench.datasets.grid import Factor, Factors
from dis_bench.errors import InputError, shown

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,4})?", re.IGNORECASE)


class Labels(Factors):
    """Factors of images that are known image by image, in any proportion.

    Metrics score labels like factors. Unlike a grid, labels have no image for each combination of classes, so
    nothing can be swept, and no pairs can be drawn by them.

    Args:
        factors: what the columns are.
        classes: whole numbers ``[N, F]``; column i in 0 .. size - 1 of factor i.

    Raises:
        InputError: there is no factor, two have the same name, or a class is out of range.
    """

    def __init__(self, factors: Sequence[Factor], classes: np.ndarray) -> None:
        super().__init__(factors, "labels need")
        names = self.names
        classes = np.asarray(classes)
        if classes.ndim != 2 or classes.shape[1] != len(names) or classes.dtype.kind not in "iu":
            raise InputError(
                f"labels must be whole numbers [N, {len(names)}] ({', '.join(names)}), but an array of "
                f"{classes.dtype} {list(classes.shape)} was given."
            )
        wrong = np.argwhere((classes < 0) | (classes >= np.array(self.sizes)))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"label '{names[column]}' must be from 0 to {self.sizes[column] - 1}, but image {row} has "
                f"{classes[row, column]}."
            )
        self._classes = classes.astype(np.min_scalar_type(max(self.sizes)))

    def __len__(self) -> int:
        return len(self._classes)

    def __repr__(self) -> str:
        return "Labels(" + ", ".join(f"{factor.name} {factor.size}" for factor in self) + ")"

    def _find_classes(self, indices: Any) -> Any:
        if isinstance(indices, np.ndarray):
            return self._classes[indices].astype(np.int64)
        classes = self._classes[indices.cpu().numpy()].astype(np.int64)
        return indices.new_tensor(classes) if len(classes) else indices.new_zeros((0, len(self.sizes)))

    def take(self, rows: np.ndarray) -> Labels:
        """Return the labels of some images ``[n]``, in that order."""
        return Labels(self._factors, self._classes[rows])

    @property
    def fingerprint(self) -> str:
        """A short text that changes with names, values and classes."""
        described = repr([(factor.name, factor.values, factor.kind) for factor in self])
        classes = np.ascontiguousarray(self._classes.astype("<i4"))
        return hashlib.sha256(described.encode(errors="surrogateescape") + classes.tobytes()).hexdigest()[:16]


def name_classes(name: str, values: Sequence[str], *, merges: bool = True) -> tuple[Factor, np.ndarray]:
    """Make a factor of the texts of a column, and find the class of each.

    Numbers, such as ``-3``, ``0.5`` and ``1e-3``, are ordered by value, and make an ordinal factor, where "1"
    and "1.0" are the same. Other texts make a categorical one, ordered as Python orders them, and so do
    numbers that differ by less than floats can tell.

    Args:
        name: name of the factor.
        values: one text per image.
        merges: whether texts that are the same number are one class; otherwise they make the factor
            categorical.

    Returns:
        The factor, and the classes int64 ``[N]``.
    """
    found = sorted(set(values))
    numbers = _read_numbers(found)
    if numbers is None or not (merges or len({*numbers}) == len(found)):
        factor = Factor(name, len(found), tuple(found), "categorical")
        place: dict[str, int] = {text: number for number, text in enumerate(found)}
    else:
        distinct = sorted(set(numbers))
        factor = Factor(name, len(distinct), tuple(distinct), "ordinal")
        at = {number: place for place, number in enumerate(distinct)}
        place = {text: at[number] for text, number in zip(found, numbers, strict=True)}
    return factor, np.array([place[text] for text in values], dtype=np.int64)


def is_number(text: str) -> bool:
    """Return True for a number in plain digits that is finite."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _read_numbers(texts: Sequence[str]) -> list[float] | None:
    """Read plain numbers, the whole ones exactly.

    Returns:
        None if a text is no plain number, or if two different ones would become the same.
    """
    plain = [text.strip() for text in texts]
    if not all(map(is_number, plain)):
        return None
    exact = [Decimal(text) for text in plain]
    numbers = [int(one) if one == one.to_integral_value() else float(one) for one in exact]
    return numbers if len({*numbers}) == len({*exact}) else None


def make_labels(given: Any, count: int, names: Sequence[str] | None = None) -> Labels:
    """Make labels of an array of whole numbers or texts.

    Args:
        given: ``[N]`` or ``[N, F]``: a list, a numpy array or a torch tensor.
        count: N, the number of images.
        names: names of the F columns; ``label``, or ``label_0`` and so on, by default.

    Raises:
        InputError: another shape, values that are neither whole numbers nor texts, a name that cannot be
            printed, or as for :class:`Labels`.
    """
    table = _read_table(given)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or len(table) != count or not table.shape[1]:
        raise InputError(
            f"labels must be [N] or [N, F] with N = {count:,} images, but an array {list(table.shape)} was "
            "given."
        )
    width = table.shape[1]
    if names is None:
        names = ["label"] if width == 1 else [f"label_{column}" for column in range(width)]
    if isinstance(names, str) or len(names) != width or not all(isinstance(name, str) for name in names):
        raise InputError(f"names of labels must be {width} texts, but {shown(names)} was given.")
    pairs = [name_classes(name, column) for name, column in zip(names, table.T.tolist(), strict=True)]
    return Labels([factor for factor, _ in pairs], np.stack([classes for _, classes in pairs], axis=1))


def _read_texts(table: np.ndarray) -> np.ndarray:
    """Convert whole numbers and texts to texts.

    Raises:
        InputError: something else is among them, such as None or NaN for what is missing.
    """
    texts = []
    for value in table.flat:
        is_whole = isinstance(value, (Integral, np.bool_))
        is_whole = is_whole or (isinstance(value, (float, np.floating)) and float(value).is_integer())
        if not is_whole and not isinstance(value, str):
            raise InputError(
                f"labels must be whole numbers or texts, but an array of objects such as {shown(value)} was "
                "given."
            )
        texts.append(str(int(value)) if is_whole else str(value))
    return np.array(texts, dtype=str).reshape(table.shape)


def _read_table(given: Any) -> np.ndarray:
    """Convert labels to an array of texts."""
    if hasattr(given, "detach"):
        tensor = given.detach().cpu()
        given = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    if np.ma.is_masked(given):
        raise InputError("labels must be complete, but some of a masked array are masked: leave these out.")
    try:
        table = np.asarray(given)
        if table.dtype.kind == "U" and not isinstance(given, np.ndarray):
            table = np.asarray(given, dtype=object)  # else a NaN among texts would be the text "nan"
    except (ValueError, TypeError):  # rows of different lengths
        raise InputError(f"labels must be a table of whole numbers, but {shown(given)} was given.") from None
    if table.dtype.kind == "O":
        table = _read_texts(table)
    if table.dtype.kind == "f" and np.isfinite(table).all() and (table == np.rint(table)).all():
        is_wide = float(np.abs(table).max(initial=0)) >= 2**63
        table = table if is_wide else table.astype(np.int64)
    if table.dtype.kind not in "iubU":
        raise InputError(
            f"labels must be whole numbers or texts, but an array of {table.dtype} was given: cut continuous "
            "values into classes first, for example with numpy.digitize."
        )
    return (table.astype(np.int64) if table.dtype.kind == "b" else table).astype(str)
