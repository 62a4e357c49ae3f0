"""The one exception for what a user got wrong, and the words for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something a user gave cannot be used.

    The message is one sentence: what was wrong, what was given, what is allowed. The command line
    prints it without a traceback and exits with code 2.
    """


def unknown(kind: str, name: str, allowed: Iterable[str]) -> InputError:
    """The error for a name that is not among ``allowed``: says what was meant, and what there is.

    >>> str(unknown("metric", "migg", ["mig", "sap"]))
    "unknown metric 'migg': did you mean 'mig'? There are: mig, sap."
    """
    allowed = sorted(allowed)
    by_lower = {one.lower(): one for one in allowed}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    meant = f"did you mean '{by_lower[close[0]]}'? " if close else ""
    there = f"There are: {', '.join(allowed)}." if allowed else "There is none."
    return InputError(f"unknown {kind} '{name}': {meant}{there}")
