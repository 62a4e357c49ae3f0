"""Words that several subcommands print or record: the command line itself, durations."""

from __future__ import annotations

import shlex
import sys

from dis_bench.printing import as_utf8


def typed_command() -> str:
    """Return the command line so that it can be typed again, for records."""
    return " ".join(["dis-bench", *map(quote, sys.argv[1:])])


def quote(word: str) -> str:
    """Quote a word for a shell; if it is not UTF-8, as bash and zsh do: ``$'r\\xe9s'``."""
    if as_utf8(word) == word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{as_utf8(escaped)}'"


def format_duration(seconds: float) -> str:
    """Format a duration for readers: ``75 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36_000 else f"{seconds / 3600:,.0f} h"
