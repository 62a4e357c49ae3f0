"""The agreement of scores: rank correlations over the cells of a setting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dis_bench.escape import visible
from dis_bench.plotting import load_seaborn, to_rgb
from dis_bench.reports.figures.plan import Plan
from dis_bench.reports.figures.theme import panels
from dis_bench.reports.quantities import MINUS, Quantity
from dis_bench.reports.settings import Setting
from dis_bench.reports.words import list_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLOURS = 21  # of the heat map, from -1 to 1: one for each tenth, and room for those of letters in 256
CELL = 0.46  # inches of its cells, which a number with its sign fits into
MIN_CELLS = 5  # with fewer, every correlation is within chance

_MEASURED = ("reconstruction", "kl")


def correlate_ranks(setting: Setting, quantities: list[Quantity]) -> pd.DataFrame:
    """Compute Spearman's rank correlations of the quantities over finished cells.

    If a direction is better, ranks run from worst to best, so that 1 always means agreement.

    Returns:
        A square table by label of reconstruction, KL and every score that takes more than one value and that
        at least five cells have; empty if there are fewer than two scores, or no pair of quantities that five
        cells have.
    """
    import numpy as np
    import pandas as pd

    cells, shown = setting.done, _list_correlated(setting, quantities)
    if not shown:
        return pd.DataFrame()
    values = {q.name: -cells[q.name] if q.better == "lower" else cells[q.name] for q in shown}
    table = pd.DataFrame(values).corr(method="spearman", min_periods=MIN_CELLS)
    if not table.where(np.tri(len(table), k=-1, dtype=bool)).notna().any(axis=None):
        return pd.DataFrame()
    return table.set_axis([q.label for q in shown]).set_axis([q.label for q in shown], axis=1)


def _list_correlated(setting: Setting, quantities: list[Quantity]) -> list[Quantity]:
    """List the quantities of :func:`correlate_ranks`; none if they are too few."""
    cells = setting.done
    known = {q.name: cells[q.name].dropna() for q in quantities if q.is_score or q.name in _MEASURED}
    shown = [
        q
        for q in quantities
        if q.name in known and len(known[q.name]) >= MIN_CELLS and known[q.name].nunique() > 1
    ]
    return [] if len(cells) < MIN_CELLS or sum(q.is_score for q in shown) < 2 else shown


def chance_correlation(cells: int) -> float:
    """Return the rank correlation that chance reaches in 5 % of cases (two-sided t)."""
    from scipy.stats import t

    quantile = float(t.ppf(0.975, cells - 2))
    return quantile / math.sqrt(cells - 2 + quantile**2)


def draw_agreement(correlations: pd.DataFrame) -> Figure:
    """Draw the table of :func:`correlate_ranks` as a heat map, each pair once."""
    import numpy as np

    figure, [axes] = panels(1, 1, 1.2 + CELL * len(correlations))
    figure.set_figwidth(
        max(figure.get_figwidth(), 2.6 + CELL * len(correlations))
    )  # labels and colours beside
    seaborn = load_seaborn()
    seaborn.heatmap(
        correlations.rename(index=visible, columns=visible).iloc[1:, :-1],
        mask=np.triu(np.ones((len(correlations) - 1,) * 2, dtype=bool), k=1),
        vmin=-1,
        vmax=1,
        cmap=seaborn.color_palette("vlag", COLOURS),
        annot=True,
        fmt=".2f",
        annot_kws={"size": 9},
        linewidths=1.5,
        cbar_kws={"label": "rank correlation", "shrink": 0.6},
        ax=axes,
    )
    mesh: Any = axes.collections[0]
    for text in axes.texts:
        value = float(text.get_text())
        text.set_color(_choose_ink(mesh.to_rgba(value)))
        text.set_text(f"{value:z.2f}".replace("-", MINUS))
    axes.grid(False)
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    return figure


def _choose_ink(ground: Any) -> str:
    """Choose black or white for text on a colour, whichever has more contrast."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(ground)]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if (luminance + 0.05) ** 2 >= 0.05 * 1.05 else "white"


def plan_agreement(setting: Setting, quantities: list[Quantity]) -> list[Plan]:
    """Plan the figure of rank correlations, if there are enough cells."""
    correlations = correlate_ranks(setting, quantities)
    if correlations.empty:
        return []
    fewest, most = _count_cells(setting, _list_correlated(setting, quantities))
    cells = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return [
        Plan(
            "agreement",
            f"agreement-{setting.slug}",
            "Which scores agree",
            f"Spearman's rank correlation over the {cells} cells that have both, all configurations "
            "and seeds together; losses are ranked from worst to best. "
            f"With {fewest:,} cells, chance alone reaches "
            f"±{chance_correlation(fewest):.2f} in about one of twenty pairs.",
            f"A heat map of rank correlations between {list_words([*correlations], most=30)}.",
            lambda: draw_agreement(correlations),
        )
    ]


def _count_cells(setting: Setting, quantities: list[Quantity]) -> tuple[int, int]:
    """Return the smallest and largest number of cells of a correlation that is shown."""
    cells = setting.done
    known = [cells[q.name].notna() for q in quantities]
    counts = [int((one & other).sum()) for n, one in enumerate(known) for other in known[:n]]
    return min(count for count in counts if count >= MIN_CELLS), max(counts)
