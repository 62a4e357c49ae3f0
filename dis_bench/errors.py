"""The exception for invalid user input, and the wording of its messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

# The interface through which a user reads a message; it decides how options are written.
METRIC, PYTHON, STUDY, COMMAND = "a metric's own call", "dis_bench.score", "a Study", "the command line"
RECORD = "a record"  # read from any interface, so options get neutral names

LONGEST_SHOWN = 100  # characters of one value
LONGEST_PATH = 300  # characters of one word that contains a slash
LONGEST_MESSAGE = 1_000  # characters
LONGEST_LINE = 1_000  # characters of a plug-in's declaration


@dataclass(frozen=True)
class Option:
    """An option named in a message, written as its reader would type it.

    Attributes:
        name: the Python keyword, such as ``allow_small``.
        value: the value to give it.
    """

    name: str
    value: Any = True

    def word(self, door: str) -> str:
        """Return ``allow_small=True`` for Python, ``--allow-small`` for the command line."""
        if door != COMMAND:
            return self.name if door == RECORD else f"{self.name}={self.value!r}"
        flag = f"--{self.name.replace('_', '-')}"
        return flag if self.value is True else f"{flag} {_write(self.value)}"


@dataclass(frozen=True)
class MetricParameters:
    """Metric parameters named in a message, written as its reader would type them.

    Attributes:
        values: the values, by metric and parameter name.
    """

    values: Mapping[str, Mapping[str, Any]] = field(hash=False)

    def word(self, door: str) -> str:
        """Return ``rows=120``, or the syntax for several metrics at this interface."""
        by_key = {f"{of}.{name}": value for of, own in self.values.items() for name, value in own.items()}
        if door in (COMMAND, RECORD):
            texts = [f"{key}={_write(value)}" for key, value in by_key.items()]
            return " ".join(["--set", *texts] if door == COMMAND else texts)
        if door == STUDY:
            return f"settings={by_key}"
        if door == METRIC and len(self.values) == 1:
            [own] = self.values.values()
            return ", ".join(f"{name}={value!r}" for name, value in own.items())
        return f"parameters={ {metric: dict(own) for metric, own in self.values.items()} }"


Part = str | Option | MetricParameters


class InputError(ValueError):
    """Input from a user that cannot be used.

    The message is one sentence: what was wrong, what was given, what is allowed. The command line
    prints it without a traceback and exits with code 2.

    Args:
        parts: the sentence in order, as texts and the options that it names. Options are written for the
            outermost interface through which the error leaves, so that the advice works where it is read.
    """

    door = PYTHON

    def __init__(self, *parts: Part) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        return clean("".join(part if isinstance(part, str) else part.word(self.door) for part in self.args))

    def prefixed(self, text: str) -> Self:
        """Return the same error with ``text`` in front of its sentence."""
        return type(self)(text, *self.args)


@contextmanager
def worded_for(door: str) -> Iterator[None]:
    """Word the options in InputErrors that leave this block for the given interface.

    Args:
        door: METRIC, PYTHON, STUDY, COMMAND or RECORD.
    """
    try:
        yield
    except InputError as error:
        error.door = door
        raise


@contextmanager
def blaming(what: str, refusals: bool = True) -> Iterator[None]:
    """Turn any exception from third-party code in this block into an InputError.

    Args:
        what: the subject of the sentence, such as ``model 'mine.py:Mine' cannot be built``.
        refusals: prefix InputErrors with it as well; switch this off where they already name their source.
    """
    try:
        yield
    except InputError as error:
        raise (error.prefixed(f"{what}: ") if refusals else error) from None
    except (Exception, SystemExit) as error:  # third-party code may raise anything, even call sys.exit
        raise InputError(f"{what}: {describe(error)}.") from error


def describe(error: BaseException) -> str:
    """Return an exception's type and message on one line, without a final period."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its __str__ fails as well
        text = ""
    return f"{type(error).__name__}: {text}".rstrip(".: ")


def shown(value: Any) -> str:
    """Return the repr of a given value, shortened to about 100 characters."""
    try:
        text = repr(value)
    except Exception:  # an integer of more than 4,300 digits, or a third-party __repr__
        text = f"a {type(value).__name__}"
    return _shorten(" ".join(text.split()), LONGEST_SHOWN)


def clean(message: str) -> str:
    """Return a message as one printable line, with long values shortened.

    Control characters, which could move a terminal's cursor, are written as escapes. Long quoted texts and
    long unbroken words are shortened.
    """
    message = " ".join(message.splitlines())
    message = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    message = _QUOTED.sub(lambda match: _shorten_word(match[0]), message)
    message = _LONG_WORD.sub(lambda match: _shorten_word(match[0]), message)
    return _shorten(message, LONGEST_MESSAGE)


_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)")
_LONG_WORD = re.compile(rf"\S{{{LONGEST_SHOWN + 1},}}")


def _shorten_word(text: str) -> str:
    is_path = "/" in text and " " not in text
    return _shorten(text, LONGEST_PATH if is_path else LONGEST_SHOWN)


def _shorten(text: str, most: int) -> str:
    """Shorten a text to ``most`` characters: start, number left out, and end."""
    if len(text) <= most:
        return text
    first, last = most // 2, most // 8
    return f"{text[:first]}[... {len(text) - first - last:,} more ...]{text[-last:]}"


def check_line(what: str, given: Any, most: int = LONGEST_LINE) -> None:
    """Check that something can be shown as one line of text, anywhere.

    Raises:
        InputError: it is no text, too long, or has characters that cannot be printed.
    """
    if not isinstance(given, str) or not (given.isprintable() and len(given) <= most):
        raise InputError(
            f"{what} must be one line of text, of at most {most:,} characters, but {shown(given)} was given."
        )


def _write(value: Any) -> str:
    """Format a value as the command line accepts it."""
    return (",".join(map(str, value)) or "none") if isinstance(value, (tuple, list)) else str(value)


def unknown(kind: str, name: Any, allowed: Iterable[str]) -> InputError:
    """Return the error for an unknown name, with a suggestion and the allowed names.

    >>> str(unknown("metric", "migg", ["mig", "sap"]))
    "unknown metric 'migg': did you mean 'mig'? There are: mig, sap."
    """
    allowed = sorted(allowed)
    if not isinstance(name, str):  # the key of a user's mapping may be anything
        return InputError(f"{kind} must be one of {', '.join(allowed)}, but {shown(name)} was given.")
    by_lower = {one.lower(): one for one in allowed}
    close = difflib.get_close_matches(name[:LONGEST_SHOWN].lower(), by_lower, n=1, cutoff=0.5)
    meant = f"did you mean '{by_lower[close[0]]}'? " if close else ""
    there = f"There are: {', '.join(allowed)}." if allowed else "There is none."
    return InputError(f"unknown {kind} '{name}': {meant}{there}")
