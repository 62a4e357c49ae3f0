"""Rendering of the page: its sections, from the parts of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.printing import SPELL
from dis_bench.records.cell import plain_name
from dis_bench.records.columns import find_dial, split_images
from dis_bench.records.schema import Record
from dis_bench.records.sorting import sort_key
from dis_bench.reports.configurations import format_dial, format_value, is_number
from dis_bench.reports.doctor.diagnoses import Examined
from dis_bench.reports.figures.pictures import say_without_images
from dis_bench.reports.figures.plan import Image
from dis_bench.reports.headline import Headline
from dis_bench.reports.ordering import RULE
from dis_bench.reports.page.comparison import describe_comparison
from dis_bench.reports.page.data import describe_settings
from dis_bench.reports.page.document import PLAY_SCRIPTS, fill
from dis_bench.reports.page.findings import describe_findings
from dis_bench.reports.provenance import gather_provenance
from dis_bench.reports.published.reported import Reported, describe_reported, format_reported
from dis_bench.reports.quantities import DASH, FROZEN, Quantity, redeclare
from dis_bench.reports.saturation import compare_with_baselines, name_saturated
from dis_bench.reports.selection import MOST_SETTINGS, choose_settings
from dis_bench.reports.settings import Setting
from dis_bench.reports.tables import (
    PUBLISHED_NOTE,
    format_anchors,
    format_rows,
    has_other_dials,
    headings,
    list_used,
    write_note,
)
from dis_bench.reports.words import count_things

if TYPE_CHECKING:
    import pandas as pd

_NOTHING = "There is nothing to draw: no cell of this setting kept a curve, a picture or a score."
_UNDRAWN = (
    f"Figures are drawn for the {MOST_SETTINGS} settings with the most finished cells, and this is not one "
    "of them."
)
# The page lists at most this many failed cells.
_MOST_FAILED = 200
_PLOTS = ("tradeoff", "against-beta", "against-dial", "agreement", "published")
# The page shows at most this many traversals of a setting at once; the others can be unfolded.
_OPEN_TRAVERSALS = 4


def render_page(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    quantities: list[Quantity],
    headlines: list[list[Headline]],
    images: list[list[Image]],
    caveats: list[str],
    records: list[Record],
    reported: Sequence[Sequence[Reported]] = (),
    examined: Sequence[Examined] = (),
    play: dict[str, Any] | None = None,
) -> str:
    """Render the page as HTML.

    Args:
        settings, tables, headlines, images: one entry per setting.
        quantities: all measured quantities.
        caveats: sentences.
        records: for the provenance.
        reported: published rows of each setting; none if empty.
        examined: cells that the doctor examined.
        play: data to play with, see :class:`dis_bench.reports.play.gather.Play`.
    """
    from dis_bench.version import __version__

    by_dial, reported = has_other_dials(tables), reported or [()] * len(settings)
    parts = [
        _section(setting, table, quantities, answers, drawn, by_dial)
        for setting, table, answers, drawn in zip(settings, tables, headlines, images, strict=True)
    ]
    has_figures = choose_settings(settings)
    for part, setting, table, published in zip(parts, settings, tables, reported, strict=True):
        part |= _published(setting, list_used(setting, table, quantities), published, by_dial)
    for number, part in enumerate(parts):
        part["undrawn"] = _NOTHING if number in has_figures else _UNDRAWN
    failed = [row for setting in settings for row in _failed(setting)]
    return fill(
        "page.html.j2",
        {
            "settings": describe_settings(settings),
            "comparison": describe_comparison(settings, tables, quantities, reported),
            "play": play or {},
        },
        title=_title(settings, quantities),
        summary=describe_cells(records, settings),
        sections=parts,
        meanings=_meanings(_list_declared(settings, quantities)),
        frozen=FROZEN,
        caveats=caveats,
        doctor=describe_findings(examined, len(records)),
        provenance=gather_provenance(records),
        failed=failed[:_MOST_FAILED],
        failed_count=len(failed),
        rule=RULE,
        choice=(play or {}).get("choice", "").split("`"),
        several=len((play or {}).get("cells", ())) > 1,
        knows=any(cell.get("knows") for cell in (play or {}).get("cells", ())),
        note=write_note(settings, quantities),
        published_note=PUBLISHED_NOTE,
        version=__version__,
        split_spread=_split_spread,
        format_value=format_value,
    )


def render_play(data: dict[str, Any]) -> bytes:
    """Render the page of one cell with its decoder, as a file.

    Args:
        data: from :attr:`dis_bench.reports.play.gather.Play.pages`.
    """
    from dis_bench.version import __version__

    [cell] = data["cells"]
    values = {"cell": cell, "frozen": FROZEN, "version": __version__}
    return fill("play.html.j2", {"play": data}, PLAY_SCRIPTS, **values).encode(errors=SPELL)


def describe_cells(records: list[Record], settings: list[Setting]) -> str:
    """Summarise the cells in a sentence: models, betas, seeds, settings, failures."""
    failed = sum(record["status"] == "failed" for record in records)
    models = sorted({plain_name(record["cell"]["model"]) for record in records}, key=sort_key)
    seeds = {record["cell"]["seed"] for record in records}
    given = [r["cell"]["hyperparameters"]["beta"] for r in records if "beta" in r["cell"]["hyperparameters"]]
    betas = sorted({float(beta) for beta in given if is_number(beta)})
    words = sorted({format_value(beta) for beta in given if not is_number(beta)}, key=sort_key)
    parts = [", ".join(models)]
    parts += [_list_values("beta", betas)] if betas else []
    parts += (
        [f"beta = {', '.join(words)}" if len(words) <= 8 else f"{len(words)} words for β"] if words else []
    )
    parts += [_list_values(dial, values) for dial, values in _find_other_dials(records).items()]
    parts += [count_things(len(seeds), "seed")]
    parts += [count_things(len(settings), "setting")] if len(settings) > 1 else []
    parts += [f"{failed} failed"] if failed else []
    return f"{count_things(len(records), 'cell')}: {'; '.join(parts)}"


def _find_other_dials(records: list[Record]) -> dict[str, list[float]]:
    """Return the values of the dials that models name, other than beta."""
    found: dict[str, set[float]] = {}
    for record in records:
        dial = find_dial(record)
        if dial in (None, "beta"):
            continue
        value = record["cell"]["hyperparameters"][dial]
        if is_number(value):
            found.setdefault(dial, set()).add(float(value))
    return {dial: sorted(values) for dial, values in sorted(found.items())}


def _list_values(dial: str, values: list[float]) -> str:
    texts = [format_value(value) for value in values]
    if len(texts) > 8:
        return f"{len(texts)} values of {format_dial(dial)} from {texts[0]} to {texts[-1]}"
    return f"{format_dial(dial)} = {', '.join(texts)}"


def _title(settings: list[Setting], quantities: list[Quantity]) -> str:
    datasets = list(dict.fromkeys(plain_name(setting.cell["dataset"]) for setting in settings))
    scored = any(quantity.is_score for quantity in quantities)
    return f"Reconstruction{' and disentanglement' if scored else ''} on {', '.join(datasets)}"


def _section(
    setting: Setting,
    table: pd.DataFrame,
    quantities: list[Quantity],
    answers: list[Headline],
    images: list[Image],
    by_dial: bool,
) -> dict[str, Any]:
    used, symbol = list_used(setting, table, quantities), "" if by_dial else "β = "
    saturated = name_saturated(compare_with_baselines(setting, table[table["n"] > 0], used))
    marked = [False, False, False, *(quantity.name in saturated for quantity in used)]
    traversals = [image for image in images if image.kind == "traversals"]
    count, most = len(traversals), _OPEN_TRAVERSALS
    chosen = {round(i * (count - 1) / (most - 1)) for i in range(most)} if count > most else set(range(count))
    return {
        "slug": setting.slug,
        "without_images": say_without_images(setting),
        "title": setting.title,
        "answers": answers,
        "several": len(answers) > 1,
        "plots": [image for image in images if image.kind in _PLOTS],
        "reconstructions": [image for image in images if image.kind == "reconstructions"],
        "training": [image for image in images if image.kind in ("scores-along", "training")],
        "traversals": [image for number, image in enumerate(traversals) if number in chosen],
        "folded": [image for number, image in enumerate(traversals) if number not in chosen],
        "heads": list(
            zip([head for n, head in enumerate(headings(used, by_dial)) if n != 1], marked, strict=True)
        ),
        "rows": [
            (name, "" if dial == DASH else f"{symbol}{dial}", row)
            for (name, _), (dial, _), *row in format_rows(table, used, by_dial)
        ],
        "anchors": [(name, row) for name, _, *row in format_anchors(setting, used)],
    }


def _published(
    setting: Setting, used: list[Quantity], reported: Sequence[Reported], by_dial: bool
) -> dict[str, Any]:
    """Return the published rows of a table, and the sentences about them."""
    rows = format_reported(reported, used, by_dial)

    def name_dial(second: str) -> str:
        if second == DASH:
            return ""
        return second if by_dial else f"β {'' if second.startswith('one of ') else '= '}{second}"

    return {
        "published": [(name, name_dial(second), row) for name, second, *row in rows],
        "published_notes": describe_reported(setting, reported),
    }


def _list_declared(settings: list[Setting], quantities: list[Quantity]) -> list[Quantity]:
    """List each quantity in all the ways in which settings declare it."""
    own = [redeclare(quantities, setting.declared) for setting in settings]
    return list(dict.fromkeys(one for same in zip(*own, strict=True) for one in same))


def _meanings(quantities: list[Quantity]) -> list[tuple[str, str]]:
    """List what each score measures, with the scores of one metric on one line.

    A score on other images than the study's sample measures the same.
    """
    names: dict[str, list[str]] = {}
    for quantity in quantities:
        if quantity.summary and not split_images(quantity.name)[1]:
            scale = f" Range {quantity.range[0]:g} to {quantity.range[1]:g}." if quantity.range else ""
            names.setdefault(quantity.summary + scale, []).append(quantity.heading)
    return [(", ".join(some), meaning) for meaning, some in names.items()]


def _failed(setting: Setting) -> list[tuple[str, str, str]]:
    cells = setting.cells[setting.cells["status"] == "failed"]
    return [
        (setting.title, f"{cell['label']}, seed {cell['seed']}", cell["failure"])
        for _, cell in cells.iterrows()
    ]


def _split_spread(text: str) -> tuple[str, str]:
    """Split a value into its mean and the spread, which is printed small below it."""
    mean, sign, spread = text.partition(" ± ")
    return mean, f"± {spread}" if sign else ""
