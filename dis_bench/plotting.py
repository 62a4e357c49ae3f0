"""matplotlib and seaborn, independent of the environment and the user's settings.

The whole package imports matplotlib from here. On import, matplotlib reads ``MPLBACKEND``, which a notebook's
kernel sets to a module that this environment may lack, and the user's ``matplotlibrc``; either can make the
import fail. Our figures use neither pyplot nor an interactive backend, so neither setting matters here.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

__all__ = [
    "Artist",
    "Axes",
    "ConstrainedLayoutEngine",
    "Figure",
    "FigureCanvasAgg",
    "Line2D",
    "LineCollection",
    "LinearSegmentedColormap",
    "PathCollection",
    "drawing",
    "load_seaborn",
    "matplotlib",
    "to_hex",
    "to_rgb",
    "withStroke",
]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence matplotlib's warnings about configuration folders that it cannot write."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """Set environment variables within a block; None removes one."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set_environment(values)
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@contextmanager
def _no_settings() -> Iterator[None]:
    """Hide settings files from matplotlib within a block: work in an empty folder."""
    here = os.open(".", os.O_RDONLY)
    try:
        with tempfile.TemporaryDirectory() as empty, _environment(MATPLOTLIBRC=None, MPLCONFIGDIR=empty):
            os.chdir(empty)
            try:
                yield
            finally:
                os.fchdir(here)
    finally:
        os.close(here)


def _import_matplotlib() -> Any:
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.get("MPLBACKEND")
    with _environment(MPLBACKEND=None):
        try:
            import matplotlib
        except ImportError:
            raise
        except Exception:  # raised for a settings file that it cannot read
            _forget("matplotlib")
            with _no_settings():
                import matplotlib
    if backend:
        with suppress(ValueError):  # as the import would have, for the caller's own plots
            matplotlib.rcParams["backend"] = backend
    return matplotlib


def load_seaborn() -> Any:
    """Import seaborn even if the user's styles, which pyplot reads, are broken."""
    try:
        with _quiet():
            import seaborn
    except ImportError:
        raise
    except Exception:  # raised for a style that it cannot read
        for name in ("seaborn", "matplotlib.style", "matplotlib.pyplot"):
            _forget(name)
        find, matplotlib.get_configdir = matplotlib.get_configdir, lambda: os.devnull
        try:
            import seaborn
        finally:
            matplotlib.get_configdir = find
    return seaborn


def _forget(package: str) -> None:
    """Forget the modules of a package whose import failed halfway."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


with _quiet():
    matplotlib = _import_matplotlib()

from matplotlib.artist import Artist  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.collections import LineCollection, PathCollection  # noqa: E402
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patheffects import withStroke  # noqa: E402


@contextmanager
def drawing(style: Mapping[str, Any]) -> Iterator[None]:
    """Draw with matplotlib's defaults plus a style, then restore the settings.

    Texts are shown verbatim: a ``$`` in a name does not start a formula, and a character that the font lacks
    is a box, without a warning.
    """
    with _quiet(), matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"text.parse_math": False, **style})
        yield
