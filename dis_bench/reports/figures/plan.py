"""The figures of a setting, each with a title, a caption and a text alternative."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.records.pictures import FILE, Pictures
from dis_bench.reports.configurations import format_dial, format_value
from dis_bench.reports.curves import describe_measure, list_measures, read_curve
from dis_bench.reports.figures.agreement import chance_correlation, correlate_ranks, draw_agreement
from dis_bench.reports.figures.pictures import (
    FROZEN,
    draw_reconstructions,
    draw_traversals,
    find_pictures,
)
from dis_bench.reports.figures.plots import (
    MOST_BARS,
    MOST_LINES,
    choose_loss,
    draw_against_dial,
    draw_scores_along,
    draw_tradeoff,
    draw_training,
    has_dots,
)
from dis_bench.reports.figures.series import SHOWN_SERIES
from dis_bench.reports.figures.theme import theme, to_png, to_webp
from dis_bench.reports.headline import lead_score
from dis_bench.reports.ordering import Sample
from dis_bench.reports.published.reported import Reported
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.selection import choose_configurations, describe_choice
from dis_bench.reports.settings import Setting, list_stepless

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


_DOTS = "Each faint dot is one cell; each large dot is the mean over seeds, its bars one standard deviation. "
_MEANS = "Means over seeds with one standard deviation; each faint dot is one cell. "
_ONLY_MEANS = (
    "Each dot is the mean over the seeds of a configuration, its bars one standard deviation; there are too "
    "many cells for a dot each. "
)

_HELD_OUT = " Dotted, with dots: a fixed sample of the images that were kept out of training, per seed."

# A setting has pictures and curves of at most this many configurations; fewer if there are several settings.
MOST_CONFIGURATIONS = 12
# At most this many seeds of each of these have a training curve.
MOST_CURVES = 10
# A setting has a figure for at most this many of its dials, beta first.
MOST_DIALS = 3
_LONGEST_LABEL = 60
# Figures that show images of the data, of which every pixel counts.
_OF_PIXELS = ("reconstructions", "traversals")


@dataclass(frozen=True)
class Image:
    """A figure as the page shows it.

    Attributes:
        kind: ``tradeoff``, ``against-beta``, ``against-dial`` (a dial other than beta), ``agreement``,
            ``published``, ``reconstructions``, ``traversals``, ``scores-along`` or ``training``.
        path: the file's path, relative to the report.
        title, caption: the texts above and below it.
        alt: a description in words.
        png: the file's content.
    """

    kind: str
    path: str
    title: str
    caption: str
    alt: str
    png: bytes

    @property
    def source(self) -> str:
        """The image as WebP in a data URI: the page needs no other file, and stays small."""
        webp = to_webp(self.png, exact=self.kind in _OF_PIXELS)
        return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page: half the pixels, for dense screens."""
        width, height = struct.unpack(">II", self.png[16:24])
        return round(width / 2), round(height / 2)


@dataclass(frozen=True)
class Plan:
    """A figure that has yet to be drawn."""

    kind: str
    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[], Figure]

    def __call__(self) -> Image:
        """Draw it."""
        with theme():
            png = to_png(self.draw())
        return Image(self.kind, f"plots/{self.name}.png", self.title, self.caption, self.alt, png)


def plan_figures(
    setting: Setting,
    table: pd.DataFrame,
    quantities: list[Quantity],
    problems: list[str],
    most: int = MOST_CONFIGURATIONS,
    reported: Sequence[Reported] = (),
) -> list[Plan]:
    """Plan the figures for which a setting has data, in the order of the page.

    Nothing is drawn yet.

    Args:
        setting: the setting to show.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those for which the setting has values.
        problems: receives a sentence for each file that cannot be read.
        most: the largest number of configurations with pictures and curves; files of the others are not read.
        reported: published rows of the setting, for hollow marks against a dial.
    """
    lead = lead_score(quantities)
    labels = choose_configurations(table, lead, most)
    choice = describe_choice(len(labels), table, lead)
    shown = [] if setting.steps is None else _first_seeds(setting, labels, problems)
    return [
        *_plan_tradeoff(setting, table, quantities),
        *_plan_against_dials(setting, table, quantities, reported),
        *_plan_agreement(setting, quantities),
        *_plan_reconstructions(setting, shown, choice),
        *_plan_traversals(setting, shown),
        *_plan_scores_along(setting, table, quantities, labels, choice),
        *_plan_training(setting, table, labels, choice, lead, problems),
    ]


def _plan_tradeoff(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> list[Plan]:
    lead, loss = lead_score(quantities), choose_loss(table, quantities)
    if lead is None or loss is None or len(setting.done) < 2:
        return []
    finished = table[table["n"] > 0]
    dials = [format_dial(str(dial)) for dial in _list_dials(finished)]
    order = f"A line joins them in the order of {_join_words(dials)}. " if dials else ""
    return [
        Plan(
            "tradeoff",
            f"tradeoff-{setting.slug}",
            "What reconstruction costs, what disentanglement gains",
            f"{_caption_dots(setting, table, _DOTS)}{order}{_caption_shades(finished)}Up is more "
            f"disentangled, left is better reconstructed.{_caption_lacking(finished, [loss])}"
            f"{_caption_grey(finished, lead)}{_caption_anchors(setting, quantities)}",
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


def _caption_lacking(finished: pd.DataFrame, quantities: list[Quantity]) -> str:
    """Say which models are left out of some panels, as they lack the quantity."""
    lacking: dict[str, list[str]] = {}
    for model, rows in finished.groupby("model_name", sort=False):
        names = [q.label for q in quantities if not rows[f"{q.name}_n"].any()]
        if names:
            lacking.setdefault(_join_words(names, "or"), []).append(str(model))
    return "".join(
        f" {models[0]} has no {names}, so is left out there."
        if len(models) == 1
        else f" {_join_words(models)} have no {names}, so are left out there."
        for names, models in lacking.items()
    )


def _join_words(names: list[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _plan_against_dials(
    setting: Setting, table: pd.DataFrame, quantities: list[Quantity], reported: Sequence[Reported]
) -> list[Plan]:
    """Plan one figure for each dial with at least two finished levels, beta first."""
    finished = table[table["n"] > 0]
    levels = finished[finished["dial"] != ""].groupby("dial")["level"].nunique()
    dials = sorted(levels.index[levels > 1], key=lambda dial: (dial != "beta", -levels[dial], dial))
    return [
        _plan_against_dial(setting, table, quantities, str(dial), number, reported)
        for number, dial in enumerate(dials[:MOST_DIALS])
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
        + _caption_lacking(finished, quantities)
        + _caption_grey(finished, lead)
        + _caption_anchors(setting, quantities)
        + _caption_published(reported, dial),
        f"Curves of {', '.join(q.label for q in quantities)} against {dial}. "
        f"{_tell(table, quantities, lead)}{_tell_anchor(setting, lead)}",
        lambda: draw_against_dial(setting, table, quantities, dial, reported),
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
    return "The shades of a colour darken as it rises. " if several else ""


def _caption_grey(finished: pd.DataFrame, lead: Quantity | None) -> str:
    count = finished["series"].nunique()
    if count <= SHOWN_SERIES:
        return ""
    rule = f", best by mean {lead.label}, one of each model first" if lead else ""
    return (
        f" {SHOWN_SERIES} of {count} series have a colour{rule}; the others are grey, or left out where they "
        "would be horizontal lines."
    )


def _plan_agreement(setting: Setting, quantities: list[Quantity]) -> list[Plan]:
    correlations = correlate_ranks(setting, quantities)
    if correlations.empty:
        return []
    cells = len(setting.done)
    return [
        Plan(
            "agreement",
            f"agreement-{setting.slug}",
            "Which scores agree",
            f"Spearman's rank correlation over {cells:,} cells, all configurations and seeds together; "
            f"losses are ranked from worst to best. With {cells:,} cells, chance alone reaches "
            f"±{chance_correlation(cells):.2f} in one of twenty pairs.",
            f"A heat map of rank correlations between {_list([*correlations], most=30)}.",
            lambda: draw_agreement(correlations),
        )
    ]


def _plan_reconstructions(
    setting: Setting, shown: list[tuple[pd.Series, Pictures]], choice: str
) -> list[Plan]:
    if not shown:
        return []
    several = len({cell["series"] for cell, _ in shown}) > 1
    without = [str(model) for model, rows in _by_model(setting.done) if not _makes_images(rows).any()]
    lacking = f" {_say_without_images(without)}" if without else ""
    has_codes = any(pictures.kl_per_latent is None for _, pictures in shown)
    codes = ", or from the code where there is no posterior" if has_codes else ""
    rows = [(_row_label(cell, several), pictures) for cell, pictures in shown]
    reconstruct = all(isfinite(cell.get("reconstruction", float("nan"))) for cell, _ in shown)
    samples = (
        "" if reconstruct else " Rows without nats do not reconstruct: they are samples with the same codes."
    )
    return [
        Plan(
            "reconstructions",
            f"reconstructions-{setting.slug}",
            "Originals and reconstructions",
            "The first row is the data; below it, the same images decoded from the posterior mean"
            f"{codes}{_seed_note(shown)}. Nats are the cell's reconstruction loss over its whole evaluation "
            f"sample.{samples}{lacking}"
            + (f" Shown here and in the traversals are {choice}" if choice else ""),
            f"{len(shown[0][1].originals)} images and their reconstructions by {len(rows)} models: "
            f"{_list([label for label, _ in rows])}.",
            lambda: draw_reconstructions(rows),
        )
    ]


def _plan_traversals(setting: Setting, shown: list[tuple[pd.Series, Pictures]]) -> list[Plan]:
    plans = []
    for number, (cell, pictures) in enumerate(shown):
        caption, order = _describe_latents(pictures)
        plans.append(
            Plan(
                "traversals",
                f"traversals-{setting.slug}-{number + 1:02d}",
                f"{cell['label']}, seed {cell['seed']}",
                caption,
                f"Latent traversals of {cell['label']}, seed {cell['seed']}: one row per latent {order}.",
                lambda pictures=pictures: draw_traversals(pictures),  # type: ignore[misc]
            )
        )
    return plans


def _plan_scores_along(
    setting: Setting, table: pd.DataFrame, quantities: list[Quantity], labels: list[str], choice: str
) -> list[Plan]:
    cells = setting.done[setting.done["label"].isin(labels)]
    curves = {cell: setting.score_curves[cell] for cell in cells["hash"] if cell in setting.score_curves}
    scores = [q for q in quantities if q.is_score and any(q.name in c.scores for c in curves.values())]
    if not scores:
        return []
    return [
        Plan(
            "scores-along",
            f"scores-along-{setting.slug}",
            "Scores along training",
            "Each score of the codes at some steps of training, and at its end; a thin line per seed, the "
            "mean over seeds thick, with a marker at each step that was scored."
            + (f" Shown are {choice}" if choice else "")
            + _caption_anchors(setting, scores),
            f"Curves of {', '.join(q.label for q in scores)} of {len(curves)} cells at training steps "
            f"{setting.cell['score_at']}, and at the end, {setting.steps:,}.",
            lambda: draw_scores_along(setting, table, curves, scores, lead_score(quantities)),
        )
    ]


def _describe_latents(pictures: Pictures) -> tuple[str, str]:
    """Return a caption on a traversal's latents, and words for the order of its rows."""
    kl = pictures.kl_per_latent
    if kl is None:
        return "Without a KL, rows are in the order of the latents.", "in their order"
    frozen = int((kl < FROZEN).sum())
    return (
        f"{frozen or 'None'} of {len(kl)} latents frozen.",
        f"by falling KL, from {kl.max():.2f} to {kl.min():.2f} nats; {frozen} frozen",
    )


def say_without_images(setting: Setting) -> str:
    """Write that no finished model of a setting decodes images.

    The text is empty if one does, or if it is unknown.
    """
    done = setting.done
    if setting.steps is None or done.empty or _makes_images(done).any():
        return ""
    return _say_without_images([str(model) for model, _ in _by_model(done)])


def _say_without_images(models: list[str]) -> str:
    verb = "decodes no images, so it has" if len(models) == 1 else "decode no images, so they have"
    return f"{_join_words(models)} {verb} no reconstructions and no traversals."


def _by_model(cells: pd.DataFrame) -> Iterable[tuple[Any, pd.DataFrame]]:
    return cells.groupby("model_name", sort=False)


def _makes_images(cells: pd.DataFrame) -> pd.Series:
    """Return True for each cell that reconstructs images, or that kept samples."""
    measured = cells.reindex(columns=["reconstruction", "mse"]).notna().any(axis=1)
    return measured | cells["folder"].map(lambda folder: (Path(str(folder)) / FILE).is_file()).astype(bool)


def _plan_training(
    setting: Setting,
    table: pd.DataFrame,
    labels: list[str],
    choice: str,
    lead: Quantity | None,
    problems: list[str],
) -> list[Plan]:
    if setting.steps is None:  # encoders were trained elsewhere
        return []
    trained = setting.done[setting.done["steps"] > 0]
    cells = trained[trained["label"].isin(labels)].groupby("label", sort=False).head(MOST_CURVES)
    read = {
        cell: read_curve(folder, problems, setting.records.get(cell))
        for cell, folder in cells[["hash", "folder"]].to_numpy()
    }
    curves = {cell: curve for cell, curve in read.items() if curve is not None}
    if not curves:
        return []
    chosen = trained[trained["label"].isin(labels)]
    measures = list_measures(curves.values())
    seeds = f" Only the first {MOST_CURVES} seeds of each are drawn." if len(chosen) > len(cells) else ""
    return [
        Plan(
            "training",
            f"training-{setting.slug}",
            "Training",
            f"{_caption_measures(measures)} on training batches; a thin line per seed, the mean over seeds "
            "thick. The axes fit what follows the first tenth of training; before it, curves may leave them."
            + (_HELD_OUT if any(curve.heldout for curve in curves.values()) else "")
            + _caption_stepless(setting)
            + (f" Shown are {choice}" if choice else "")
            + seeds,
            f"Training curves of {_join_words(_name_measures(measures))} of {len(curves)} cells over "
            f"{setting.steps:,} steps.",
            lambda: draw_training(setting, table, curves, lead),
        )
    ]


def _name_measures(measures: list[str]) -> list[str]:
    return [describe_measure(name) for name in measures]


def _caption_measures(measures: list[str]) -> str:
    if measures == ["reconstruction", "kl"]:
        return "Reconstruction and unweighted KL"
    names = _join_words(_name_measures(measures))
    return f"{names[0].upper()}{names[1:]}, each of the models that have it,"


def _caption_stepless(setting: Setting) -> str:
    """Say which models have no curve because they take no steps."""
    models = list_stepless(setting)
    if not models:
        return ""
    return f" {_join_words(models)} {'takes' if len(models) == 1 else 'take'} no steps."


def _first_seeds(
    setting: Setting, labels: list[str], problems: list[str]
) -> list[tuple[pd.Series, Pictures]]:
    """Return the lowest finished seed of each configuration, if it has pictures."""
    shown = []
    chosen = setting.done[setting.done["label"].isin(labels) & _makes_images(setting.done)]
    for _, cells in chosen.groupby("label", sort=False):
        cell = cells.sort_values("seed").iloc[0]
        pictures = find_pictures(cell["folder"], problems, setting.records.get(cell["hash"]))
        if pictures is not None:
            shown.append((cell, pictures))
    return shown


def _seed_note(shown: list[tuple[pd.Series, Pictures]]) -> str:
    seeds = {int(cell["seed"]) for cell, _ in shown}
    return f" (seed {seeds.pop()})" if len(seeds) == 1 else " (the lowest finished seed of each)"


def _row_label(cell: pd.Series, several: bool) -> str:
    short = not several and bool(cell["dial"])
    name = f"{format_dial(cell['dial'])} = {format_value(cell['level'])}" if short else cell["label"]
    name = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
    nats = cell.get("reconstruction", float("nan"))
    return name if nats != nats else f"{name}   {nats:.1f} nats"


def _tell(table: pd.DataFrame, quantities: list[Quantity], lead: Quantity | None) -> str:
    """State the means in words, for at most eight configurations."""
    told = [q for q in quantities if q.name == "reconstruction" or (lead is not None and q.name == lead.name)]
    words = []
    for _, row in table[table["n"] > 0].iterrows():
        values = ", ".join(
            f"{q.label} {q.format(Sample.of(row, q).mean)}" for q in told if row[f"{q.name}_n"]
        )
        words.append(f"{row['label']}: {values}")
    return f"Means: {_list(words, '; ')}."


def _caption_anchors(setting: Setting, quantities: list[Quantity]) -> str:
    if not any(quantity.name in setting.anchors for quantity in quantities):
        return ""
    return (
        " Dotted lines are the scores of a perfect code (the factors themselves) and of noise on the same "
        "images with the same protocol; one beyond a panel is noted at its edge, with an arrow."
    )


def _tell_anchor(setting: Setting, lead: Quantity | None) -> str:
    if lead is None or lead.name not in setting.anchors:
        return ""
    perfect, chance = map(lead.format, setting.anchors[lead.name])
    return f" {lead.label} of a perfect code: {perfect}; of noise: {chance}."


def _list(words: list[str], separator: str = ", ", most: int = 8) -> str:
    more = f"{separator}and {len(words) - most} more" if len(words) > most else ""
    return separator.join(words[:most]) + more
