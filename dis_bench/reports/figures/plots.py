"""The plots of configurations: scores against the loss, quantities against a dial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.plotting import Axes, Figure
from dis_bench.reports.configurations import format_value
from dis_bench.reports.figures.anchor_lines import draw_anchors
from dis_bench.reports.figures.hollow import draw_along, find_along, list_handles
from dis_bench.reports.figures.legends import GREY_DOT, add_legend, level_handles
from dis_bench.reports.figures.series import Series, colour_greys, split_series
from dis_bench.reports.figures.theme import (
    LINE,
    MUTED,
    is_wide,
    label_decades,
    lowest,
    panels,
    set_title,
    widen,
)
from dis_bench.reports.headline import lead_score
from dis_bench.reports.ordering import find_best
from dis_bench.reports.published.reported import Reported
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.selection import rank_series
from dis_bench.reports.settings import Setting
from dis_bench.reports.tables import in_use

if TYPE_CHECKING:
    import pandas as pd

# With more cells, or more series in colour, one dot per cell would hide the means.
MOST_DOTS, MOST_DOTTED = 1_000, 4
# With more levels, the error bars of a path become a band, or are left out.
MOST_BARS = 30
# Against a dial, at most this many series without it are horizontal lines.
MOST_LINES = 4
# In the trade-off, a path of more levels has its values only at its ends.
MOST_LABELS = 6
# Labels of the vertical axis, where rotated text reads upwards.
_BETTER = {"higher": "better →", "lower": "← better", "": ""}


def draw_tradeoff(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> Figure:
    """Draw each score against reconstruction.

    Each seed is a faint dot, each configuration a mean with its spread. Series without the horizontal
    quantity of :func:`choose_loss` are left out, and so are scores that only they have.

    Args:
        setting: its finished cells are the dots, its anchors the dotted lines.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: :func:`list_traded` gives at least one of them.
    """
    loss, scores = choose_loss(table, quantities), list_traded(table, quantities)
    assert loss is not None, "only a setting with reconstructions has a trade-off"
    figure, axes = panels(len(scores), 2 if len(scores) in (2, 4) else 3, 2.8)
    every = split_series(setting, table, lead_score(quantities))
    series = [one for one in every if one.rows[f"{loss.name}_n"].any()]
    several = len({id(one.scale) for one in series if one.has_dial}) > 1
    losses = setting.done[loss.name].dropna()
    for panel, score in zip(axes, scores, strict=True):
        for number, one in enumerate(series):
            _draw_path(panel, one, loss, score, with_dots=has_dots(setting))
            if several and one.has_dial and not one.is_grey:
                _label_levels(panel, one, loss, score, below=number % 2 == 1)
        set_title(panel, score.label)
        panel.set_ylabel(_BETTER[score.better])
        if is_wide(losses):
            label_decades(panel, losses)
        widen(panel, score.range)
        draw_anchors(panel, setting.anchors.get(score.name), score)
    for panel in lowest(axes):
        unit = "nats" if loss.name == "reconstruction" else loss.unit
        scale = "\n(log scale, ← better)" if is_wide(losses) else "  (← better)"
        panel.set_xlabel(f"{loss.label}, {unit}{scale}")
    add_legend(figure, series, level_handles(series))
    return figure


def draw_against_dial(
    setting: Setting,
    table: pd.DataFrame,
    quantities: list[Quantity],
    dial: str = "beta",
    reported: Sequence[Reported] = (),
) -> Figure:
    """Draw each quantity against a dial.

    The best configuration of a series without this dial is a dashed line with its spread as a band. Published
    rows of the models that have it are hollow marks, at values between the ends of the axis. A quantity that
    no series with this dial has is left out.
    """
    series, lead = split_series(setting, table, lead_score(quantities)), lead_score(quantities)
    quantities = in_use(table[table["dial"] == dial], quantities)
    figure, axes = panels(len(quantities), 3 if len(quantities) <= 6 else 4, 2.1)
    # the axis distinguishes the levels, so a hue needs no shades
    along = [replace(one, has_shades=False) for one in series if one.rows["dial"].iloc[0] == dial]
    others = [one for one in series if one.rows["dial"].iloc[0] != dial and not one.is_grey]
    ranked = rank_series([one.rows for one in others], lead)[:MOST_LINES]
    across = [_dash(_reduce(others[number], lead)) for number in sorted(ranked)]
    along = colour_greys(along, across, lead)
    scale = next(one.scale for one in along if one.scale is not None)
    published = find_along(reported, along, dial)
    for panel, quantity in zip(axes, quantities, strict=True):
        for one in across:
            _draw_across(panel, one, quantity, 0.24 / (1 + len(across)))
        for one in along:
            _draw_curve(panel, one, quantity, with_dots=has_dots(setting))
        draw_along(panel, published, dial, quantity)
        set_title(panel, quantity.heading)
        panel.set_ylabel(quantity.unit)
        scale.label_axis(panel)
        widen(panel, quantity.range)
        draw_anchors(panel, setting.anchors.get(quantity.name), quantity)
    for panel in lowest(axes):
        panel.set_xlabel(scale.name)
    add_legend(figure, [*along, *across], list_handles([one for one, _ in published], MUTED))
    return figure


def choose_loss(table: pd.DataFrame, quantities: list[Quantity]) -> Quantity | None:
    """Choose reconstruction, or the MSE if more configurations have it, or None."""
    losses = [q for q in quantities if q.name in ("reconstruction", "mse") and table[f"{q.name}_n"].any()]
    return max(losses, key=lambda q: int((table[f"{q.name}_n"] > 0).sum()), default=None)


def list_traded(table: pd.DataFrame, quantities: list[Quantity]) -> list[Quantity]:
    """List the scores of configurations that have the quantity of :func:`choose_loss`."""
    loss = choose_loss(table, quantities)
    scores = [q for q in quantities if q.is_score]
    return in_use(table[table[f"{loss.name}_n"] > 0], scores) if loss is not None else []


def has_dots(setting: Setting) -> bool:
    """Return True if the plots of a setting have a dot for each cell."""
    return len(setting.done) <= MOST_DOTS and setting.done["series"].nunique() <= MOST_DOTTED


def _draw_path(panel: Axes, one: Series, x: Quantity, y: Quantity, *, with_dots: bool) -> None:
    """Draw one series in the plane of two quantities.

    Seeds are dots; means have spreads and are joined in the order of the dial.
    """
    if with_dots and not one.is_grey:
        dots: dict[str, Any] = {"s": 16, "alpha": _dot_alpha(one), "lw": 0, "marker": one.marker, "zorder": 2}
        panel.scatter(one.cells[x.name], one.cells[y.name], color=one.colours(one.cells["level"]), **dots)
    across, up = one.rows[f"{x.name}_mean"], one.rows[f"{y.name}_mean"]
    if one.has_dial:
        width = 0.5 if len(one.rows) > MOST_BARS else 0.7 if one.is_grey else 1.2
        order = 0.5 if one.is_grey else 1
        panel.plot(across, up, color=one.colour or LINE, ls=one.style, lw=width, zorder=order)
    bars = [one.rows[f"{q.name}_std"].fillna(0).to_numpy(float) for q in (x, y)]
    bars = [] if one.is_grey or len(one.rows) > MOST_BARS else bars
    _draw_means(panel, one, across.to_numpy(float), up.to_numpy(float), bars)


def _label_levels(panel: Axes, one: Series, x: Quantity, y: Quantity, *, below: bool) -> None:
    """Label a path's means with the dial's values, or only its ends if they are many."""
    rows = one.rows[one.rows[f"{x.name}_n"] > 0]
    if len(rows) > MOST_LABELS:
        rows = rows.iloc[[0, -1]]
    colours = one.colours(rows["level"])
    for (_, row), colour in zip(rows.iterrows(), colours, strict=True):
        panel.annotate(
            format_value(float(row["level"])),
            (row[f"{x.name}_mean"], row[f"{y.name}_mean"]),
            xytext=(5, -11) if below else (5, 4),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            zorder=4,
        )


def _draw_curve(panel: Axes, one: Series, quantity: Quantity, *, with_dots: bool) -> None:
    """Draw one series against its dial."""
    assert one.scale is not None, "only a series with a dial is drawn against it"
    name = quantity.name
    if with_dots and not one.is_grey:
        dots = [one.scale.position(level) for level in one.cells["level"]]
        look: dict[str, Any] = {"s": 14, "alpha": _dot_alpha(one), "lw": 0, "marker": one.marker}
        panel.scatter(dots, one.cells[name], color=one.colours(one.cells["level"]), **look)
    where = np.array([one.scale.position(level) for level in one.rows["level"]])
    means = one.rows[f"{name}_mean"].to_numpy(float)
    spread = one.rows[f"{name}_std"].fillna(0).to_numpy(float)
    colour, width = one.colour or LINE, 0.8 if one.is_grey else 1.2
    panel.plot(where, means, color=colour, lw=width, ls=one.style, zorder=1)
    many = len(where) > MOST_BARS
    if many and not one.is_grey:
        panel.fill_between(where, means - spread, means + spread, color=colour, alpha=0.25, lw=0)
    bars = [] if one.is_grey or many else [np.full_like(spread, np.nan), spread]
    _draw_means(panel, one, where, means, bars)


def _draw_across(panel: Axes, one: Series, quantity: Quantity, alpha: float) -> None:
    """Draw one configuration as a line across all levels, and its spread as a band.

    Both are behind the series that have the dial.
    """
    row = one.rows.iloc[0]
    if not row[f"{quantity.name}_n"]:
        return
    mean, spread = row[f"{quantity.name}_mean"], np.nan_to_num(row[f"{quantity.name}_std"])
    panel.axhspan(mean - spread, mean + spread, color=one.colour, alpha=alpha, lw=0, zorder=0.4)
    panel.axhline(mean, color=one.colour, ls=one.style, lw=1, zorder=0.6)


def _dash(one: Series) -> Series:
    """Dash the line of a series, without marks: solid ones with marks are paths."""
    return replace(one, marker="", style="--" if one.style == "-" else one.style)


def _reduce(one: Series, lead: Quantity | None) -> Series:
    """Reduce a series to its best configuration by the leading score, named after it."""
    if len(one.rows) == 1:
        return one
    best = find_best(one.rows, lead)[0] if lead is not None else None
    rows = one.rows.iloc[:1] if best is None else one.rows.loc[[best]]
    name = str(rows["label"].iloc[0])
    return replace(
        one, rows=rows, name=name if best is None or lead is None else f"{name} (its best {lead.label})"
    )


def _draw_means(panel: Axes, one: Series, x: np.ndarray, y: np.ndarray, bars: list[Any]) -> None:
    """Draw means as markers, with bars of one standard deviation if given."""
    colours = one.colours(one.rows["level"])
    if not bars:
        look: dict[str, Any] = (
            {"s": GREY_DOT**2, "lw": 0, "zorder": 0.6} if one.is_grey else {"s": 9, "lw": 0, "zorder": 3}
        )
        panel.scatter(x, y, color=colours, marker=one.marker, **look)
        return
    size = 5 if len(x) > 9 else 6.5
    dot = {"ms": size, "mec": "white", "mew": 0.9}
    for number, colour in enumerate(colours):
        ring = {"ms": 10, "mfc": "none", "mec": colour, "mew": 1.3}  # around a dot that it may coincide with
        panel.errorbar(
            x[number],
            y[number],
            xerr=bars[0][number] if np.isfinite(bars[0][number]) else None,
            yerr=bars[1][number],
            marker=one.marker,
            color=colour,
            elinewidth=1.2,
            capsize=0,
            zorder=3,
            **(dot if one.has_dial else ring),
        )


def _dot_alpha(one: Series) -> float:
    """Return the opacity of dots: many seeds are faint, so that means stay visible."""
    return float(np.clip(3 / max(1.0, one.rows["n"].max()), 0.15, 0.5))
