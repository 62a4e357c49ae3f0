"""Progress bars on a terminal or in a notebook; silent elsewhere or without tqdm."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Self

NOTEBOOK_COLUMNS = 100  # width of a text bar in a notebook


def bar(
    iterable: Iterable[Any] | None = None,
    desc: str | None = None,
    total: float | None = None,
    *,
    delay: float = 2,
    leave: bool = False,
    **options: Any,
) -> Any:
    """Return a progress bar with tqdm's interface, hidden where nobody would see it.

    Args:
        iterable, desc, total, options: as for ``tqdm.tqdm``.
        delay: seconds before the bar appears, so that quick work shows none.
        leave: keep the bar on the screen when it is full.
    """
    if os.environ.get("TQDM_DISABLE", "0") not in ("", "0") or not (_on_terminal() or in_notebook()):
        return SilentBar(iterable, total)  # tqdm starts a thread even for a disabled bar
    try:
        kind, where = _find_kind()
        return kind(iterable, desc, total, delay=delay, leave=leave, **{**options, **where})
    except Exception:  # no tqdm, or TQDM_* variables it cannot parse: the work matters, not its bar
        return SilentBar(iterable, total)


def _find_kind() -> tuple[Any, dict[str, Any]]:
    """Choose the class of the bar, and the options that say where to draw it."""
    from tqdm import tqdm

    if not in_notebook():
        return tqdm, {"disable": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm warns about old versions of ipywidgets
        from tqdm import notebook
    if getattr(notebook, "IProgress", None) is not None:
        return notebook.tqdm, {"disable": False}
    return tqdm, {"disable": False, "file": sys.stdout, "ncols": NOTEBOOK_COLUMNS, "dynamic_ncols": False}


def _on_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # stderr is None, or closed
        return False


def in_notebook() -> bool:
    """Return True in a Jupyter kernel, which shows bars although it is not a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", ())


def say(text: str) -> None:
    """Print a line to stderr, where bars are shown."""
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
        """Print a line; a visible bar would print it above itself."""
        print(text)
