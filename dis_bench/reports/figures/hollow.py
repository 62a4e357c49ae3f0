"""Hollow marks for published figures, which are filled nowhere, and joined to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dis_bench.escape import visible
from dis_bench.plotting import Axes, Line2D
from dis_bench.reports.figures.series import Series
from dis_bench.reports.figures.theme import COLOURS, INK
from dis_bench.reports.published.reported import Reported
from dis_bench.reports.published.source import Figure
from dis_bench.reports.quantities import Quantity

_MARKERS = "Ds^vPX<>"


def choose_looks(reported: Sequence[Reported]) -> dict[str, tuple[str, str]]:
    """Choose a marker and a colour for each source; measured means have the first."""
    names = dict.fromkeys(one.source.name for one in reported)
    return {
        name: (_MARKERS[number % len(_MARKERS)], COLOURS[1 + number % (len(COLOURS) - 1)])
        for number, name in enumerate(names)
    }


def draw_hollow(
    panel: Axes, x: float, y: float, figure: Figure, look: tuple[str, str], *, is_upright: bool
) -> None:
    """Draw a published figure, with its spread if it has one.

    Args:
        panel: the panel.
        x, y: the place of the figure.
        figure: gives the spread.
        look: marker and colour.
        is_upright: whether the figure is on the vertical axis.
    """
    marker, colour = look
    bars = None
    if np.isfinite(figure.low):
        bars = [[figure.value - figure.low], [figure.high - figure.value]]
    panel.errorbar(
        x,
        y,
        **{"yerr" if is_upright else "xerr": bars},  # type: ignore[arg-type]
        marker=marker,
        ms=6,
        mfc="white",
        mec=colour,
        mew=1.3,
        color=colour,
        elinewidth=0.9,
        capsize=2,
        ls="",
        zorder=2.5,
    )


def list_handles(reported: Sequence[Reported], colour: str = "") -> list[Line2D]:
    """Return a legend entry for each source, in its own colour or a given one."""
    hollow: dict[str, Any] = {"ls": "", "ms": 6, "mfc": "white", "mew": 1.3}
    return [
        Line2D([], [], color=colour or own, marker=marker, label=visible(f"published: {name}"), **hollow)
        for name, (marker, own) in choose_looks(reported).items()
    ]


def find_along(
    reported: Sequence[Reported], along: Sequence[Series], dial: str
) -> list[tuple[Reported, Series]]:
    """Find published rows of measured models, at a value within the dial's ends.

    Args:
        reported: published rows.
        along: the series that have this dial.
        dial: its name.

    Returns:
        Each row with a series of its model.
    """
    models = {str(one.rows["model"].iloc[0]): one for one in reversed(along)}
    pairs = [(one, models[one.row.model]) for one in reported if one.row.model in models]
    return [(one, series) for one, series in pairs if _is_within(one, series, dial)]


def _is_within(one: Reported, series: Series, dial: str) -> bool:
    level = one.row.hyperparameters.get(dial)
    if series.scale is None or not isinstance(level, (int, float)):
        return False
    return series.scale.levels[0] <= level <= series.scale.levels[-1]


def draw_along(panel: Axes, found: Sequence[tuple[Reported, Series]], dial: str, quantity: Quantity) -> None:
    """Draw the rows of :func:`find_along` in the colours of their models."""
    looks = choose_looks([one for one, _ in found])
    for one, series in found:
        figure = one.row.figures.get(quantity.name)
        if figure is not None and series.scale is not None:
            where = series.scale.position(float(one.row.hyperparameters[dial]))
            look = (looks[one.source.name][0], series.colour or INK)
            draw_hollow(panel, where, figure.value, figure, look, is_upright=True)
