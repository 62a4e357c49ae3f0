"""The data with which the page's plane and table compare configurations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.escape import describe_rules, for_latex, for_markdown
from dis_bench.records.cell import plain_name
from dis_bench.reports.figures.plots import choose_loss
from dis_bench.reports.figures.theme import DialScale
from dis_bench.reports.headline import lead_score
from dis_bench.reports.ordering import MIN_SEEDS
from dis_bench.reports.published.reported import Reported, describe_spreads, format_reported
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.saturation import compare_with_baselines, name_saturated
from dis_bench.reports.settings import Setting
from dis_bench.reports.tables import (
    LATEX_START,
    end_latex,
    format_anchors,
    format_rows,
    has_other_dials,
    headings,
    latex_headings,
    list_used,
)

if TYPE_CHECKING:
    import pandas as pd

# The names of a quantity's columns in table.csv, and of the columns before them, by the printed column.
_CSV = (("series",), ("dial", "dial_value", "beta"), ("beta_norm",), ("n",))


def describe_comparison(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    quantities: list[Quantity],
    reported: Sequence[Sequence[Reported]] = (),
) -> dict[str, Any]:
    """Describe the configurations of each setting for the plane and the table.

    Args:
        settings: in the order of :func:`dis_bench.reports.page.data.describe_settings`.
        tables: from :func:`dis_bench.reports.tables.summarise`, one per setting.
        quantities: all measured quantities.
        reported: published rows of each setting; none if empty.

    Returns:
        ``settings``, see :func:`_describe`; ``min_seeds``, from which the ordering rule judges;
        ``latex_start``, the first lines of a table in LaTeX; and ``escape``, the rules of
        :mod:`dis_bench.escape`.
    """
    by_dial = has_other_dials(tables)
    return {
        "settings": [
            _describe(setting, table, list_used(setting, table, quantities), by_dial, published)
            for setting, table, published in zip(
                settings, tables, reported or [()] * len(settings), strict=True
            )
        ],
        "min_seeds": MIN_SEEDS,
        "latex_start": LATEX_START.split("\n"),
        "escape": _spell_out(describe_rules()),
    }


def _describe(
    setting: Setting,
    table: pd.DataFrame,
    quantities: list[Quantity],
    by_dial: bool,
    reported: Sequence[Reported],
) -> dict[str, Any]:
    """Describe a setting.

    Returns:
        - ``dataset``, ``title`` and its ``latex_title``;
        - ``by_dial``: whether the second column is the dial, not beta;
        - ``columns``: the heads and formats of each column, of which the first four are no quantity;
        - ``lead``, ``loss``: the quantities of the plane at first; None if there is none;
        - ``models``: name, note, dial and whether it is a baseline, in the order of the table;
        - ``rows``: by column, a value per configuration: ``model`` (its number), ``texts`` of the first four
          columns, ``csv`` of theirs, ``shade`` along the dial;
        - ``values``: by quantity, ``mean``, ``std`` and ``n`` per configuration, and ``cells``, a value per
          cell in the order of the setting's cells, if it was measured per cell;
        - ``row_of_cell``: the number of each cell's configuration;
        - ``anchors``, ``published``: the texts of the table's last rows;
        - ``latex_end``: the last lines of the table in LaTeX, with its caption.
    """
    finished = table[table["n"] > 0]
    ordered = [quantity for quantity in quantities if quantity.is_ordered]
    lead, loss = lead_score(ordered), choose_loss(table, quantities)
    saturated = name_saturated(compare_with_baselines(setting, finished, quantities))
    rows = {label: number for number, label in enumerate(table["label"])}
    anchors = format_anchors(setting, quantities)
    return {
        "dataset": plain_name(setting.cell["dataset"]),
        "title": setting.title,
        "latex_title": for_latex(setting.title),
        "by_dial": by_dial,
        "columns": _describe_columns(setting, quantities, by_dial, saturated),
        "lead": lead.name if lead else None,
        "loss": loss.name if loss else None,
        "models": _describe_models(setting, table),
        "rows": _describe_rows(table, by_dial),
        "values": {quantity.name: _list_values(setting, table, quantity) for quantity in quantities},
        "row_of_cell": [rows[label] for label in setting.cells["label"]],
        "anchors": anchors,
        "published": format_reported(reported, quantities, by_dial),
        "latex_end": end_latex(bool(anchors), describe_spreads(reported)).split("\n"),
    }


def _describe_columns(
    setting: Setting, quantities: list[Quantity], by_dial: bool, saturated: dict[str, str]
) -> list[dict[str, Any]]:
    """Describe the columns: the heads of each format, and how a quantity is read."""
    columns: list[dict[str, Any]] = [{"name": names[0], "csv": names} for names in _CSV]
    for quantity in quantities:
        anchor = setting.anchors.get(quantity.name)
        columns.append(
            {
                "name": quantity.name,
                "label": quantity.label,
                "unit": quantity.unit,
                "better": quantity.better,
                "digits": quantity.digits,
                "is_score": quantity.is_score,
                "is_ordered": quantity.is_ordered,
                "range": quantity.range,
                "perfect": anchor.perfect if anchor else None,
                "noise": anchor.chance if anchor else None,
                "saturated": saturated.get(quantity.name, ""),
                "csv": [f"{quantity.name}_{part}" for part in ("mean", "std", "n")],
            }
        )
    heads, latex = headings(quantities, by_dial), latex_headings(quantities, by_dial)
    for column, head, for_tex in zip(columns, heads, latex, strict=True):
        column |= {"head": head, "markdown": for_markdown(head), "latex": for_tex}
    return columns


def _describe_models(setting: Setting, table: pd.DataFrame) -> list[dict[str, Any]]:
    first = table.drop_duplicates("model_name")
    return [
        {
            "name": str(name),
            "note": setting.notes.get(model, ""),
            "baseline": name in setting.baselines,
        }
        for name, model in zip(first["model_name"], first["model"], strict=True)
    ]


def _describe_rows(table: pd.DataFrame, by_dial: bool) -> dict[str, list[Any]]:
    models = {name: number for number, name in enumerate(dict.fromkeys(table["model_name"]))}
    csv = zip(*(table[name] for name in ("row", "dial", "level", "beta", "beta_norm", "n")), strict=True)
    return {
        "label": table["label"].tolist(),
        "series": table["series"].tolist(),
        "model": [models[name] for name in table["model_name"]],
        "level": table["level"].tolist(),
        "n": table["n"].tolist(),
        "failed": table["failed"].tolist(),
        "shade": _find_shades(table),
        "texts": [[text for text, _ in row] for row in format_rows(table, [], by_dial)],
        "csv": [list(row) for row in csv],
    }


def _find_shades(table: pd.DataFrame) -> list[float]:
    """Return how dark each configuration is drawn, from 0 to 1 along its dial."""
    scales = {dial: DialScale(rows["level"]) for dial, rows in table[table["dial"] != ""].groupby("dial")}
    return [
        round(scales[dial].share(level), 3) if dial in scales and len(scales[dial].levels) > 1 else 0.0
        for dial, level in zip(table["dial"], table["level"], strict=True)
    ]


def _list_values(setting: Setting, table: pd.DataFrame, quantity: Quantity) -> dict[str, list[Any]]:
    name = quantity.name
    values = {part: table[f"{name}_{part}"].tolist() for part in ("mean", "std", "n")}
    if name in setting.cells and len(setting.cells) > len(table):
        finished = setting.cells["status"] == "done"
        values["cells"] = [
            math.nan if value is None else float(value) for value in setting.cells[name].where(finished)
        ]
    return values


def _spell_out(rules: dict[str, Any]) -> dict[str, Any]:
    r"""Write all characters of a regular expression in ASCII, as ``\u{202e}``."""
    spelt = {
        name: "".join(char if " " <= char <= "~" else rf"\u{{{ord(char):x}}}" for char in rules[name])
        for name in ("hidden", "formula")
    }
    return {**rules, **spelt}
