"""The series of a setting, with one colour, marker and line style in all figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dis_bench.escape import visible
from dis_bench.plotting import Line2D
from dis_bench.reports.configurations import format_dial
from dis_bench.reports.figures.theme import (
    COLOURS,
    MARKERS,
    MUTED,
    OTHERS,
    REFERENCE_COLOURS,
    REFERENCE_MARKERS,
    STYLES,
    DialScale,
)
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.selection import rank_series
from dis_bench.reports.settings import Setting
from dis_bench.reports.words import shorten

if TYPE_CHECKING:
    import pandas as pd

# At most this many series have a style of their own; the others are grey.
SHOWN_SERIES = 8
_LONGEST_NAME = 60


LineStyle = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Series:
    """A model with its other hyperparameters fixed: a path along its dial, or a point.

    Attributes:
        name: its name in the legend.
        rows: its rows of the summary table, one per level of the dial.
        cells: its finished cells, one per seed and level.
        marker, style: its marker and line style.
        colour: its colour; empty if it is the only series with a dial, whose levels give the colours.
        scale: the scale of its dial; None if it has no dial.
        is_grey: True if there are too many series for it to have a style of its own.
        has_shades: True if its colour, if any, darkens along the dial.
    """

    name: str
    rows: pd.DataFrame
    cells: pd.DataFrame
    marker: str
    style: LineStyle
    colour: str
    scale: DialScale | None = None
    is_grey: bool = False
    has_shades: bool = True

    @property
    def has_dial(self) -> bool:
        """True if it is a path along a dial."""
        return self.scale is not None

    def colours(self, levels: pd.Series) -> list[str]:
        """Return a colour for each level of the dial."""
        if self.scale is None or self.is_grey or (self.colour and not self.has_shades):
            return [self.colour] * len(levels)
        known = {level: self.scale.colour(level, self.colour) for level in levels.unique()}
        return [known[level] for level in levels]

    def legend_handle(self) -> Line2D:
        """Return its entry in a legend."""
        hollow: dict[str, Any] = {"ms": 8, "mfc": "white", "mew": 1.3}
        return Line2D(
            [],
            [],
            label=_shorten(self.name),
            color=self.colour or MUTED,
            ls=self.style,
            marker=self.marker,
            **({"ms": 6} if self.has_dial else hollow),
        )


def split_series(setting: Setting, table: pd.DataFrame, lead: Quantity | None = None) -> list[Series]:
    """Return the series of a setting with a finished cell, in the table's order.

    Args:
        setting: its finished cells are the series' cells.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        lead: the leading score; if there are too many series, the best by it get a style of their own.
    """
    finished = table[table["n"] > 0]
    parts = [rows for _, rows in finished.groupby("series", sort=False)]
    scales = {
        dial: DialScale(rows["level"], format_dial(str(dial)))
        for dial, rows in finished[finished["dial"] != ""].groupby("dial")
    }
    turned = any(len(scale.levels) > 1 for scale in scales.values())
    if turned:  # then a dial with a single value is no path, but a point
        scales = {dial: scale for dial, scale in scales.items() if len(scale.levels) > 1}
    shown = sorted(rank_series(parts, lead)[:SHOWN_SERIES])
    looks = dict(zip(shown, _choose_looks([parts[n]["dial"].iloc[0] in scales for n in shown]), strict=True))
    done = dict(tuple(setting.done.groupby("series", sort=False)))
    return [
        Series(
            _name(rows, scales, setting.notes),
            rows,
            done[rows["series"].iloc[0]],
            *looks.get(number, (".", "-", OTHERS)),
            scale=scales.get(rows["dial"].iloc[0]),
            is_grey=number not in looks,
        )
        for number, rows in enumerate(parts)
    ]


def colour_greys(series: Sequence[Series], others: Sequence[Series], lead: Quantity | None) -> list[Series]:
    """Give grey series of a figure the colours that are left, the best first.

    Args:
        series: those that the figure is about.
        others: those that it shows beside them.
        lead: the leading score, which ranks the series.

    Returns:
        The same series, still grey where no colour was left.
    """
    taken = {one.colour for one in (*series, *others)}
    greys = [number for number, one in enumerate(series) if one.is_grey]
    ranked = [greys[number] for number in rank_series([series[number].rows for number in greys], lead)]
    free = [colour for colour in COLOURS if colour not in taken]
    colours = dict(zip(ranked, free, strict=False))
    return [
        replace(
            one,
            marker=MARKERS[number % len(MARKERS)],
            style=STYLES[number % len(STYLES)],
            colour=colours[number],
            is_grey=False,
        )
        if number in colours
        else one
        for number, one in enumerate(series)
    ]


def _name(rows: pd.DataFrame, scales: Mapping[str, DialScale], notes: Mapping[str, str]) -> str:
    """Return the name of a series in legends.

    It includes the dial if there are several, or the value of a dial without a scale. A model without a dial
    has its own note instead.
    """
    series, dial = str(rows["series"].iloc[0]), str(rows["dial"].iloc[0])
    if not dial:
        note = notes.get(rows["model"].iloc[0], "")
        return visible(f"{series} ({note})" if note else series)
    if dial not in scales:
        return visible(str(rows["label"].iloc[0]))
    return visible(f"{series} (along {format_dial(dial)})" if len(scales) > 1 else series)


def _choose_looks(with_dial: list[bool]) -> list[tuple[str, LineStyle, str]]:
    """Choose a marker, a line style and a colour for each series; all colours differ.

    A single path gets no colour, because viridis distinguishes its levels.
    """
    single = sum(with_dial) == 1
    colours = iter(REFERENCE_COLOURS if single else COLOURS)
    looks: list[tuple[str, LineStyle, str]] = []
    for number, dial in enumerate(with_dial):
        before = sum(other == dial for other in with_dial[:number])
        marker = (MARKERS if dial else REFERENCE_MARKERS)[before % len(MARKERS)]
        style = (STYLES if dial else STYLES[1:])[before % (len(STYLES) if dial else len(STYLES) - 1)]
        looks.append((marker, style, "" if dial and single else next(colours)))
    return looks


def _shorten(name: str) -> str:
    """Shorten a name for a legend, where a leading underscore would also hide it."""
    name = shorten(name, _LONGEST_NAME)
    return f" {name}" if name.startswith("_") else name
