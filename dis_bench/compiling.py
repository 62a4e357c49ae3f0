"""Compiled functions, cached on disk if possible, that also work without a cache.

When a function is defined, numba decides where to cache its machine code, and raises an error if it can write
neither beside the source nor to the user's cache, as in a container or an installation owned by root. If the
cache later turns out to be full, damaged or unreadable, the call itself fails. Neither is a reason not to
compute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache


def compiled(*, inlines: Sequence[str] = (), **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that applies ``numba.njit``, with a disk cache if possible.

    Args:
        inlines: paths of other files with functions that it calls. numba looks for changes in the function's
            own file alone, but the machine code contains theirs.
        options: as for ``numba.njit``, except ``cache``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**options)(function)
        try:
            cache = _Cache(function, inlines)
        except Exception:  # no writable folder, a path that cannot be hashed, or files in a zip
            return dispatcher  # each process compiles for itself
        if hasattr(dispatcher, "_cache"):  # absent when numba is disabled
            dispatcher._cache = cache
        return dispatcher

    return decorate


class _Cache(FunctionCache):
    """numba's cache, except that one it cannot read or write counts as empty."""

    def __init__(self, function: Any, inlines: Sequence[str]) -> None:
        super().__init__(function)
        if inlines:
            if not hasattr(self._cache_file, "_source_stamp"):
                raise RuntimeError("numba keeps its caches in another way")
            files = [Path(file).read_bytes() for file in (function.__code__.co_filename, *inlines)]
            self._cache_file._source_stamp = hashlib.sha256(b"".join(files)).hexdigest()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled code of a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # damaged: whatever unpickling may raise
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the compiled code of a signature if possible."""
        try:
            super().save_overload(sig, data)
        except Exception:  # a full disk, or a read-only folder
            self.disable()
