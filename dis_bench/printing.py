"""Printing that never aborts the work, whatever stream it goes to.

A study that has run for hours must not fail because a terminal has no β (it gets "beta"), because ``head``
has read enough, or because stdout is redirected to a full disk.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

SPELL = "dis_bench.spell"  # the error handler, for ``str.encode`` and for streams
NAMES = ("stdout", "stderr")
PACKAGE = Path(__file__).parent
SPELLED = {
    **{"β": "beta", "γ": "gamma", "λ": "lambda", "σ": "sigma", "±": "+-", "×": "x", "−": "-", "·": "*"},  # noqa: RUF001
    **{"≤": "<=", "≥": ">=", "²": "^2", "→": "->", "↑": "^", "↓": "v", "…": "...", "–": "-", "—": "--"},  # noqa: RUF001
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "\N{NO-BREAK SPACE}": " "},  # noqa: RUF001
}


def spell(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that cannot be encoded; an error handler for :mod:`codecs`.

    A byte of a file name that is not valid UTF-8 becomes an escape such as ``\\xe9``, a known character its
    spelling, and any other ``?``.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spell, error.object[error.start : error.end])), error.end


def _spell(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return SPELLED.get(character, "?")


codecs.register_error(SPELL, spell)


def as_utf8(value: Any) -> Any:
    """Apply :func:`spell` to a text, or to texts in dicts and lists, to allow UTF-8."""
    if isinstance(value, dict):
        return {as_utf8(key): as_utf8(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_utf8(each) for each in value]
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", SPELL).decode()
    return value


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning of this package as a sentence, and others as Python does."""
    if category is UserWarning and Path(filename).is_relative_to(PACKAGE):
        return f"dis-bench: {message}\n"
    return _python_s(message, category, filename, lineno, line)


_python_s = warnings.formatwarning


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings of this package without their place in the code within a block."""
    before = warnings.formatwarning
    warnings.formatwarning = format_warning
    try:
        yield
    finally:
        warnings.formatwarning = before


@contextmanager
def printable() -> Iterator[None]:
    """Let stdout and stderr accept any character within a block."""
    with ExitStack() as stack:
        for name in NAMES:
            stream = getattr(sys, name)
            if isinstance(stream, io.TextIOWrapper) and not stream.closed:
                before = stream.errors
                stream.reconfigure(errors=SPELL)
                stack.callback(_set_errors, stream, before)
        yield


def _set_errors(stream: io.TextIOWrapper, errors: str | None) -> None:
    if not stream.closed:
        with suppress(OSError):  # this flushes first, and the reader may be gone
            stream.reconfigure(errors=errors)


@contextmanager
def unbreakable() -> Iterator[list[OSError]]:
    """Discard what this process's stdout and stderr cannot write, within a block.

    Meant for the command line, which owns its process. Streams that a test or a notebook has substituted are
    left alone.

    Yields:
        A list that receives the first error of stdout, unless its reader merely closed the pipe.
    """
    _open_standard_descriptors()
    lost: list[OSError] = []
    before = {name: getattr(sys, name) for name in NAMES}
    for name, old in before.items():
        if old is None:
            setattr(sys, name, io.StringIO())
        elif old is getattr(sys, f"__{name}__") and isinstance(old, io.TextIOWrapper):
            setattr(sys, name, _wrap(old, lost if name == "stdout" else []))
    try:
        with printable():
            yield lost
    finally:
        for name, old in before.items():
            if getattr(sys, name) is not old:
                getattr(sys, name).flush()
                setattr(sys, name, old)


def _open_standard_descriptors() -> None:
    """Reopen descriptors closed by ``>&-``, lest the next opened file become stdout."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _wrap(old: io.TextIOWrapper, lost: list[OSError]) -> TextIO:
    try:
        old.flush()
    except OSError:
        return old
    raw = _UnbreakableFile(old.fileno(), lost)
    buffered: Any = io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered,
        encoding=old.encoding,
        errors=old.errors,
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )


class _UnbreakableFile(io.RawIOBase):
    """A file descriptor that is written to until writing fails, and never closed."""

    def __init__(self, number: int, lost: list[OSError]) -> None:
        self._number = number
        self._lost = lost
        self._works = True

    def write(self, data: Any) -> int:
        """Write bytes, or drop them once writing has failed."""
        if self._works:
            try:
                return os.write(self._number, data)
            except BlockingIOError:
                raise
            except OSError as error:
                self._works = False
                if error.errno != errno.EPIPE:
                    self._lost.append(error)
        return len(memoryview(data).cast("B"))

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return True on a terminal."""
        return os.isatty(self._number)
