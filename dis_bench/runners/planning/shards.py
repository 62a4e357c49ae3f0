"""Parts of a study for the tasks of an array job, and lists of seeds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dis_bench.errors import InputError, shown
from dis_bench.records.cell import Cell

MOST_SHARDS = 100_000
MOST_SEEDS = 10_000
LARGEST_SEED = 2**31 - 1

_SHARD = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*")
_RANGE = re.compile(r"\s*([0-9]{1,19})\s*(?:-\s*([0-9]{1,19})\s*)?")
_COUNT = re.compile(r"\s*[0-9]{1,19}\s*")


class Shard(NamedTuple):
    """A part of a study.

    Attributes:
        number: its number, from 1.
        of: number of parts.
    """

    number: int
    of: int

    def choose(self, cells: Iterable[Cell]) -> tuple[Cell, ...]:
        """Return the cells of this part, which are the same on every machine.

        A hash of the cell's identity without precision and kernels decides, and nothing else.
        """
        return tuple(cell for cell in cells if int(cell.hash_anywhere(), 16) % self.of == self.number - 1)


def read_shard(given: Any) -> Shard:
    """Return the part that a text such as ``3/8`` names.

    Raises:
        InputError: it names none.
    """
    match = _SHARD.fullmatch(given) if isinstance(given, str) else None
    shard = None if match is None else Shard(int(match[1]), int(match[2]))
    if shard is None or not 1 <= shard.number <= shard.of <= MOST_SHARDS:
        raise InputError(
            f"shard must be i/N, such as 3/8, with i from 1 to N and N at most {MOST_SHARDS:,}, but "
            f"{shown(given)} was given."
        )
    return shard


def list_seeds(given: Any) -> tuple[int, ...]:
    """Return the seeds that an option names.

    Args:
        given: ``5`` for the seeds 0 to 4; a text such as ``0-49``, ``3,7`` or ``0-4,9``; or a list of seeds.
            A text of a single number is a number of seeds.

    Raises:
        InputError: it names none, or one of them twice.
    """
    if isinstance(given, str) and _COUNT.fullmatch(given):
        given = int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        _check_count(given)
        return tuple(range(given))
    if isinstance(given, str):
        seeds = [seed for part in given.split(",") for seed in _read_range(given, part)]
    elif isinstance(given, Sequence) and not isinstance(given, bytes) and given:
        if not all(isinstance(seed, int) and not isinstance(seed, bool) for seed in given):
            raise _refused(given)
        seeds = list(given)
    else:
        raise _refused(given)
    _check_count(len(seeds))
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise InputError(f"a seed must be between 0 and {LARGEST_SEED:,}, but {shown(seed)} was given.")
    if len(set(seeds)) < len(seeds):
        twice = next(seed for place, seed in enumerate(seeds) if seed in seeds[:place])
        raise InputError(f"seeds must differ, but {twice} was given twice.")
    return tuple(seeds)


def _read_range(given: str, part: str) -> Sequence[int]:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise _refused(given)
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if last < first:
        raise InputError(f"a range of seeds must not fall, but {shown(part.strip())} was given.")
    _check_count(last - first + 1)
    return range(first, last + 1)


def _check_count(count: int) -> None:
    if count < 1:
        raise InputError(f"seeds must be a whole number of at least 1, but {shown(count)} was given.")
    if count > MOST_SEEDS:
        raise InputError(f"seeds must be at most {MOST_SEEDS:,}, but {shown(count)} was given.")


def _refused(given: Any) -> InputError:
    return InputError(
        f"seeds must be a number of seeds, such as 5, a range, such as 0-49, or a list, such as 3,7, but "
        f"{shown(given)} was given."
    )
