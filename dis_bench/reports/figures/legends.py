"""Legends of figures of series: the levels of their dial, and the series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dis_bench.plotting import Figure, Line2D
from dis_bench.reports.figures.series import Series
from dis_bench.reports.figures.theme import INK, OTHERS

GREY_DOT = 5.5  # points; a marker "." fills half of that


def level_handles(series: list[Series], cells: Iterable[str] | None = None) -> list[Line2D]:
    """Return the legend of a dial's colours, if all paths share the dial.

    Args:
        series: those that are drawn.
        cells: hashes of the cells that are drawn; all of them if None.
    """
    scales = {id(one.scale): one.scale for one in series if one.scale is not None and not one.is_grey}
    if len(scales) != 1:
        return []
    [scale] = scales.values()
    hue = "#7d848f" if all(one.colour for one in series if one.has_dial) else ""
    along = [one.cells for one in series if one.scale is scale]  # others have dials of their own
    known = None
    if cells is not None:
        known = {level for some in along for level in some[some["hash"].isin([*cells])]["level"]}
    return scale.legend_handles(hue, known) if len(scale.levels) > 1 or not hue else []


def add_legend(figure: Figure, series: list[Series], levels: list[Line2D]) -> None:
    """Add a legend of levels, then of series, if there is anything to distinguish."""
    handles = list(levels)
    if len(series) > 1:
        handles += [one.legend_handle() for one in series if not one.is_grey]
        grey = [one for one in series if one.is_grey]
        if grey:
            look: dict[str, Any] = {"marker": grey[0].marker, "ms": GREY_DOT, "lw": 0.7}
            look["ls"] = "-" if any(one.has_dial and len(one.rows) > 1 for one in grey) else ""
            handles.append(Line2D([], [], color=OTHERS, label=f"{len(grey)} other series", **look))
    if handles:
        inches = [0.6 + 0.085 * len(str(handle.get_label())) for handle in handles]
        width = figure.get_figwidth()
        columns = len(handles) if sum(inches) < width else max(1, int(width / max(inches)))
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, labelcolor=INK)
