"""Lines in a panel for what a perfect code and noise score, with notes that keep clear of the data."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from dis_bench.metrics.anchors import Anchor
from dis_bench.plotting import Axes, LineCollection, PathCollection, withStroke
from dis_bench.reports.figures.theme import MUTED
from dis_bench.reports.quantities import Quantity

_POINTS = 7.5  # the size of a note
_LINE: dict[str, Any] = {"color": MUTED, "lw": 1.0, "ls": (0, (1, 2)), "zorder": 0.8}


def draw_anchors(panel: Axes, anchor: Anchor | None, score: Quantity) -> None:
    """A dotted line with a note for a perfect code and for noise; the panel's limits stay as they are.

    A value beyond the limits gets only the note, with an arrow, at that edge: the data fill the panel.

    Args:
        panel: with everything else already in it.
        anchor: nothing is drawn where None.
        score: what the vertical axis shows.
    """
    if anchor is None:
        return
    panel.set_xlim(panel.get_xlim())  # what is still to be scaled to the data is scaled now
    low, high = panel.set_ylim(panel.get_ylim())
    for value in anchor:
        if low <= value <= high:
            panel.axhline(value, **_LINE)
    marks = _find_marks(panel)
    for name, value in zip(("perfect", "noise"), anchor, strict=True):
        arrow = " ↑" if value > high else " ↓" if value < low else ""
        text = f"{name} {score.format(value)}{arrow}"
        box = _place(text, (value - low) / (high - low), panel, marks)
        _write(panel, text, box)
        marks = np.concatenate([marks, _fill(box)])


def _write(panel: Axes, text: str, box: np.ndarray) -> None:
    left, bottom, width, _ = box
    look: dict[str, Any] = {"fontsize": _POINTS, "color": MUTED, "ha": "right", "va": "bottom", "zorder": 4}
    note = panel.text(left + width, bottom, text, transform=panel.transAxes, **look)
    note.set_path_effects([withStroke(linewidth=2, foreground="white")])
    note.set_in_layout(False)


def _place(text: str, level: float, panel: Axes, marks: np.ndarray) -> np.ndarray:
    """Where a note covers the fewest marks: left, bottom, width and height, in shares of the panel.

    Args:
        text: the note.
        level: of its line; below 0 or above 1 where that is outside.
        panel: gives the size.
        marks: what to keep clear of, `[P, 2]` in shares of the panel.
    """
    size = _inches(panel)
    width, height = np.array([0.6 * len(text), 1.15]) * _POINTS / 72 / size
    gap = 0.045 / size  # a note stands so far from its line, and keeps nearly so far from other marks
    if level > 1:
        bottoms = [1 - gap[1] - height, 1 - gap[1] - 2 * height]
    elif level < 0:
        bottoms = [gap[1], gap[1] + height]
    else:
        above, below = level + gap[1], level - gap[1] - height
        bottoms = [above, below, above + height, above + 2 * height, below - height]
    boxes = [
        np.array([left, bottom, width, height])
        for bottom in bottoms
        if 0 <= bottom <= 1 - height
        for left in np.linspace(1 - gap[0] - width, gap[0], 9)  # the right edge first
    ]
    return min(boxes, key=lambda box: _count_inside(marks, box, 0.8 * gap))


def _inches(panel: Axes) -> np.ndarray:
    """About the size of a panel; the layout engine settles it only when the figure is drawn."""
    rows, columns = panel.get_subplotspec().get_gridspec().get_geometry()  # type: ignore[union-attr]
    width, height = panel.figure.get_size_inches()  # type: ignore[union-attr]
    return np.array([width / columns - 0.7, (height - 0.55) / rows - 0.55])


def _count_inside(marks: np.ndarray, box: np.ndarray, margin: np.ndarray) -> int:
    inside = (marks > box[:2] - margin) & (marks < box[:2] + box[2:] + margin)
    return int(inside.all(axis=1).sum())


def _fill(box: np.ndarray) -> np.ndarray:
    """Points `[P, 2]` all over a box, so many that another note would rather cover data."""
    shares = np.stack(np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 15)), axis=-1).reshape(-1, 2)
    return box[:2] + shares * box[2:]


def _find_marks(panel: Axes) -> np.ndarray:
    """Points `[P, 2]` on all dots, lines and bars of a panel, in shares of the panel."""
    found = [np.empty((0, 2))]
    for line in panel.lines:
        found.append(line.get_transform().transform(_sample(np.asarray(line.get_xydata()))))
    for collection in panel.collections:
        if isinstance(collection, PathCollection):
            found.append(collection.get_offset_transform().transform(collection.get_offsets()))
        elif isinstance(collection, LineCollection):
            bars = [np.reshape(bar, (-1, 2)) for bar in collection.get_segments()]  # empty without a value
            found += [collection.get_transform().transform(_sample(bar)) for bar in bars]
    return panel.transAxes.inverted().transform(np.concatenate(found))


def _sample(corners: np.ndarray, between: int = 24) -> np.ndarray:
    """Points `[P, 2]` along a line through its corners."""
    if len(corners) < 2:
        return corners
    steps = np.linspace(0, 1, between, endpoint=False)[:, None]
    parts = [first + steps * (second - first) for first, second in pairwise(corners)]
    return np.concatenate([*parts, corners[-1:]])
