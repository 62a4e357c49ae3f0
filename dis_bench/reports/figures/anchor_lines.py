"""Lines in a panel for the scores of a perfect code and of noise, with notes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from dis_bench.metrics.anchors import Anchor
from dis_bench.plotting import Axes, LineCollection, PathCollection, withStroke
from dis_bench.reports.figures.theme import MUTED
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting

_POINTS = 7.5  # the size of a note
_LINE: dict[str, Any] = {"color": MUTED, "lw": 1.0, "ls": (0, (1, 2)), "zorder": 0.8}


def caption_anchors(setting: Setting, quantities: list[Quantity]) -> str:
    """Explain the lines of anchors, if there are any."""
    if not any(quantity.name in setting.anchors for quantity in quantities):
        return ""
    return (
        " Dotted lines are the scores of a perfect code (the factors themselves) and of noise on the same "
        "images with the same protocol; one beyond a panel is noted at its edge, with an arrow."
    )


def draw_anchors(panel: Axes, anchor: Anchor | None, score: Quantity) -> None:
    """Draw a dotted line with a note for a perfect code and for noise.

    The panel's limits stay unchanged, so that the data fill it. A value beyond the limits gets only a note at
    that edge, with an arrow.

    Args:
        panel: the panel, with everything else already in it.
        anchor: the two scores; if None, nothing is drawn.
        score: the quantity on the vertical axis.
    """
    if anchor is None:
        return
    panel.set_xlim(panel.get_xlim())  # any pending autoscaling happens now
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
    """Place a note where it covers the fewest marks.

    Args:
        text: the note.
        level: the height of its line as a share of the panel; below 0 or above 1 if it is outside.
        panel: gives the size.
        marks: points to keep clear of, `[P, 2]` in shares of the panel.

    Returns:
        Left, bottom, width and height, in shares of the panel.
    """
    size = _inches(panel)
    width, height = np.array([0.6 * len(text), 1.15]) * _POINTS / 72 / size
    gap = 0.045 / size  # between a note and its line; slightly less to other marks
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
    """Estimate a panel's size in inches, which is known only once the figure is drawn."""
    rows, columns = panel.get_subplotspec().get_gridspec().get_geometry()  # type: ignore[union-attr]
    width, height = panel.figure.get_size_inches()  # type: ignore[union-attr]
    return np.array([width / columns - 0.7, (height - 0.55) / rows - 0.55])


def _count_inside(marks: np.ndarray, box: np.ndarray, margin: np.ndarray) -> int:
    inside = (marks > box[:2] - margin) & (marks < box[:2] + box[2:] + margin)
    return int(inside.all(axis=1).sum())


def _fill(box: np.ndarray) -> np.ndarray:
    """Return points `[P, 2]` all over a box, so many that a note rather covers data."""
    shares = np.stack(np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 15)), axis=-1).reshape(-1, 2)
    return box[:2] + shares * box[2:]


def _find_marks(panel: Axes) -> np.ndarray:
    """Return points `[P, 2]` on all dots, lines and bars, in shares of the panel."""
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
    """Return points `[P, 2]` along a line through its corners."""
    if len(corners) < 2:
        return corners
    steps = np.linspace(0, 1, between, endpoint=False)[:, None]
    parts = [first + steps * (second - first) for first, second in pairwise(corners)]
    return np.concatenate([*parts, corners[-1:]])
