"""The plots of a setting: the trade-off, each quantity against beta, and the losses through training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.escape import visible
from dis_bench.plotting import Axes, Figure, Line2D
from dis_bench.reports.anchor_lines import draw_anchors
from dis_bench.reports.curves import Curve
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting
from dis_bench.reports.theme import (
    INK,
    LINE,
    MARKERS,
    MUTED,
    REFERENCE_COLOURS,
    REFERENCE_MARKERS,
    STYLES,
    BetaScale,
    lowest,
    panels,
    set_title,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Series:
    """A model with one choice of its other hyperparameters: one path through the betas, or one point.

    Attributes:
        name: for the legend.
        rows: its rows of the summary table, one per beta.
        cells: its finished cells, one per seed and beta.
        marker, style: what tells it from the other series.
        colour: its own where it has no beta; else empty, and beta gives the colour.
    """

    name: str
    rows: pd.DataFrame
    cells: pd.DataFrame
    marker: str
    style: str | tuple[float, tuple[float, ...]]
    colour: str

    @property
    def has_beta(self) -> bool:
        """Whether beta is one of the model's hyperparameters."""
        return not self.colour


def split_series(setting: Setting, table: pd.DataFrame) -> list[Series]:
    """The series of a setting that have a finished cell, in the table's order."""
    series: list[Series] = []
    for name, rows in table[table["n"] > 0].groupby("series", sort=False):
        has_beta = bool(rows["beta"].notna().all())
        number = sum(other.has_beta == has_beta for other in series)
        is_vae = not has_beta and set(rows["model"]) == {"vae"}
        series.append(
            Series(
                name=visible(f"{name} (its objective: β = 1)" if is_vae else str(name)),
                rows=rows,
                cells=setting.done[setting.done["series"] == name],
                marker=(MARKERS if has_beta else REFERENCE_MARKERS)[number % len(MARKERS)],
                style=(STYLES if has_beta else STYLES[1:])[number % (len(STYLES) - 1)],
                colour="" if has_beta else REFERENCE_COLOURS[number % len(REFERENCE_COLOURS)],
            )
        )
    return series


def draw_tradeoff(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> Figure:
    """Each score against reconstruction: a faint dot per seed, a mean with its spread per beta.

    Args:
        setting: its finished cells are the dots, its anchors dotted lines.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: ``reconstruction`` and at least one score among them.
    """
    reconstruction = next(q for q in quantities if q.name == "reconstruction")
    scores = [q for q in quantities if q.is_score]
    figure, axes = panels(len(scores), 2 if len(scores) in (2, 4) else 3, 2.8)
    series, scale = split_series(setting, table), BetaScale(table["beta"])
    for panel, score in zip(axes, scores, strict=True):
        for one in series:
            _draw_path(panel, one, reconstruction, score, scale)
        set_title(panel, score.label)
        panel.set_ylabel(_BETTER[score.better])
        _widen(panel, score)
        draw_anchors(panel, setting.anchors.get(score.name), score)
    for panel in lowest(axes):
        panel.set_xlabel("reconstruction, nats  (← better)")
    _add_legend(figure, series, scale.legend_handles())
    return figure


def draw_against_beta(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> Figure:
    """Each quantity against beta; a model without beta is a dashed line across, its spread a band."""
    figure, axes = panels(len(quantities), 3 if len(quantities) <= 6 else 4, 2.1)
    series, scale = split_series(setting, table), BetaScale(table["beta"])
    for panel, quantity in zip(axes, quantities, strict=True):
        for one in series:
            _draw_curve(panel, one, quantity, scale)
        set_title(panel, quantity.heading)
        panel.set_ylabel(quantity.unit)
        scale.label_axis(panel)
        _widen(panel, quantity)
        draw_anchors(panel, setting.anchors.get(quantity.name), quantity)
    for panel in lowest(axes):
        panel.set_xlabel(scale.name)
    _add_legend(figure, series, [])
    return figure


def draw_training(setting: Setting, table: pd.DataFrame, curves: dict[str, Curve]) -> Figure:
    """Reconstruction and KL through training: a thin line per seed, the mean over seeds thick.

    Args:
        setting, table: as for :func:`draw_tradeoff`.
        curves: by the hash of their cell; at least one.
    """
    figure, axes = panels(2, 2, 3.1)
    series, scale = split_series(setting, table), BetaScale(table["beta"])
    for panel, name in zip(axes, ("reconstruction", "kl"), strict=True):
        for one in series:
            for beta, cells in one.cells.groupby("beta", dropna=False):
                found = [curves[cell] for cell in cells["hash"] if cell in curves]
                _draw_curves(panel, found, name, one, one.colour or scale.colour(float(beta)))
        panel.set_xlabel("training step")
        panel.set_ylabel("nats per image")
        panel.set_xlim(left=0)
        panel.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
        _settle(panel, [getattr(curve, name)[len(curve.step) // 10 :] for curve in curves.values()])
    axes[0].set_title("reconstruction ↓")
    axes[1].set_title("KL")
    axes[1].set_ylim(bottom=0)
    _add_legend(figure, series, scale.legend_handles())
    return figure


def _settle(panel: Axes, tails: list[np.ndarray]) -> None:
    """Fit the vertical axis to what follows the first tenth: the plunge before it would flatten the rest."""
    low, high = float(min(tail.min() for tail in tails)), float(max(tail.max() for tail in tails))
    pad = 0.06 * (high - low) or 1.0
    panel.set_ylim(low - pad, high + pad)


def _draw_curves(panel: Axes, curves: list[Curve], name: str, one: Series, colour: str) -> None:
    if not curves:
        return
    for curve in curves:
        panel.plot(
            curve.step, getattr(curve, name), lw=0.7, alpha=max(0.08, 1 / (len(curves) + 1)), color=colour
        )
    step = curves[0].step
    mean = np.mean([np.interp(step, curve.step, getattr(curve, name)) for curve in curves], axis=0)
    panel.plot(step, mean, lw=1.8, ls=one.style, color=colour)


def _draw_path(panel: Axes, one: Series, x: Quantity, y: Quantity, scale: BetaScale) -> None:
    """One series in the plane of two quantities: dots per seed, means with spreads, joined in beta order."""
    colours = [one.colour or scale.colour(beta) for beta in one.cells["beta"]]
    dots: dict[str, Any] = {"s": 16, "alpha": _dot_alpha(one), "lw": 0, "marker": one.marker, "zorder": 2}
    panel.scatter(one.cells[x.name], one.cells[y.name], color=colours, **dots)
    means = one.rows[[f"{x.name}_mean", f"{y.name}_mean"]].to_numpy(float).T
    panel.plot(*means, color=LINE, lw=1.2, ls=one.style, zorder=1)
    for _, row in one.rows.iterrows():
        _draw_mean(panel, one, one.colour or scale.colour(row["beta"]), row, x, y)


def _draw_mean(panel: Axes, one: Series, colour: str, row: pd.Series, x: Quantity, y: Quantity) -> None:
    bars = np.nan_to_num([row[f"{x.name}_std"], row[f"{y.name}_std"]])
    panel.errorbar(
        row[f"{x.name}_mean"],
        row[f"{y.name}_mean"],
        xerr=bars[0],
        yerr=bars[1],
        **_mean_look(one, colour),
    )


def _draw_curve(panel: Axes, one: Series, quantity: Quantity, scale: BetaScale) -> None:
    """One series against beta, or across all betas where it has none."""
    name = quantity.name
    if not one.has_beta:
        row = one.rows.iloc[0]
        mean, std = row[f"{name}_mean"], np.nan_to_num(row[f"{name}_std"])
        panel.axhspan(mean - std, mean + std, color=one.colour, alpha=0.12, lw=0)
        panel.axhline(mean, color=one.colour, ls=one.style, lw=1.3)
        return
    where = [scale.position(beta) for beta in one.cells["beta"]]
    colours = [scale.colour(beta) for beta in one.cells["beta"]]
    panel.scatter(where, one.cells[name], s=14, alpha=_dot_alpha(one), lw=0, color=colours, marker=one.marker)
    where = [scale.position(beta) for beta in one.rows["beta"]]
    panel.plot(where, one.rows[f"{name}_mean"], color=LINE, lw=1.2, ls=one.style, zorder=1)
    for position, (_, row) in zip(where, one.rows.iterrows(), strict=True):
        look = _mean_look(one, scale.colour(row["beta"]))
        panel.errorbar(position, row[f"{name}_mean"], yerr=np.nan_to_num(row[f"{name}_std"]), **look)


def _mean_look(one: Series, colour: str) -> dict[str, Any]:
    size = 5 if len(one.rows) > 9 else 6.5
    ring = {"ms": 10, "mfc": "none", "mec": colour, "mew": 1.3}  # around what it may coincide with
    return {
        "marker": one.marker,
        "color": colour,
        **({"ms": size, "mec": "white", "mew": 0.9} if one.has_beta else ring),
        "elinewidth": 1.2,
        "capsize": 0,
        "zorder": 3,
    }


def _dot_alpha(one: Series) -> float:
    """Dots fade as seeds grow in number, so that the means stay visible."""
    return float(np.clip(3 / max(1.0, one.rows["n"].max()), 0.15, 0.5))


# Along the vertical axis: rotated text reads upwards.
_BETTER = {"higher": "better →", "lower": "← better", "": ""}


def _widen(panel: Axes, quantity: Quantity) -> None:
    """Keep noise small: a score's axis spans at least a tenth of its range, and stays near the possible."""
    panel.margins(x=0.08, y=0.12)
    low, high = panel.get_ylim()
    if quantity.range is None or not np.isfinite(quantity.range).all():
        return
    bottom, top = quantity.range
    span = max(high - low, 0.1 * (top - bottom))
    low = (low + high - span) / 2
    low = min(max(low, bottom - 0.04 * span), top - 0.96 * span)
    panel.set_ylim(low, low + span)


def _add_legend(figure: Figure, series: list[Series], betas: list[Line2D]) -> None:
    """Betas by colour, then series by marker and line, above the panels; nothing where nothing differs."""
    handles = list(betas)
    if len(series) > 1:
        for one in series:
            look: dict[str, Any] = {"color": one.colour or MUTED, "ls": one.style, "marker": one.marker}
            look |= {"ms": 6} if one.has_beta else {"ms": 8, "mfc": "white", "mew": 1.3}
            handles.append(Line2D([], [], label=one.name, **look))
    if handles:
        inches = [0.6 + 0.085 * len(str(handle.get_label())) for handle in handles]
        width = figure.get_figwidth()
        columns = len(handles) if sum(inches) < width else max(1, int(width / max(inches)))
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, labelcolor=INK)
