"""The style of all figures: seaborn's theme, the colours of beta, export to PNG.

Figures are matplotlib ``Figure`` objects without pyplot: nothing is shown, nothing is left open, and the
caller's own plot settings neither affect them nor change.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from PIL import Image

from dis_bench.escape import visible
from dis_bench.plotting import (
    Axes,
    ConstrainedLayoutEngine,
    Figure,
    FigureCanvasAgg,
    Line2D,
    LinearSegmentedColormap,
    drawing,
    load_seaborn,
    to_hex,
    to_rgb,
)
from dis_bench.reports.configurations import format_value

seaborn = load_seaborn()

# Pixels per inch; the page shows a figure at half its pixels, so that it is sharp on dense screens.
DPI = 192

INK = "#22252a"
MUTED = "#6b7280"
GRID = "#e6e8ec"

MARKERS, REFERENCE_MARKERS = "osv^PXD<>", "Ds^vPX<>o"
# Every colour of a line or a mark has a contrast of at least 3 to white, as WCAG 2 requires (1.4.11).
LINE = "#868d98"
# From low levels of a dial (dark) to high ones (light): viridis, with its lighter half darkened to stand out.
DIAL_COLOURS = ("#440154", "#414487", "#2a788e", "#17916f", "#5c9626", "#979000")
# For several series, each with a contrast of at least 3 to white; higher levels of a dial are darker shades.
COLOURS = ("#0072b2", "#d55e00", "#00865f", "#c4699a", "#59616d", "#7a4b22", "#8b67d0", "#808000")
# For models without the dial: hues that do not occur among those of its levels.
REFERENCE_COLOURS = ("#d55e00", "#c4699a", "#000000", "#7a4b22", "#8b67d0", "#b3123f", "#0072b2")
OTHERS = LINE
# With more values on an axis, only labelled values have a tick.
MOST_TICKS = 40
# The axis of steps is logarithmic if the last scored step is at least this many times the first.
WIDE_STEPS = 20
ROUNDING = 1e-12  # values that differ by less are equal, as zeros from sums of floats
STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))

_RC: dict[str, Any] = {
    "axes.edgecolor": LINE,
    "axes.formatter.useoffset": False,  # a tick says its whole value
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": GRID,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a name may contain dollar signs
    "xtick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.color": MUTED,
    "ytick.labelsize": 9,
}

LARGE = 60_000  # bytes of a picture in the page
# Of plots: similar colours become one, so that the choice of 256 takes less time.
_STEPS = [round(level / 5) * 5 for level in range(256)] * 3


def theme() -> AbstractContextManager[None]:
    """Return a context manager that applies the style of all figures."""
    return drawing({**seaborn.axes_style("whitegrid"), **seaborn.plotting_context("paper"), **_RC})


def to_pixels(figure: Figure) -> Image.Image:
    """Draw a figure in RGB.

    It is drawn once: saving one draws it twice, first for its layout.
    """
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def to_png(pixels: Image.Image) -> bytes:
    """Return a drawn figure as the content of a PNG file."""
    return _encode(pixels, "PNG", compress_level=4)


def to_webp(pixels: Image.Image, exact: bool, areas: bool = False) -> bytes:
    """Return a drawn figure as WebP, of a third of the PNG's size or less.

    It is lossless, unless it is large: pictures of noise, as of models that were hardly trained, do not
    compress without loss.

    Args:
        pixels: the figure, from :func:`to_pixels`.
        exact: keep every colour, as of enlarged images, which the fastest method compresses as well; a plot
            is otherwise reduced to 256 colours.
        areas: of these 256, keep the colours of large areas, as of a heat map; otherwise rare hues are kept.
    """
    if not exact:
        method = Image.Quantize.MEDIANCUT if areas else Image.Quantize.MAXCOVERAGE
        few = (pixels if areas else pixels.point(_STEPS)).quantize(256, method, dither=Image.Dither.NONE)
        return _encode(few.convert("RGB"), "WEBP", lossless=True, method=1, quality=50)
    width, height = pixels.size
    edge = pixels.crop((width * 7 // 8, 0, width, height))  # mostly says that the whole will be large
    if 8 * len(_encode(edge, "WEBP", lossless=True, method=0)) <= LARGE:
        webp = _encode(pixels, "WEBP", lossless=True, method=0)
        if len(webp) <= LARGE:
            return webp
    return _encode(pixels, "WEBP", quality=80, method=2)


def _encode(pixels: Image.Image, form: str, **options: Any) -> bytes:
    content = io.BytesIO()
    pixels.save(content, form, **options)
    return content.getvalue()


def panels(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Create a figure of small multiples, as wide as the page.

    Args:
        count: the number of panels; the rest of the last row stays empty.
        columns: the largest number of panels in a row.
        height: the height of one panel, in inches.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width = 5.6 if columns == 1 else 9.8
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.03, hspace=0.04)
    figure = Figure(figsize=(width, rows * height + 0.55), layout=layout, facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.set_axis_off()
    for used in axes[:count]:
        seaborn.despine(ax=used)
    return figure, axes[:count]


def set_title(panel: Axes, title: str) -> None:
    """Set a panel's title, wrapped to end before the next panel's."""
    columns = panel.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    inches = panel.figure.get_size_inches()[0] / columns  # type: ignore[union-attr]
    # left of the title are labels of the axis; bold letters are 0.1 inches wide in the mean
    panel.set_title(textwrap.fill(visible(title), int((inches - 0.7) / 0.1)))


def label_steps(panel: Axes, steps: Sequence[float]) -> None:
    """Lay out the axis of steps, logarithmic if these spread widely."""
    if min(steps) > 0 and max(steps) >= WIDE_STEPS * min(steps):
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter("")
    else:
        panel.set_xlim(left=0)
        panel.locator_params(axis="x", nbins=4)  # of 300,000 steps, more labels would run into each other
    panel.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")


def is_wide(values: Iterable[float]) -> bool:
    """Return True if positive values span a factor of ten: for a logarithmic axis.

    The page's plane has the same rule: ``fit`` in ``axes.js``.
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    return low > 0 and high / low > 10


def label_decades(panel: Axes, values: Iterable[float]) -> None:
    """Make the horizontal axis logarithmic, with ticks at round values.

    Args:
        panel: gets limits a little beyond the values, whatever the bars of its means.
        values: those for which :func:`is_wide` is true.
    """
    low, high = min(values), max(values)
    room = (high / low) ** 0.05
    factors = (1, 2, 5) if high / low < 50 else (1, 3) if high / low < 1_000 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    panel.set_xscale("log")
    panel.set_xlim(low / room, high * room)
    panel.set_xticks(ticks := [tick for tick in ticks if low / room <= tick <= high * room])
    panel.set_xticks([], minor=True)
    panel.set_xticklabels([f"{tick:,g}" for tick in ticks])


def widen(panel: Axes, ends: tuple[float, float] | None) -> None:
    """Widen a vertical axis to a tenth of a score's range, so that noise looks small.

    The axis does not extend far beyond the range. Differences of rounding do not stretch it.

    Args:
        panel: the panel, with everything already in it.
        ends: the ends of the range; None if they are not known.
    """
    panel.margins(x=0.08, y=0.12)
    low, high = panel.get_ylim()
    if high - low < ROUNDING:
        low, high = panel.set_ylim(low - 0.05, high + 0.05)
    if ends is None or not np.isfinite(ends).all():
        return
    bottom, top = ends
    span = max(high - low, 0.1 * (top - bottom))
    low = (low + high - span) / 2
    low = min(max(low, bottom - 0.04 * span), top - 0.96 * span)
    panel.set_ylim(low, low + span)


def lowest(axes: list[Axes]) -> list[Axes]:
    """Return the lowest panel of each column, which names the horizontal axis."""
    columns = axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    return axes[-columns:]


_DIAL_MAP = LinearSegmentedColormap.from_list("dial", DIAL_COLOURS)


class DialScale:
    """Positions of a dial's levels on an axis, and their colours from dark (low) to light.

    The scale is logarithmic if the positive levels span more than a factor of ten and none is negative; a
    level of 0 is then placed apart, one step below the lowest. Otherwise it is linear.

    Args:
        levels: the values of the dial, in any order.
        symbol: the name of the dial for readers.
    """

    def __init__(self, levels: Iterable[float], symbol: str = "β") -> None:
        self.symbol = symbol
        self.levels = sorted({float(level) for level in levels if level == level})
        positive = [level for level in self.levels if level > 0]
        self.is_log = bool(positive) and max(positive) / min(positive) > 10 and self.levels[0] >= 0
        self._zero = 0.0
        if self.is_log:
            low, high = math.log10(min(positive)), math.log10(max(positive))
            self._zero = low - max(0.3, (high - low) / max(1, len(positive) - 1))

    @property
    def name(self) -> str:
        """The label of an axis."""
        if not self.is_log:
            return self.symbol
        gap = " " if len(self.symbol) == 1 else "\n"  # a long name would overflow the panel
        return f"{self.symbol}{gap}(log scale{', 0 apart' if self.levels[0] <= 0 else ''})"

    def position(self, level: float) -> float:
        """Return the position of a level on the axis."""
        if not self.is_log:
            return float(level)
        return math.log10(level) if level > 0 else self._zero

    def share(self, level: float) -> float:
        """Return the place of a level from the lowest, 0, to the highest, 1; alone 0.4."""
        low, high = self.position(self.levels[0]), self.position(self.levels[-1])
        return (self.position(level) - low) / (high - low) if high > low else 0.4

    def colour(self, level: float, hue: str = "") -> str:
        """Return the colour of a level, from dark to light, or a shade of a given hue."""
        share = self.share(level)
        if not hue:
            return to_hex(_DIAL_MAP(share))
        red, green, blue = (part * (1 - 0.6 * share) for part in to_rgb(hue))
        return to_hex((red, green, blue))

    def label_axis(self, axes: Axes) -> None:
        """Set ticks at the levels themselves, and labels on as many as fit."""
        labels = [format_value(float(level)) for level in self.levels]
        positions = [self.position(level) for level in self.levels]
        span = (positions[-1] - positions[0]) or 1.0
        last = len(positions) - 1

        def fits(left: int, right: int) -> bool:
            room = 0.022 * (len(labels[left]) + len(labels[right])) + 0.045
            return positions[right] - positions[left] >= room * span

        shown = [0]
        for index in range(1, last):
            if fits(shown[-1], index) and fits(index, last):
                shown.append(index)
        shown += [last] if last else []
        axes.set_xticks(positions if len(positions) <= MOST_TICKS else [], minor=True)
        axes.set_xticks([positions[i] for i in shown], [labels[i] for i in shown])
        axes.set_xlim(positions[0] - 0.07 * span, positions[-1] + 0.07 * span)

    def legend_handles(self, hue: str = "", levels: Iterable[float] | None = None) -> list[Line2D]:
        """Return coloured dots for at most eight levels, with the lowest and highest.

        Args:
            hue: as for :meth:`colour`.
            levels: those that are drawn; all of them if None.
        """
        shown = self.levels if levels is None else sorted(levels)
        count = len(shown)
        chosen = sorted({round(i * (count - 1) / min(7, max(1, count - 1))) for i in range(min(8, count))})
        look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 7}
        return [
            Line2D([], [], color=self.colour(level, hue), label=f"{self.symbol} = {name}", **look)
            for level, name in ((shown[i], format_value(float(shown[i]))) for i in chosen)
        ]
