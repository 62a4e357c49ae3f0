"""The plots along training: curves of what was measured, and scores at some steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dis_bench.plotting import Axes, Figure
from dis_bench.reports.along import ScoreCurve
from dis_bench.reports.curves import Curve, describe_measure, list_measures
from dis_bench.reports.figures.anchor_lines import draw_anchors
from dis_bench.reports.figures.legends import add_legend, level_handles
from dis_bench.reports.figures.series import Series, split_series
from dis_bench.reports.figures.theme import label_steps, lowest, panels, set_title, widen
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

# Titles of the curves that are in nats per image whatever the model.
_CURVES = {"reconstruction": "reconstruction ↓", "kl": "KL"}


def draw_training(
    setting: Setting, table: pd.DataFrame, curves: dict[str, Curve], lead: Quantity | None = None
) -> Figure:
    """Draw what was measured over training: thin lines per seed, thick means.

    Args:
        setting, table, lead: as for :func:`dis_bench.reports.figures.series.split_series`.
        curves: by the hash of their cell; at least one.
    """
    measures = list_measures(curves.values())
    figure, axes = panels(len(measures), 2 if len(measures) in (2, 4) else 3, 3.1)
    series = split_series(setting, table, lead)
    shown = setting.done[setting.done["hash"].isin(curves)]
    for panel, name in zip(axes, measures, strict=True):
        for one in series:
            cells = one.cells[one.cells["hash"].isin(shown["hash"])]
            for (_, some), colour in zip(
                cells.groupby("level", dropna=False),
                one.colours(cells["level"].drop_duplicates().sort_values()),
                strict=True,
            ):
                kept = [curves[cell] for cell in some["hash"] if name in curves[cell].measures]
                _draw_curves(panel, kept, name, one, colour)
        panel.set_title(_CURVES.get(name, describe_measure(name)))
        panel.set_ylabel("nats per image" if name in _CURVES else "")
        label_steps(panel, [0])
        having = [curve for curve in curves.values() if name in curve.measures]
        _settle(panel, [curve.measures[name][len(curve.step) // 10 :] for curve in having])
        if name == "kl":
            panel.set_ylim(bottom=0)
    for panel in lowest(axes):
        panel.set_xlabel("training step")
    drawn = [one for one in series if one.cells["hash"].isin(curves).any()]
    add_legend(figure, drawn, level_handles(drawn, curves))
    return figure


def draw_scores_along(
    setting: Setting,
    table: pd.DataFrame,
    curves: dict[str, ScoreCurve],
    scores: list[Quantity],
    lead: Quantity | None = None,
) -> Figure:
    """Draw each score along training: thin lines per seed, thick means.

    Args:
        setting, table, lead: as for :func:`dis_bench.reports.figures.series.split_series`.
        curves: by the hash of their cell; at least one.
        scores: those to draw; at least one.
    """
    figure, axes = panels(len(scores), 2 if len(scores) in (2, 4) else 3, 2.8)
    drawn = [one for one in split_series(setting, table, lead) if one.cells["hash"].isin(curves).any()]
    for panel, score in zip(axes, scores, strict=True):
        for one in drawn:
            for _, cells in one.cells.groupby("level", dropna=False):
                some = [curves[cell] for cell in cells["hash"] if cell in curves]
                _draw_scores(panel, some, score.name, one, one.colours(cells["level"])[0])
        set_title(panel, score.heading)
        label_steps(panel, [step for curve in curves.values() for step in curve.step])
        widen(panel, score.range)
        draw_anchors(panel, setting.anchors.get(score.name), score)
    for panel in lowest(axes):
        panel.set_xlabel("training step")
    add_legend(figure, drawn, level_handles(drawn, curves))
    return figure


def _draw_scores(panel: Axes, curves: list[ScoreCurve], score: str, one: Series, colour: str) -> None:
    """Draw a score of one configuration; all its curves have the same steps."""
    values = [curve.scores[score] for curve in curves if score in curve.scores]
    if not values:
        return
    for own in values if len(values) > 1 else []:
        panel.plot(curves[0].step, own, lw=0.7, alpha=max(0.15, 1 / (len(values) + 1)), color=colour)
    mean = np.mean(values, axis=0)
    panel.plot(curves[0].step, mean, lw=1.8, ls=one.style, marker=one.marker, ms=4, color=colour)


def _settle(panel: Axes, tails: list[np.ndarray]) -> None:
    """Fit the vertical axis to the curves' tails, which the plunge would flatten."""
    low, high = float(min(tail.min() for tail in tails)), float(max(tail.max() for tail in tails))
    pad = 0.06 * (high - low) or 1.0
    panel.set_ylim(low - pad, high + pad)


def _draw_curves(panel: Axes, curves: list[Curve], name: str, one: Series, colour: str) -> None:
    if not curves:
        return
    for curve in curves:
        panel.plot(
            curve.step, curve.measures[name], lw=0.7, alpha=max(0.08, 1 / (len(curves) + 1)), color=colour
        )
        if curve.heldout is not None and hasattr(curve.heldout, name):
            steps, values = curve.heldout.step, getattr(curve.heldout, name)
            panel.plot(steps, values, lw=1, ls=":", marker=".", ms=3, alpha=0.7, color=colour)
    every = np.unique(np.concatenate([curve.step for curve in curves]))
    step = every[every <= min(curve.step[-1] for curve in curves)]  # of a training that ended early, too
    mean = np.mean([np.interp(step, curve.step, curve.measures[name]) for curve in curves], axis=0)
    panel.plot(step, mean, lw=1.8, ls=one.style, color=colour)
