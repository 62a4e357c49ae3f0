"""Compiled functions that are kept on disk where that is possible, and work where it is not.

When a function is defined, numba decides where to keep its machine code, and raises if it may write neither
beside the source nor in the user's cache, as in a container or in an installation by root. A cache that is
full, damaged or unreadable later raises from the call. Neither is a reason not to compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator: ``numba.njit`` with a cache where there can be one.

    Args:
        options: as for ``numba.njit``, but for ``cache``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**options)(function)
        try:
            cache = _Cache(function)
        except Exception:  # there is no folder, or none that its path can be hashed for
            return dispatcher  # each process compiles for itself
        if hasattr(dispatcher, "_cache"):  # not where numba is switched off
            dispatcher._cache = cache
        return dispatcher

    return decorate


class _Cache(FunctionCache):
    """numba's cache, but one that cannot be read or written is an empty one."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled code of a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled code of a signature, if that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception:
            return
