"""Published figures beside measured ones: their rows in a setting, and what differs.

Published rows never enter a summary table, from which means, orderings and answers come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dis_bench.parameters import read_values
from dis_bench.records.cell import plain_name
from dis_bench.reports.configurations import format_dial, format_value
from dis_bench.reports.published.source import BUDGET, NO_SPREAD, RANGE, Figure, Row, Source, Table
from dis_bench.reports.quantities import DASH, Quantity
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Reported:
    """A published row that is shown in a setting.

    Attributes:
        source, table, row: where it comes from.
    """

    source: Source
    table: Table
    row: Row

    @property
    def label(self) -> str:
        """Its printed name and its source: ``β-VAE [cfasl2024]``."""
        return f"{self.row.name} [{self.source.name}]"

    @property
    def chosen(self) -> str:
        """Known values of its hyperparameters: ``β = 4``, or ``β one of 1, 2, 4``."""
        known = [f"{format_dial(n)} = {format_value(v)}" for n, v in self.row.hyperparameters.items()]
        tried = [f"{format_dial(n)} one of {_list(some)}" for n, some in self.row.grid.items()]
        return "; ".join([*known, *tried])


def find_reported(
    setting: Setting, sources: Iterable[Source], quantities: Sequence[Quantity]
) -> list[Reported]:
    """Find published rows on a setting's dataset, of scores that the setting has."""
    names, dataset = {quantity.name for quantity in quantities}, plain_name(setting.cell["dataset"])
    used = read_values(setting.cell.get("dataset_parameters", "")).items()
    return [
        Reported(source, table, row)
        for source in sources
        for table in source.tables
        if table.dataset == dataset and used >= read_values(table.dataset_parameters).items()
        for row in table.rows
        if names & row.figures.keys()
    ]


def format_figure(figure: Figure | None, quantity: Quantity) -> str:
    """Format a published figure with its spread, or the ends of its range in brackets."""
    if figure is None:
        return DASH
    if figure.is_range:
        value, low, high = map(quantity.format, (figure.value, figure.low, figure.high))
        return f"{value} ({low} to {high})"
    return quantity.format_spread(figure.value, (figure.high - figure.low) / 2)


def format_reported(
    reported: Sequence[Reported], quantities: Sequence[Quantity], by_dial: bool
) -> list[list[str]]:
    """Format the published rows of a printed table, with the columns of measured ones.

    Args:
        reported: the rows.
        quantities: the columns after the first four.
        by_dial: whether the second column is the dial, not beta.
    """
    rows = []
    for one in reported:
        name, second = one.label, one.chosen
        if not by_dial:
            beta = second.removeprefix("β ").removeprefix("= ")
            is_beta = [*one.row.hyperparameters, *one.row.grid] == ["beta"]
            name, second = (name, beta) if is_beta else (f"{name}, {second}" if second else name, "")
        n = DASH if one.row.n is None else str(one.row.n)
        figures = [format_figure(one.row.figures.get(quantity.name), quantity) for quantity in quantities]
        rows.append([name, second or DASH, DASH, n, *figures])
    return rows


def describe_reported(setting: Setting, reported: Sequence[Reported]) -> list[str]:
    """Describe the sources of published rows, and how they differ from a setting.

    Returns:
        For each source a text about it, then one for each of its tables.
    """
    texts = []
    for source in {one.source.name: one.source for one in reported}.values():
        tables = {one.table.where: one.table for one in reported if one.source is source}
        texts.append(describe_source(source))
        texts += [
            f"[{source.name}] {_capitalise(where)}: {_describe_table(setting, table)}"
            for where, table in tables.items()
        ]
    return texts


def describe_spreads(reported: Iterable[Reported]) -> list[str]:
    """Describe the statistic and the spread of each source's figures, in a sentence.

    The tables of a source that differ in them have a sentence each.
    """
    found: dict[str, dict[str, dict[str, None]]] = {}
    for one in reported:
        spreads = found.setdefault(one.source.name, {})
        spreads.setdefault(_describe_spread(one.table), {})[one.table.where] = None
    return [
        f"[{name}]{f', {where}' if len(spreads) > 1 else ''}: {spread}."
        for name, spreads in found.items()
        for spread, where in zip(spreads, map("; ".join, spreads.values()), strict=True)
    ]


def describe_source(source: Source) -> str:
    """Return a source's title, where it was read, and what all of it has unlike ours."""
    arxiv = f", arXiv {source.arxiv}" if source.arxiv else ""
    hand = "Second-hand: read in" if source.second_hand else "Read in"
    return " ".join([f"[{source.name}] {source.title}{arxiv}. {hand} {source.read}.", *source.differences])


def _describe_table(setting: Setting, table: Table) -> str:
    sentences = [_describe_spread(table), *_compare_budgets(setting, table)]
    return " ".join([*(f"{sentence}." for sentence in sentences), *table.differences])


def _capitalise(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _describe_spread(table: Table) -> str:
    figures = "means, medians or the best" if table.statistic == "unknown" else f"the {table.statistic}"
    statistic = f"its figures are {figures} of its runs{_UNSAID * (table.statistic == 'unknown')}"
    if table.spread == NO_SPREAD:
        return f"{statistic}, without a spread"
    if table.spread == RANGE:
        return f"{statistic}, with the range in brackets"
    kind = "a spread of unknown kind" if table.spread == "unknown" else f"the {table.spread}"
    return f"{statistic}; {kind} follows ±"


_UNSAID = " (which of them is not said)"


def _compare_budgets(setting: Setting, table: Table) -> list[str]:
    """Say which options of a table differ from a setting's, and which are unknown."""
    ours = {key: setting.cell[key] for key in BUDGET if key in setting.cell}  # an encoder's has few
    differing = [
        f"{_WORDS[key]} {format_value(there)} (here {format_value(ours[key])})"
        for key, there in table.budget.items()
        if key in ours and ours[key] != there
    ]
    chosen = {key: setting.cell.get(key, "none") for key in ("holdout_rule", "correlate")}
    differing += [f"{_WORDS[key]} none (here {here})" for key, here in chosen.items() if here != "none"]
    unknown = [_WORDS[key] for key in ours if key not in table.budget]
    sentences = [f"Unlike here: {', '.join(differing)}"] if differing else []
    return sentences + ([f"Unknown: {', '.join(unknown)}"] if unknown else [])


_WORDS = {
    "source": "images",
    "network": "networks",
    "likelihood": "likelihood",
    "latent_size": "latents",
    "steps": "steps",
    "batch_size": "batch",
    "lr": "learning rate",
    "holdout_rule": "held-out combinations",
    "correlate": "correlated factors",
}


def tabulate_reported(setting: Setting, reported: Sequence[Reported]) -> pd.DataFrame:
    """Return the rows of a CSV table, with columns of their own for every figure.

    A row has the budget of its publication, not that of the setting. Columns of measured values are absent,
    so that they stay empty.
    """
    import pandas as pd

    rows = []
    for one in reported:
        figures = {
            f"{name}_published{end}": value
            for name, figure in one.row.figures.items()
            for end, value in (("", figure.value), ("_low", figure.low), ("_high", figure.high))
        }
        rows.append(
            {
                "setting": setting.title,
                "dataset": setting.cell["dataset"],
                **one.table.budget,
                "series": one.row.name,
                "model": one.row.model,
                "published": one.source.name,
                "published_hyperparameters": one.chosen,
                "published_n": one.row.n,
                "published_statistic": one.table.statistic,
                "published_spread": one.table.spread,
                **figures,
            }
        )
    table = pd.DataFrame(rows)
    whole = [*(key for key, kind in BUDGET.items() if kind is int and key in table), "published_n"]
    return table.astype(dict.fromkeys(whole, "Int64"))


def name_unused(settings: Sequence[list[Reported]], sources: Sequence[Source]) -> list[str]:
    """Write a sentence for each source that no setting shows."""
    used = {one.source.name for reported in settings for one in reported}
    return [
        f"No published figure of {source.name} is shown: it has none of these scores on these datasets, but "
        f"scores on {_list(dict.fromkeys(table.data for table in source.tables))}."
        for source in sources
        if source.name not in used
    ]


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(format_value, values))
