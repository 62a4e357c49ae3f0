"""Declared parameters of plug-ins: names, types and bounds of values that users type."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from dis_bench.errors import InputError, shown, unknown
from dis_bench.printing import as_utf8

_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
LARGEST_WHOLE = 2**63 - 1

Value = float | int | bool | str


@dataclass(frozen=True)
class Parameter:
    """A number, switch or word of a plug-in that a study can set.

    Attributes:
        name: the name that users type: ``--set plugin.name=value``.
        default: the value if none is given; its type is the type of the parameter.
        summary: one line for ``dis-bench list``.
        low: the smallest value allowed, for numbers.
        high: the largest value allowed, for numbers.
        words: the allowed texts; empty if any text is allowed.
    """

    WORD: ClassVar[str] = "parameter"  # what messages call it

    name: str
    default: Value
    summary: str
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InputError(f"a {self.WORD}'s name must be a Python name, but is {shown(self.name)}.")
        if not isinstance(self.default, tuple(_KINDS)):
            raise InputError(
                f"the default of {self.WORD} '{self.name}' must be a number, a text, True or False, "
                f"but is {shown(self.default)}."
            )
        for bound in (self.low, self.high):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
                raise InputError(
                    f"the bounds of {self.WORD} '{self.name}' must be numbers, but {shown(bound)} is one."
                )
        self._check_tuple("words", self.words)

    def _check_tuple(self, what: str, given: Any) -> None:
        if not isinstance(given, tuple):
            raise InputError(
                f"the {what} of {self.WORD} '{self.name}' must be a tuple, but is {shown(given)}."
            )

    def parse(self, given: Any) -> Value:
        """Convert a text or a value to this parameter's type.

        Raises:
            InputError: it does not have that type, is not finite, or is out of bounds.
        """
        value = self._convert(given)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{self.name} must be finite, but {shown(given)} was given.")
        if isinstance(value, str) and as_utf8(value) != value:
            raise InputError(f"{self.name} must be text in UTF-8, but {shown(value)} was given.")
        if self.words and value not in self.words:
            raise unknown(self.name, str(value), self.words)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            below = self.low is not None and value < self.low
            above = self.high is not None and value > self.high
            if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
                raise InputError(f"{self.name} must be below 2^63, but {shown(given)} was given.")
            if below or above:
                raise InputError(f"{self.name} must be {self._bounds()}, but {shown(given)} was given.")
        return value

    def _convert(self, given: Any) -> Value:
        kind = self._kind
        try:
            if kind is bool:
                return {"true": True, "false": False, "1": True, "0": False}[str(given).lower()]
            if isinstance(given, str) or kind is not str:
                value: Value = kind(given)
                if isinstance(value, float):
                    value += 0.0  # which makes 0 of -0: one value, one cell
                # int(1.5) would change 1.5, and True is not a number.
                wrong = isinstance(given, bool) or (kind is int and value != given)
                if isinstance(given, str) or not wrong:
                    return value
        except (TypeError, ValueError, OverflowError, KeyError):
            pass
        raise InputError(f"{self.name} must be {_KINDS[kind]}, but {shown(given)} was given.")

    @property
    def _kind(self) -> type:
        return next(kind for kind in _KINDS if isinstance(self.default, kind))

    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f"from {self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else f"at most {self.high:g}"


def write_values(values: Mapping[str, Value]) -> str:
    """Write values by name as one text, such as ``size=32 tone='light grey'``."""
    return " ".join(f"{name}={_write(value)}" for name, value in sorted(values.items()))


def read_values(text: str) -> dict[str, str]:
    """Read the text of :func:`write_values`; values are texts, as a user types them."""
    try:
        words = shlex.split(text)
    except ValueError:  # an unpaired quotation mark, from before such values were quoted
        words = text.split()
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _write(value: Value) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    is_plain = not any(character.isspace() or character in "\"'\\" for character in text)
    return text if is_plain else shlex.quote(text)
