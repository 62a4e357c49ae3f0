"""Progress bars: on a terminal, as widgets or text in a notebook, and silent where tqdm is not installed."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Self

NOTEBOOK_COLUMNS = 100  # of a bar that is text


def bar(
    iterable: Iterable[Any] | None = None,
    desc: str | None = None,
    total: float | None = None,
    *,
    delay: float = 2,
    leave: bool = False,
    **options: Any,
) -> Any:
    """Return a progress bar with tqdm's interface; it is hidden where nobody would see it move.

    Args:
        iterable, desc, total, options: as for ``tqdm.tqdm``.
        delay: seconds before it shows, so that quick work shows none.
        leave: keep it on the screen when it is full.
    """
    if os.environ.get("TQDM_DISABLE", "0") not in ("", "0") or not (_on_terminal() or in_notebook()):
        return SilentBar(iterable, total)  # tqdm would start a thread even for a bar that is disabled
    try:
        kind, where = _find_kind()
        return kind(iterable, desc, total, delay=delay, leave=leave, **{**options, **where})
    except Exception:  # no tqdm, or TQDM_* variables that it cannot read: the work matters, not its bar
        return SilentBar(iterable, total)


def _find_kind() -> tuple[Any, dict[str, Any]]:
    """Choose the class of bar, and the options that say where it is drawn."""
    from tqdm import tqdm

    if not in_notebook():
        return tqdm, {"disable": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of old versions of its widgets
        from tqdm import notebook
    if getattr(notebook, "IProgress", None) is not None:
        return notebook.tqdm, {"disable": False}
    return tqdm, {"disable": False, "file": sys.stdout, "ncols": NOTEBOOK_COLUMNS, "dynamic_ncols": False}


def _on_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it was closed
        return False


def in_notebook() -> bool:
    """Return True in a Jupyter kernel, whose output is no terminal but shows bars all the same."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", ())


def say(text: str) -> None:
    """Print a line where bars are shown, on a terminal or off it."""
    print(text, file=sys.stderr)


class SilentBar:
    """A bar that shows nothing."""

    disable = True

    def __init__(self, iterable: Iterable[Any] | None = None, total: float | None = None) -> None:
        self.iterable = iterable
        self.total = total
        self.n = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(() if self.iterable is None else self.iterable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: float = 1) -> None:
        """Show nothing."""

    def set_description_str(self, *_: Any, **__: Any) -> None:
        """Show nothing."""

    def set_postfix_str(self, *_: Any, **__: Any) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""

    @staticmethod
    def write(text: str) -> None:
        """Print a line, as a visible bar does above itself."""
        print(text)
