"""Schedules: hyperparameters whose value follows the progress of training.

A schedule is a function of progress alone, which runs from 0 at the first step to 1 at the last, so a resumed
training needs no state of it. Users write it in place of a value: ``--set "betavae.beta=linear(0,4,0.1)"``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from dis_bench.errors import InputError, shown, unknown

MOST_CYCLES = 10_000

# Forms of a cycle's rise, as functions of the share of it that is over (the code of Fu et al. 2019).
FORMS: dict[str, Callable[[float], float]] = {
    "linear": lambda share: share,
    "sigmoid": lambda share: 1 / (1 + math.exp(6 - 12 * share)),
    "cosine": lambda share: 0.5 - 0.5 * math.cos(math.pi * share),
}


@dataclass(frozen=True)
class Schedule:
    """A value that moves between ``start`` and ``end`` over training.

    Attributes:
        start: the value from which it rises or falls.
        end: the value at the last step, which tables show.
    """

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        """Return the value at a progress from 0 to 1."""
        share = self.rise_to(progress)
        value = self.start * (1 - share) + self.end * share
        # Rounding must neither cross a bound nor move what is constant.
        return min(max(value, min(self.start, self.end)), max(self.start, self.end))

    def rise_to(self, progress: float) -> float:
        """Return the position between start (0) and end (1)."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the schedule as users write it, with all arguments."""
        values = [getattr(self, field.name) for field in fields(self)]
        return f"{type(self).__name__.lower()}({','.join(map(_write, values))})"


@dataclass(frozen=True)
class Linear(Schedule):
    """A line from start to end, which is reached after a share of the training.

    Attributes:
        share: share of the training, above 0 and at most 1.
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        _check_share("share", self.share)

    def rise_to(self, progress: float) -> float:
        """Return progress in units of the share, up to 1."""
        return min(1.0, progress / self.share)


@dataclass(frozen=True)
class Cyclical(Schedule):
    """Equal cycles, each with a rise from start to end, which is then kept (Fu et al. 2019).

    Attributes:
        cycles: number of cycles in the training.
        rise: share of a cycle after which the end is reached.
        form: form of the rise: ``linear``, ``sigmoid`` or ``cosine``.
    """

    cycles: float = 4
    rise: float = 0.5
    form: str = "linear"

    def __post_init__(self) -> None:
        if not (self.cycles == int(self.cycles) and 1 <= self.cycles <= MOST_CYCLES):
            raise InputError(
                f"the cycles of a schedule must be a whole number from 1 to {MOST_CYCLES:,}, but "
                f"{shown(self.cycles)} was given."
            )
        _check_share("rise", self.rise)
        if self.form not in FORMS:
            raise unknown("form of a cyclical schedule", self.form, FORMS)

    def rise_to(self, progress: float) -> float:
        """Return the form's value in the cycle; the last cycle ends with the training."""
        place = math.modf(progress * self.cycles)[0] if progress < 1 else 1.0
        share = place / self.rise
        return FORMS[self.form](share) if share < 1 else 1.0


SCHEDULES: dict[str, type[Schedule]] = {"linear": Linear, "cyclical": Cyclical}
USAGE = {
    "constant": "constant(value)",
    "linear": "linear(start,end,share), where the share is 1 if left out",
    "cyclical": "cyclical(start,end,cycles,rise,form), where the last three are 4,0.5,linear if left out",
}

_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")


def read_schedule(whose: str, given: Any) -> Any:
    """Return the schedule that a text describes, or any other argument unchanged.

    ``constant(4)`` gives the value 4, so that it makes the same cell as the value.

    Args:
        whose: name of the hyperparameter, for the error.
        given: a text such as ``linear(0,4,0.1)``, a schedule, or a value.

    Raises:
        InputError: there is no such schedule, or it does not take these arguments.
    """
    call = _CALL.fullmatch(given) if isinstance(given, str) else None
    if call is None:
        return given
    name, words = call[1], [word.strip() for word in call[2].split(",")]
    if name not in USAGE:
        raise unknown(f"schedule of {whose}", name, USAGE)
    if name == "constant" and len(words) == 1:
        return _read_number(whose, name, words[0])
    kind = SCHEDULES.get(name)
    if kind is None or not 2 <= len(words) <= len(fields(kind)):
        raise _misused(whose, name, given)
    arguments: list[Any] = [
        word if field.name == "form" else _read_number(whose, name, word)
        for field, word in zip(fields(kind), words, strict=False)
    ]
    return kind(*arguments)


def split_schedules(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return hyperparameters with the end values of schedules, and schedules as texts."""
    ends = {name: value.end if isinstance(value, Schedule) else value for name, value in values.items()}
    return ends, {name: str(value) for name, value in values.items() if isinstance(value, Schedule)}


def _read_number(whose: str, name: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise _misused(whose, name, word) from None
    if not math.isfinite(number):
        raise InputError(f"the numbers of a schedule of {whose} must be finite, but {shown(word)} was given.")
    return number + 0.0  # 0 for -0


def _misused(whose: str, name: str, given: str) -> InputError:
    return InputError(f"a schedule of {whose} must be {USAGE[name]}, but {shown(given)} was given.")


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise InputError(
            f"the {name} of a schedule must be above 0 and at most 1, but {shown(value)} was given."
        )


def _write(value: float | str) -> str:
    """Return a number as a text that is exact, 4.0 as ``4``; a word unchanged."""
    return value if isinstance(value, str) else repr(float(value)).removesuffix(".0")
