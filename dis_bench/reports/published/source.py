"""Sources of published figures, read from TOML files and checked.

A source has tables; a table holds the rows of one dataset under one budget; a row has one figure per score.
Figures are written as they are printed, with the scale and offset that turn a printed number into a score
of ours: scale × number + offset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dis_bench.errors import InputError, blaming, check_line, shown, unknown
from dis_bench.toml_files import list_named, read_toml

FOLDER = Path(__file__).parent
Read = TypeVar("Read")

# What follows the ± of a figure; a range has two ends in place of one spread.
RANGE, NO_SPREAD = "range", "none"
SPREADS = ("standard deviation", "95 % interval", RANGE, "unknown", NO_SPREAD)
STATISTICS = ("mean", "median", "best of several", "unknown")
# The budget of a table; each key is also one of a cell's identity.
BUDGET = {
    "source": str,
    "network": str,
    "likelihood": str,
    "latent_size": int,
    "steps": int,
    "batch_size": int,
    "lr": float,
}
IMAGES = {"source": "official"}  # of a table that says nothing else: publications have the authors' images


@dataclass(frozen=True)
class Figure:
    """One published number, on the scale of our score.

    Attributes:
        value: the number.
        low, high: the ends of its spread; both NaN if it has none.
        is_range: whether the ends were printed, rather than a spread to either side.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    is_range: bool = False


@dataclass(frozen=True)
class Row:
    """The figures of one published method.

    Attributes:
        name: its name, as printed.
        model: the model of ours that it is; empty if there is none.
        hyperparameters: values that are known.
        grid: values that were tried, where the one behind the figures is not known.
        n: number of runs; None if unknown.
        figures: by score, the name of a column of ours.
    """

    name: str
    model: str
    hyperparameters: dict[str, Any]
    grid: dict[str, list[Any]]
    n: int | None
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Table:
    """Rows that share a dataset, a budget and a protocol.

    Attributes:
        where: where it is in the source.
        dataset: the dataset's name.
        dataset_parameters: values of the dataset's parameters, as records have them (``variant=complex``);
            empty if they are not known, or the defaults.
        statistic: what each figure is over its runs, one of :data:`STATISTICS`.
        spread: what its spread is, one of :data:`SPREADS`.
        budget: the known ones of :data:`BUDGET`.
        differences: sentences on what is unlike ours in this table only.
        rows: in their order.
    """

    where: str
    dataset: str
    statistic: str
    spread: str
    budget: dict[str, Any]
    differences: tuple[str, ...]
    rows: tuple[Row, ...]
    dataset_parameters: str = ""

    @property
    def data(self) -> str:
        """The dataset, with its parameters in brackets."""
        return f"{self.dataset} ({self.dataset_parameters})" if self.dataset_parameters else self.dataset


@dataclass(frozen=True)
class Source:
    """A publication and its figures.

    Attributes:
        name: the name by which it is asked for.
        title: authors or title, and year.
        arxiv: number at arXiv; empty if unknown.
        read: where the figures were read.
        second_hand: True if that is a third party's account.
        differences: sentences on how it trained and scored, where that is unlike ours, for all tables.
        tables: in their order.
    """

    name: str
    title: str
    arxiv: str
    read: str
    second_hand: bool
    differences: tuple[str, ...]
    tables: tuple[Table, ...] = field(repr=False)


@cache
def find_sources() -> dict[str, Path]:
    """Return the file of each source that comes with the package, sorted by name."""
    return list_named(FOLDER)


def read_sources(given: Iterable[str | Path]) -> list[Source]:
    """Read several sources, each once.

    Args:
        given: names or files, as for :func:`read_source`.

    Raises:
        InputError: one of them cannot be read, or two of them have the same name.
    """
    sources = [read_source(one) for one in dict.fromkeys(given)]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two sources of published figures are named '{name}': rename one of the files.")
    return sources


def read_source(given: str | Path) -> Source:
    """Read a source of published figures.

    Args:
        given: the name of one that comes with the package, or the path of a TOML file of the same form.

    Raises:
        InputError: it is neither, or the file is not of this form.
    """
    path, values = read_toml(given, find_sources(), "the source", "source or file of published figures")
    with blaming(f"the source '{path}'"):
        return _read(path.stem, values)


_OF_SOURCE = ("title", "arxiv", "read", "second_hand", "differences", "tables")
_OF_TABLE = (
    *("where", "dataset", "dataset_parameters", "statistic", "spread", "n", *BUDGET),
    *("differences", "scores", "rows"),
)
_OF_ROW = ("name", "model", "hyperparameters", "grid", "n", "values")


def _read(name: str, values: Mapping[str, Any]) -> Source:
    _check_keys("", values, _OF_SOURCE)
    return Source(
        name,
        _take(values, "title", str),
        _take(values, "arxiv", str, ""),
        _take(values, "read", str),
        _take(values, "second_hand", bool),
        _read_lines(values),
        _read_each("table", _take(values, "tables", list), _read_table),
    )


class _Column(NamedTuple):
    """The score of ours behind a printed column: scale × number + offset."""

    score: str
    scale: float
    offset: float


def _read_column(values: Any) -> _Column:
    _check_keys("a score", values, _Column._fields)
    scale, offset = _take(values, "scale", float, 1.0), _take(values, "offset", float, 0.0)
    return _Column(_take(values, "score", str), scale, offset)


def _check_columns(columns: Mapping[str, _Column]) -> None:
    first: dict[str, str] = {}
    for printed, column in columns.items():
        if column.score in first:
            raise InputError(
                f"two columns of a table must not be the same score, but {shown(first[column.score])} and "
                f"{shown(printed)} are both {shown(column.score)}; put one into a table of its own."
            )
        first[column.score] = printed


def _read_each(what: str, given: list[Any], read: Callable[[Any], Read]) -> tuple[Read, ...]:
    """Read each part of a list; a refusal begins with its number, from 1."""
    found = []
    for number, one in enumerate(given, 1):
        with blaming(f"{what} {number}"):
            found.append(read(one))
    return tuple(found)


def _read_table(values: Any) -> Table:
    _check_keys("a table", values, _OF_TABLE)
    spread, statistic = _take(values, "spread", str), _take(values, "statistic", str, "mean")
    for key, word, words in (("spread", spread, SPREADS), ("statistic", statistic, STATISTICS)):
        if word not in words:
            raise unknown(key, word, words)
    columns = _take(values, "scores", dict)
    scores = {printed: _read_column(column) for printed, column in columns.items()}
    _check_columns(scores)
    return Table(
        _take(values, "where", str),
        _take(values, "dataset", str),
        statistic,
        spread,
        IMAGES | {key: _take(values, key, kind) for key, kind in BUDGET.items() if key in values},
        _read_lines(values),
        _read_each(
            "row", _take(values, "rows", list), lambda row: _read_row(row, scores, spread, values.get("n"))
        ),
        _take(values, "dataset_parameters", str, ""),
    )


def _read_row(values: Any, columns: dict[str, _Column], spread: str, n: int | None) -> Row:
    _check_keys("a row", values, _OF_ROW)
    printed = _take(values, "values", dict)
    for name in printed:
        if name not in columns:
            raise unknown("score of the table", name, columns)
    grid = _take(values, "grid", dict, {})
    if not all(isinstance(some, list) and some for some in grid.values()):
        raise InputError(f"grid must hold a list of values for each hyperparameter, but is {shown(grid)}.")
    n = values.get("n", n)
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise InputError(f"n must be a whole number of at least 1, but {shown(n)} was given.")
    figures = {
        columns[name].score: _read_figure(name, columns[name], one, spread) for name, one in printed.items()
    }
    return Row(
        _take(values, "name", str),
        _take(values, "model", str, ""),
        _take(values, "hyperparameters", dict, {}),
        grid,
        n,
        figures,
    )


def _read_figure(name: str, column: _Column, given: Any, spread: str) -> Figure:
    """Read a number, alone, with its spread, or with the two ends of a range."""
    numbers: list[Any] = given if isinstance(given, list) else [given]
    allowed = (1,) if spread == NO_SPREAD else (1, 3) if spread == RANGE else (1, 2)
    finite = all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one) for one in numbers
    )
    if not finite or len(numbers) not in allowed:
        raise InputError(
            f"a figure of {name} must be a finite number, or a list of {allowed[-1]} where the spread is "
            f"'{spread}', but {shown(given)} was given."
        )
    # Twelve digits: 0.01 times 73.54 is 0.7354, whatever the last bits.
    value, *ends = (float(f"{column.scale * one + column.offset:.12g}") for one in numbers)
    if len(ends) == 1:
        deviation = float(f"{abs(column.scale) * numbers[1]:.12g}")
        if deviation < 0:
            raise InputError(f"a spread of {name} must not be negative, but {shown(given)} was given.")
        ends = [value - deviation, value + deviation]
    ends.sort()  # a negative scale exchanges them
    if ends and not ends[0] <= value <= ends[1]:
        raise InputError(f"a figure of {name} must lie within its range, but {shown(given)} was given.")
    low, high = ends or (math.nan, math.nan)
    return Figure(value, low, high, is_range=spread == RANGE and bool(ends))


def _read_lines(values: Mapping[str, Any]) -> tuple[str, ...]:
    lines = _take(values, "differences", list, [])
    for line in lines:
        check_line("each of differences", line)
    return tuple(lines)


_REQUIRED: Any = object()


def _take(values: Mapping[str, Any], key: str, kind: type, default: Any = _REQUIRED) -> Any:
    """Return a value of the required type; texts are single lines, numbers finite."""
    if key not in values:
        if default is _REQUIRED:
            raise InputError(f"{key} is missing.")
        return default
    value = values[key]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        wanted = names.get(kind, "a list" if kind is list else "a table")
        raise InputError(f"{key} must be {wanted}, but {shown(value)} was given.")
    if kind is str:
        check_line(key, value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{key} must be a finite number, but {shown(value)} was given.")
    return value


def _check_keys(what: str, values: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(values, Mapping):
        raise InputError(f"{what} must have keys with values, but {shown(values)} was given.")
    for key in values:
        if key not in allowed:
            raise unknown(f"key of {what}" if what else "key", key, allowed)
