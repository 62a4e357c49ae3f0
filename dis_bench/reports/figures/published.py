"""The figure of measured and published scores, a row for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dis_bench.escape import visible
from dis_bench.plotting import Axes, Figure, Line2D
from dis_bench.reports.figures.hollow import choose_looks, draw_hollow, list_handles
from dis_bench.reports.figures.plan import Plan
from dis_bench.reports.figures.theme import COLOURS, GRID, INK, panels, set_title
from dis_bench.reports.published.reported import Reported, format_figure
from dis_bench.reports.published.source import Figure as Published
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting
from dis_bench.reports.words import shorten

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_NAME = 24
_MOST_TOLD = 8
_GAP = 0.7  # lanes between two models


def plan_published(
    setting: Setting, table: pd.DataFrame, quantities: Sequence[Quantity], reported: Sequence[Reported]
) -> list[Plan]:
    """Plan the figure of a setting, if there are published figures of its scores.

    Args:
        setting: gives the file's name.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those for which the setting has values.
        reported: the published rows of the setting.
    """
    scores = [q for q in quantities if any(q.name in one.row.figures for one in reported)]
    if not scores:
        return []
    told = [
        f"{one.label}: {format_figure(one.row.figures[scores[0].name], scores[0])}"
        for one in reported
        if scores[0].name in one.row.figures
    ]
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return [
        Plan(
            "published",
            f"published-{setting.slug}",
            "Published beside measured",
            "Filled dots are the means over seeds of each configuration here, with one standard deviation. "
            "Hollow marks are published figures with the spread that they have: another budget and another "
            "protocol, listed below the table. They take part in no mean, no order and no answer.",
            f"Published and measured scores of each model. Published {scores[0].label}: "
            f"{'; '.join(told[:_MOST_TOLD])}{more}.",
            lambda: draw_published(table, scores, reported),
        )
    ]


def draw_published(table: pd.DataFrame, scores: Sequence[Quantity], reported: Sequence[Reported]) -> Figure:
    """Draw each score in a panel, with lanes of measured and published figures.

    Each model has a lane of measured means, if it was measured, and one for each source.

    Args:
        table: from :func:`dis_bench.reports.tables.summarise`.
        scores: those to draw; at least one.
        reported: the published rows.
    """
    lanes = [_sort_lanes(table, score, reported) for score in scores]
    looks = choose_looks(reported)
    lengths = [sum(map(len, some.values())) + _GAP * len(some) for some in lanes]
    figure, axes = panels(len(scores), 2, 0.6 + 0.15 * max(lengths))
    for panel, score, some in zip(axes, scores, lanes, strict=True):
        places, y = [], 0.0
        for rows in some.values():
            places.append(y + (len(rows) - 1) / 2)
            for source, figures in rows.items():
                for value in figures:
                    if source:
                        draw_hollow(panel, value.value, y, value, looks[source], is_upright=False)
                    else:
                        _draw_measured(panel, value, y)
                y += 1
            panel.axhline(y + (_GAP - 1) / 2, color=GRID, lw=0.8, zorder=0)
            y += _GAP
        set_title(panel, score.heading)
        panel.set_yticks(places, [_shorten(name) for name in some])
        panel.grid(False, axis="y")
        panel.set_ylim(max(lengths) - 0.5, -0.5 - _GAP / 2)
        panel.margins(x=0.06)
    measured = Line2D([], [], color=COLOURS[0], marker="o", ls="", ms=6, mec="white", label="measured here")
    used = [one for one in reported if any(score.name in one.row.figures for score in scores)]
    handles = [measured, *list_handles(used)]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(4, len(handles)), labelcolor=INK)
    return figure


def _sort_lanes(
    table: pd.DataFrame, score: Quantity, reported: Sequence[Reported]
) -> dict[str, dict[str, list[Published]]]:
    """Sort figures by model, and then by source, which is empty for measured ones."""
    lanes: dict[str, dict[str, list[Published]]] = {}
    finished = table[table[f"{score.name}_n"] > 0]
    for model, mean, std in finished[["model", f"{score.name}_mean", f"{score.name}_std"]].to_numpy():
        lanes.setdefault(str(model), {}).setdefault("", []).append(Published(mean, mean - std, mean + std))
    for one in reported:
        if score.name in one.row.figures:
            sources = lanes.setdefault(one.row.model or one.row.name, {})
            sources.setdefault(one.source.name, []).append(one.row.figures[score.name])
    return lanes


def _draw_measured(panel: Axes, figure: Published, place: float) -> None:
    panel.errorbar(
        figure.value,
        place,
        xerr=figure.high - figure.value if figure.high == figure.high else None,
        marker="o",
        ms=6,
        mec="white",
        mew=0.9,
        color=COLOURS[0],
        elinewidth=0.9,
        zorder=3,
    )


def _shorten(name: str) -> str:
    return visible(shorten(name, _LONGEST_NAME))
