"""Tables of configurations: mean, spread and count over seeds, in three formats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dis_bench.escape import for_csv, for_latex, for_markdown, visible
from dis_bench.metrics.anchors import Anchor
from dis_bench.records.cell import NO_BUDGET, PUBLISHED_STEPS, plain_name
from dis_bench.records.columns import list_scores
from dis_bench.records.schema import Record
from dis_bench.records.table import tabulate
from dis_bench.reports import udr
from dis_bench.reports.configurations import format_dial, format_value
from dis_bench.reports.declared import Declared
from dis_bench.reports.headline import say_when
from dis_bench.reports.ordering import claims_best
from dis_bench.reports.published.reported import (
    Reported,
    describe_reported,
    describe_spreads,
    format_reported,
    tabulate_reported,
)
from dis_bench.reports.quantities import (
    DASH,
    Quantity,
    explain_short_names,
    find_quantities,
    redeclare,
)
from dis_bench.reports.settings import (
    SHARED,
    Setting,
    find_elsewhere,
    list_stepless,
    list_wide,
    split_settings,
)

if TYPE_CHECKING:
    import pandas as pd


def summarise(setting: Setting, quantities: list[Quantity]) -> pd.DataFrame:
    """Summarise a setting in one row per configuration.

    Returns:
        The names of :func:`dis_bench.reports.configurations.name_cells`, ``model``, ``beta_norm``, ``seeds``
        (the finished ones), ``n`` (their number), ``failed``, then for each quantity ``<name>_mean``,
        ``<name>_std`` (over seeds, ddof 1; NaN for one seed) and ``<name>_n``, and for each score
        ``<name>_perfect`` and ``<name>_chance`` (the scores of a perfect code and of noise, the same in each
        row; NaN if unknown). Rows are in the order of the cells.
    """
    import pandas as pd

    cells, done = setting.cells, setting.done
    labels = cells["label"].unique()
    table = cells.drop_duplicates("label").set_index("label")
    table = table[["model_name", "series", "row", "model", "dial", "level", "beta", "beta_norm"]]
    table = table.assign(
        model=table["model"].map(plain_name),
        seeds=done["seed"].astype(str).groupby(done["label"]).agg(" ".join),
        n=done.groupby("label").size(),
        failed=cells.groupby("label").size(),
    )
    table = table.fillna({"seeds": "", "n": 0}).astype({"n": int, "beta": float, "beta_norm": float})
    table["failed"] -= table["n"]
    names = [quantity.name for quantity in quantities if quantity.name in done]
    groups = done[names].apply(pd.to_numeric).groupby(done["label"])
    parts = {"mean": groups.mean(), "std": groups.std(ddof=1), "n": groups.count()}
    columns: dict[str, Any] = {}
    for quantity in quantities:
        for part, values in parts.items():
            column = values[quantity.name].reindex(labels) if quantity.name in names else math.nan
            columns[f"{quantity.name}_{part}"] = pd.Series(column, index=labels, dtype=float)
        columns[f"{quantity.name}_n"] = columns[f"{quantity.name}_n"].fillna(0).astype(int)
        if quantity.is_score:
            anchor = setting.anchors.get(quantity.name, Anchor(math.nan, math.nan))
            columns |= {f"{quantity.name}_{side}": value for side, value in anchor._asdict().items()}
    return pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1).reset_index()


def summarise_text(records: list[Record]) -> str:
    """Format results for a terminal, with as many configurations side by side as fit.

    Args:
        records: as the store gives them, with at least one finished cell.
    """
    quantities = find_quantities(tabulate(records), list_scores(records), Declared(records))
    blocks = []
    for setting in split_settings(records):
        summary = summarise(setting, quantities)
        used = list_used(setting, summary, quantities)
        heads = ["", "seeds", *(visible(quantity.heading) for quantity in used)]
        columns = [
            [
                visible(row["label"]),
                _seeds(row),
                *(q.format_spread(*row[[f"{q.name}_mean", f"{q.name}_std"]]) for q in used),
            ]
            for _, row in summary.iterrows()
        ]
        blocks += [f"{visible(setting.title)}\n\n{block}" for block in _side_by_side(heads, columns)]
        if setting.steps and setting.steps < PUBLISHED_STEPS:
            when = say_when(setting.steps, setting.may_stop)
            blocks.append(f"{when}: longer training can change these values and their order.")
    return "\n\n".join(blocks)


def _side_by_side(heads: list[str], columns: list[list[str]], most: int = 100) -> list[str]:
    """Lay out columns of text beside their heads, in blocks up to ``most`` wide."""
    blocks, column = [], 0
    while column < len(columns):
        lines = [head.ljust(max(map(len, heads))) for head in heads]
        first = column
        while column < len(columns):
            width = max(map(len, columns[column])) + 3
            if column > first and len(lines[0]) + width > most:
                break
            lines = [line + text.rjust(width) for line, text in zip(lines, columns[column], strict=True)]
            column += 1
        blocks.append("\n".join(lines))
    return blocks


def write_csv(
    settings: list[Setting], tables: list[pd.DataFrame], reported: Sequence[Sequence[Reported]] = ()
) -> str:
    """Write all settings as one CSV table in full precision, with shared values.

    Args:
        settings, tables: one entry per setting.
        reported: published rows of each setting, which follow all others and have columns of their own.
    """
    import pandas as pd

    parts = []
    for setting, table in zip(settings, tables, strict=True):
        without_steps, elsewhere = list_stepless(setting), find_elsewhere(setting)
        part = table.drop(columns=["label", "model_name", "series"])
        part = part.rename(columns={"row": "series", "level": "dial_value"})
        for position, name in enumerate(SHARED):
            shared, exempt = setting.cell.get(name), {}
            if name in NO_BUDGET:
                exempt = dict.fromkeys(without_steps, NO_BUDGET[name])
            elif name == "latent_size":
                exempt = dict.fromkeys(list_wide(setting), 0)
            exempt |= {model: cell.get(name) for model, cell in elsewhere.items()}
            values = [exempt.get(model, shared) for model in table["model_name"]]
            part.insert(position, name, _keep_whole(values) if exempt else shared)
        part.insert(0, "setting", setting.title)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    published = [tabulate_reported(*pair) for pair in zip(settings, reported, strict=False) if pair[1]]
    if published:
        whole = table.select_dtypes("integer").columns  # which would become 3.0 beside rows without them
        table = pd.concat([table.astype(dict.fromkeys(whole, "Int64")), *published], ignore_index=True)
    texts = table.select_dtypes(exclude="number").map(for_csv)
    table[texts.columns] = texts
    return str(table.rename(columns=for_csv).to_csv(index=False, lineterminator="\n"))


def _keep_whole(values: list[Any]) -> Any:
    """Return a column's values; whole numbers stay whole beside missing ones."""
    import pandas as pd

    known = [value for value in values if value is not None]
    are_whole = bool(known) and all(type(value) is int for value in known)
    return pd.array(values, dtype="Int64") if are_whole and len(known) < len(values) else values


def has_other_dials(tables: Iterable[pd.DataFrame]) -> bool:
    """Return True if rows have several dials, or one dial but no beta."""
    tables = [*tables]
    dials = {dial for table in tables for dial in table["dial"] if dial}
    has_beta = any(table["beta"].notna().any() for table in tables)
    return len(dials) > 1 or (bool(dials) and not has_beta)


def format_rows(
    table: pd.DataFrame, quantities: list[Quantity], by_dial: bool = False
) -> list[list[tuple[str, bool]]]:
    """Format the cells of a printed table.

    Each is a text, and True if it is the best of its column by the ordering rule. The first four columns are
    the model, beta, the normalised beta and the number of seeds; where models have other dials, see
    :func:`has_other_dials`, the model, its dial with its value, the normalised beta and the number of seeds.

    Args:
        table: from :func:`summarise`.
        quantities: the other columns.
        by_dial: whether the second column is the dial.
    """
    best = {quantity.name: claims_best(table, quantity) for quantity in quantities}
    rows = []
    for index, row in table.iterrows():
        name, second = _name_row(row) if by_dial else (row["row"], _format_beta(row["beta"]))
        texts = [(name, False), (second, False), (_number(row["beta_norm"]), False)]
        texts.append((_seeds(row), False))
        for quantity in quantities:
            mean, std, n = (row[f"{quantity.name}_{part}"] for part in ("mean", "std", "n"))
            text = quantity.format_spread(mean, std)
            text += f" (n = {n})" if 0 < n < row["n"] else ""
            texts.append((text, best[quantity.name] == index))
        rows.append(texts)
    return rows


def _name_row(row: pd.Series) -> tuple[str, str]:
    """Return a configuration's name without its dial, and the dial with its value."""
    if not row["dial"]:
        return row["label"], DASH
    beta = f", β = {format_value(row['beta'])}"
    is_fixed = row["dial"] != "beta" and row["label"] == row["row"] + beta
    return row["series"] + beta * is_fixed, f"{format_dial(row['dial'])} = {format_value(row['level'])}"


def format_anchors(setting: Setting, quantities: list[Quantity]) -> list[list[str]]:
    """Format the scores of a perfect code and of noise, as a table's last two rows.

    Loss terms, and scores for which they are unknown, get a dash; without any anchor there are no rows.
    """
    if not any(quantity.name in setting.anchors for quantity in quantities):
        return []
    rows = []
    for side, name in enumerate(("perfect code", "noise")):
        row = [name, DASH, DASH, DASH]
        for quantity in quantities:
            anchor = setting.anchors.get(quantity.name)
            row.append(DASH if anchor is None else quantity.format(anchor[side]))
        rows.append(row)
    return rows


def _seeds(row: pd.Series) -> str:
    return f"{row['n']} ({row['failed']} failed)" if row["failed"] else str(row["n"])


def headings(quantities: list[Quantity], by_dial: bool = False) -> list[str]:
    """Return the column heads for :func:`format_rows`."""
    second = "dial" if by_dial else "β"
    return ["model", second, "β norm", "n", *(quantity.short_heading for quantity in quantities)]


def write_markdown(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    quantities: list[Quantity],
    reported: Sequence[Sequence[Reported]] = (),
) -> str:
    """Write one table per setting, in GitHub's Markdown.

    Arguments are those of :func:`write_csv`.
    """
    lines, by_dial = [], has_other_dials(tables)
    for setting, table, published in zip(settings, tables, _fill(reported, settings), strict=True):
        used = list_used(setting, table, quantities)
        heads = headings(used, by_dial)
        lines += [f"## {for_markdown(setting.title)}", "", _markdown_row(map(for_markdown, heads))]
        lines.append(_markdown_row([":--", *["--:"] * (len(used) + 3)]))
        for row in format_rows(table, used, by_dial):
            texts = ((for_markdown(text), best) for text, best in row)
            lines.append(_markdown_row(f"**{text}**" if best else text for text, best in texts))
        lines += [_markdown_row(map(for_markdown, row)) for row in format_anchors(setting, used)]
        lines += [
            _markdown_row(f"*{for_markdown(text)}*" for text in row)
            for row in format_reported(published, used, by_dial)
        ]
        lines.append("")
        if published:
            lines += [PUBLISHED_NOTE, ""]
            lines += [f"- {for_markdown(text)}" for text in describe_reported(setting, published)] + [""]
    lines.append(f"{write_note(settings, quantities)} {_BOLD_NOTE}")
    return "\n".join(lines) + "\n"


def _fill(
    reported: Sequence[Sequence[Reported]], settings: Sequence[Setting]
) -> Sequence[Sequence[Reported]]:
    return reported or [()] * len(settings)


def write_note(settings: list[Setting], quantities: list[Quantity]) -> str:
    """Write a note on how to read the tables of these settings."""
    notes = ["; ".join([_NOTE, *explain_short_names(quantities)]) + "."]
    notes += [udr.NOTE] if udr.UDR in quantities else []
    notes += [_ANCHOR_NOTE] if any(setting.anchors for setting in settings) else []
    return " ".join(notes)


_NOTE = (
    "Mean ± standard deviation over n seeds; ↑ higher is better, ↓ lower is better. Reconstruction "
    "(recon.), KL and ELBO are in nats per image; β norm is β · latents / (pixels · channels)"
)

_BOLD_NOTE = "Bold: best of its column, only where the ordering rule separates it from all others."

_ANCHOR_NOTE = (
    "Rows named perfect code and noise: what the factors themselves and noise score on the same images with "
    "the same protocol."
)


PUBLISHED_NOTE = (
    "Rows with a source in brackets are published figures: not measured here, after another budget, with "
    "another protocol, with the statistic and spread of the source, and part of no mean, no order and no "
    "bold value."
)


def in_use(table: pd.DataFrame, quantities: list[Quantity]) -> list[Quantity]:
    """Return the quantities for which a setting has values."""
    return [quantity for quantity in quantities if (table[f"{quantity.name}_n"] > 0).any()]


def list_used(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> list[Quantity]:
    """Return the quantities in use in a setting, as its own records declare them."""
    return in_use(table, redeclare(quantities, setting.declared))


def write_latex(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    quantities: list[Quantity],
    reported: Sequence[Sequence[Reported]] = (),
) -> str:
    """Write one booktabs table, with a block of rows per setting.

    Arguments are those of :func:`write_csv`.
    """
    by_dial = has_other_dials(tables)
    own = [redeclare(quantities, setting.declared) for setting in settings]
    heads = latex_headings(_share_directions(quantities, own), by_dial)
    lines = [
        LATEX_START,
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"\toprule",
        _latex_row(heads),
    ]
    parts = zip(settings, tables, own, _fill(reported, settings), strict=True)
    for setting, table, its, published in parts:
        lines.append(r"\midrule")
        lines.append(rf"\multicolumn{{{len(heads)}}}{{l}}{{\emph{{{for_latex(setting.title)}}}}} \\")
        for row in format_rows(table, its, by_dial):
            texts = [rf"\textbf{{{for_latex(text)}}}" if best else for_latex(text) for text, best in row]
            lines.append(_latex_row(texts))
        for texts in format_anchors(setting, its):
            lines.append(_latex_row([for_latex(text) for text in texts]))
        for texts in format_reported(published, its, by_dial):
            lines.append(_latex_row([rf"\emph{{{for_latex(text)}}}" for text in texts]))
    spreads = describe_spreads([one for published in reported for one in published])
    return "\n".join([*lines, end_latex(any(s.anchors for s in settings), spreads)]) + "\n"


def _share_directions(quantities: list[Quantity], own: list[list[Quantity]]) -> list[Quantity]:
    """Return quantities without a direction in which settings differ.

    Args:
        quantities: the columns of one table of all settings.
        own: the same, as each setting declares them.
    """
    return [
        replace(quantity, better="") if len({one.better for one in same}) > 1 else [*same, quantity][0]
        for quantity, *same in zip(quantities, *own, strict=True)
    ]


LATEX_START = "\n".join(
    [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
    ]
)


def latex_headings(quantities: list[Quantity], by_dial: bool = False) -> list[str]:
    """Return the column heads of :func:`write_latex`."""
    heads = [r"model", "dial" if by_dial else r"$\beta$", r"$\beta_\mathrm{norm}$", r"$n$"]
    return heads + [f"{for_latex(q.short or q.label)}{_LATEX_ARROWS[q.better]}" for q in quantities]


def end_latex(with_anchors: bool, spreads: Sequence[str] = ()) -> str:
    """Return the end of a LaTeX table, from the rule below its rows.

    Args:
        with_anchors: whether rows of a perfect code and noise are in it.
        spreads: of published figures in it, from
            :func:`dis_bench.reports.published.reported.describe_spreads`.
    """
    what = "Measured rows: mean" if spreads else "Mean"
    caption = (
        rf"{what} $\pm$ standard deviation over $n$ seeds; arrows point to better. "
        r"$\beta_\mathrm{norm} = \beta \cdot$ latents / (pixels $\cdot$ channels)."
    )
    if with_anchors:
        caption += f" {_ANCHOR_NOTE}"
    if spreads:
        caption += f" {PUBLISHED_NOTE} {' '.join(map(for_latex, spreads))}"
    return "\n".join([r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table*}"])


_LATEX_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}


def _latex_row(texts: list[str]) -> str:
    return " & ".join(texts) + r" \\"


def _markdown_row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _format_beta(value: float) -> str:
    """Format a beta, in full: it tells configurations apart."""
    return DASH if value != value else format_value(float(value))


def _number(value: float) -> str:
    return DASH if value != value else f"{value:.3g}"
