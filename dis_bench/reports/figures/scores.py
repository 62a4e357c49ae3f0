"""The figures of all quantities: against the loss, and against the dials of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dis_bench.reports.configurations import format_dial
from dis_bench.reports.figures.anchor_lines import caption_anchors
from dis_bench.reports.figures.plan import Plan
from dis_bench.reports.figures.plots import (
    MOST_BARS,
    MOST_LINES,
    choose_loss,
    draw_against_dial,
    draw_tradeoff,
    has_dots,
    list_traded,
)
from dis_bench.reports.figures.series import SHOWN_SERIES
from dis_bench.reports.headline import lead_score
from dis_bench.reports.ordering import Sample
from dis_bench.reports.published.reported import Reported
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting
from dis_bench.reports.tables import in_use
from dis_bench.reports.words import join_words, list_words

if TYPE_CHECKING:
    import pandas as pd


_DOTS = "Each faint dot is one cell; each large dot is the mean over seeds, its bars one standard deviation. "
_MEANS = "Means over seeds with one standard deviation; each faint dot is one cell. "
_ONLY_MEANS = (
    "Each dot is the mean over the seeds of a configuration, its bars one standard deviation; there are too "
    "many cells for a dot each. "
)


# A setting has a figure for at most this many of its dials, beta first.
MOST_DIALS = 3


def plan_tradeoff(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> list[Plan]:
    """Plan the figure of scores against the loss, if two cells have both."""
    lead, loss = lead_score(quantities), choose_loss(table, quantities)
    if lead is None or loss is None or len(setting.done) < 2 or not list_traded(table, quantities):
        return []
    finished = table[table["n"] > 0]
    dials = [format_dial(str(dial)) for dial in _list_dials(finished)]
    order = f"A line joins them in the order of {join_words(dials)}. " if dials else ""
    return [
        Plan(
            "tradeoff",
            f"tradeoff-{setting.slug}",
            "What reconstruction costs, what disentanglement gains",
            f"{_caption_dots(setting, table, _DOTS)}{order}{_caption_shades(finished)}"
            f"Arrows point to better.{_caption_lacking(finished, [loss])}"
            f"{_caption_grey(finished, lead)}{caption_anchors(setting, quantities)}",
            f"Scatter plots of each score against {loss.label}. {_tell(table, quantities, lead)}"
            f"{_tell_anchor(setting, lead)}",
            lambda: draw_tradeoff(setting, table, quantities),
        )
    ]


def _list_dials(finished: pd.DataFrame) -> list[str]:
    """List the dials of which several levels finished; all dials where there is none."""
    levels = finished[finished["dial"] != ""].groupby("dial", sort=False)["level"].nunique()
    turned = [str(dial) for dial in levels.index[levels > 1]]
    return turned or [str(dial) for dial in levels.index]


def plan_against_dials(
    setting: Setting, table: pd.DataFrame, quantities: list[Quantity], reported: Sequence[Reported]
) -> list[Plan]:
    """Plan one figure for each dial with at least two finished levels, beta first."""
    finished = table[table["n"] > 0]
    levels = finished[finished["dial"] != ""].groupby("dial")["level"].nunique()
    dials = sorted(levels.index[levels > 1], key=lambda dial: (dial != "beta", -levels[dial], dial))
    return [
        _plan_against_dial(setting, table, quantities, str(dial), number, reported)
        for number, dial in enumerate(dials[:MOST_DIALS])
        if in_use(finished[finished["dial"] == dial], quantities)
    ]


def _plan_against_dial(
    setting: Setting,
    table: pd.DataFrame,
    quantities: list[Quantity],
    dial: str,
    number: int,
    reported: Sequence[Reported],
) -> Plan:
    finished, lead, name = table[table["n"] > 0], lead_score(quantities), format_dial(dial)
    shown = in_use(finished[finished["dial"] == dial], quantities)
    dashed = (finished["dial"] != dial).any()
    best = f", the best of its series by mean {lead.label}" if lead and finished["dial"].nunique() > 1 else ""
    many = finished.loc[finished["dial"] != dial, "series"].nunique() > MOST_LINES
    most = f"; there are at most {MOST_LINES}" if many else ""
    return Plan(
        "against-beta" if dial == "beta" else "against-dial",
        f"against-{dial if dial == 'beta' else f'dial{number}'}-{setting.slug}",
        f"Every quantity against {name}",
        _caption_dots(setting, table, _MEANS)
        + "Arrows point to better."
        + (
            f" A dashed line with its band is a configuration without {name} as its dial{best}{most}."
            if dashed
            else ""
        )
        + _caption_lacking(finished, shown)
        + _caption_grey(finished, lead, name)
        + caption_anchors(setting, shown)
        + _caption_published(reported, dial),
        f"Curves of {', '.join(q.label for q in shown)} against {dial}. "
        f"{_tell(table, quantities, lead)}{_tell_anchor(setting, lead)}",
        lambda: draw_against_dial(setting, table, quantities, dial, reported),
    )


def _caption_lacking(finished: pd.DataFrame, quantities: list[Quantity]) -> str:
    """Say which models are left out of some panels, as they lack the quantity."""
    lacking: dict[str, list[str]] = {}
    for model, rows in finished.groupby("model_name", sort=False):
        names = [q.label for q in quantities if not rows[f"{q.name}_n"].any()]
        if names:
            lacking.setdefault(join_words(names, "or"), []).append(str(model))
    return "".join(
        f" {models[0]} has no {names}, so is left out there."
        if len(models) == 1
        else f" {join_words(models)} have no {names}, so are left out there."
        for names, models in lacking.items()
    )


def _caption_published(reported: Sequence[Reported], dial: str) -> str:
    if not any(dial in one.row.hyperparameters for one in reported):
        return ""
    return " Hollow marks are published figures, where the value behind them is known and within the axis."


def _caption_dots(setting: Setting, table: pd.DataFrame, usual: str) -> str:
    """Explain the dots, and what is left out if there are many."""
    if table["n"].max() == 1:
        return "Each dot is the one seed of a configuration. "
    dots = usual if has_dots(setting) else _ONLY_MEANS
    if table.groupby("series").size().max() > MOST_BARS:
        dots += "Spreads of a series with many values are a band, or left out. "
    return dots


def _caption_shades(finished: pd.DataFrame) -> str:
    several = finished.loc[finished["dial"] != "", "series"].nunique() > 1
    return "The shades of a colour darken as it rises (lighten in the dark scheme). " if several else ""


def _caption_grey(finished: pd.DataFrame, lead: Quantity | None, dial: str = "") -> str:
    count = finished["series"].nunique()
    if count <= SHOWN_SERIES:
        return ""
    rule = f", best by mean {lead.label}, one of each model first" if lead else ""
    if not dial:
        return f" {SHOWN_SERIES} of {count} series have a colour{rule}; the others are grey."
    return (
        f" {SHOWN_SERIES} of {count} series have a colour{rule}, and so have those along {dial} while "
        "colours last; the others are grey, or left out where they would be horizontal lines."
    )


def _tell(table: pd.DataFrame, quantities: list[Quantity], lead: Quantity | None) -> str:
    """State the means in words, for at most eight configurations."""
    told = [q for q in quantities if q.name == "reconstruction" or (lead is not None and q.name == lead.name)]
    words = []
    for _, row in table[table["n"] > 0].iterrows():
        values = ", ".join(
            f"{q.label} {q.format(Sample.of(row, q).mean)}" for q in told if row[f"{q.name}_n"]
        )
        words.append(f"{row['label']}: {values}")
    return f"Means: {list_words(words, '; ')}."


def _tell_anchor(setting: Setting, lead: Quantity | None) -> str:
    if lead is None or lead.name not in setting.anchors:
        return ""
    perfect, chance = map(lead.format, setting.anchors[lead.name])
    return f" {lead.label} of a perfect code: {perfect}; of noise: {chance}."
