"""Which figures a setting gets, each with a title, a caption and words for those who cannot see it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dis_bench.reports.agreement import chance_correlation, correlate_ranks, draw_agreement
from dis_bench.reports.curves import read_curve
from dis_bench.reports.headline import lead_score
from dis_bench.reports.ordering import Sample
from dis_bench.reports.pictures import FROZEN, Pictures, draw_reconstructions, draw_traversals, read_pictures
from dis_bench.reports.plots import draw_against_beta, draw_tradeoff, draw_training
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting
from dis_bench.reports.theme import theme, to_png

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


_DOTS = "Each faint dot is one cell; each large dot is the mean over seeds, its bars one standard deviation. "
_MEANS = "Means over seeds with one standard deviation; each faint dot is one cell. "


@dataclass(frozen=True)
class Image:
    """A figure as the page shows it.

    Attributes:
        kind: ``tradeoff``, ``against-beta``, ``agreement``, ``reconstructions``, ``traversals`` or
            ``training``.
        path: of the file, relative to the report.
        title, caption: above and below it.
        alt: what is seen, in words.
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
        """The picture itself as a URI, so that the page needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page: half the pixels, for dense screens."""
        width, height = struct.unpack(">II", self.png[16:24])
        return round(width / 2), round(height / 2)


@dataclass(frozen=True)
class Plan:
    """A figure that is still to be drawn."""

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
    setting: Setting, table: pd.DataFrame, quantities: list[Quantity], problems: list[str]
) -> list[Plan]:
    """The figures that a setting has data for, in the order of the page; nothing is drawn yet.

    Args:
        setting: what is shown.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those that the setting has values for.
        problems: gets a sentence for each file that cannot be read.
    """
    shown = _first_seeds(setting, problems)
    return [
        *_plan_tradeoff(setting, table, quantities),
        *_plan_against_beta(setting, table, quantities),
        *_plan_agreement(setting, quantities),
        *_plan_reconstructions(setting, shown),
        *_plan_traversals(setting, shown),
        *_plan_training(setting, table, problems),
    ]


def _plan_tradeoff(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> list[Plan]:
    lead = lead_score(quantities)
    if lead is None or not any(q.name == "reconstruction" for q in quantities) or len(setting.done) < 2:
        return []
    dots = "Each dot is the one seed of a configuration. " if table["n"].max() == 1 else _DOTS
    return [
        Plan(
            "tradeoff",
            f"tradeoff-{setting.slug}",
            "What reconstruction costs, what disentanglement gains",
            f"{dots}A line joins them in the order of β. Up is more disentangled, left is better "
            f"reconstructed.{_caption_anchors(setting, quantities)}",
            f"Scatter plots of each score against reconstruction. {_tell(table, quantities, lead)}"
            f"{_tell_anchor(setting, lead)}",
            lambda: draw_tradeoff(setting, table, quantities),
        )
    ]


def _plan_against_beta(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> list[Plan]:
    if table.loc[table["n"] > 0, "beta"].nunique() < 2:
        return []
    lead = lead_score(quantities)
    dashed = table.loc[table["n"] > 0, "beta"].isna().any()
    return [
        Plan(
            "against-beta",
            f"against-beta-{setting.slug}",
            "Every quantity against β",
            ("One seed each. " if table["n"].max() == 1 else _MEANS)
            + "Arrows point to better."
            + (" A dashed line with its band is a model without β." if dashed else "")
            + _caption_anchors(setting, quantities),
            f"Curves of {', '.join(q.label for q in quantities)} against beta. "
            f"{_tell(table, quantities, lead)}{_tell_anchor(setting, lead)}",
            lambda: draw_against_beta(setting, table, quantities),
        )
    ]


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
            f"Spearman's rank correlation over {cells} cells, all configurations and seeds together; losses "
            f"are ranked from worst to best. With {cells} cells, chance alone reaches "
            f"±{chance_correlation(cells):.2f} in one of twenty pairs.",
            f"A heat map of rank correlations between {_list([*correlations], most=30)}.",
            lambda: draw_agreement(correlations),
        )
    ]


def _plan_reconstructions(setting: Setting, shown: list[tuple[pd.Series, Pictures]]) -> list[Plan]:
    if not shown:
        return []
    several = setting.done["series"].nunique() > 1
    rows = [(_row_label(cell, several), pictures) for cell, pictures in shown]
    return [
        Plan(
            "reconstructions",
            f"reconstructions-{setting.slug}",
            "Originals and reconstructions",
            "The first row is the data; below it, the same images decoded from the posterior mean"
            f"{_seed_note(shown)}. Nats are the cell's reconstruction loss over its whole evaluation sample.",
            f"{len(shown[0][1].originals)} images and their reconstructions by {len(rows)} models: "
            f"{_list([label for label, _ in rows])}.",
            lambda: draw_reconstructions(rows),
        )
    ]


def _plan_traversals(setting: Setting, shown: list[tuple[pd.Series, Pictures]]) -> list[Plan]:
    plans = []
    for number, (cell, pictures) in enumerate(shown):
        frozen = int((pictures.kl_per_latent < FROZEN).sum())
        latents = len(pictures.kl_per_latent)
        plans.append(
            Plan(
                "traversals",
                f"traversals-{setting.slug}-{number + 1:02d}",
                f"{cell['label']}, seed {cell['seed']}",
                f"{frozen or 'None'} of {latents} latents frozen.",
                f"Latent traversals of {cell['label']}, seed {cell['seed']}: one row per latent by falling "
                f"KL, from {pictures.kl_per_latent.max():.2f} to {pictures.kl_per_latent.min():.2f} nats; "
                f"{frozen} frozen.",
                lambda pictures=pictures: draw_traversals(pictures),  # type: ignore[misc]
            )
        )
    return plans


def _plan_training(setting: Setting, table: pd.DataFrame, problems: list[str]) -> list[Plan]:
    read = {
        cell: read_curve(folder, problems) for cell, folder in setting.done[["hash", "folder"]].to_numpy()
    }
    curves = {cell: curve for cell, curve in read.items() if curve is not None}
    if not curves:
        return []
    return [
        Plan(
            "training",
            f"training-{setting.slug}",
            "Training",
            "Reconstruction and unweighted KL on training batches; a thin line per seed, the mean over seeds "
            "thick. The axes fit what follows the first tenth of training; before it, curves may leave them.",
            f"Training curves of reconstruction and KL of {len(curves)} cells over {setting.cell['steps']:,} "
            "steps.",
            lambda: draw_training(setting, table, curves),
        )
    ]


def _first_seeds(setting: Setting, problems: list[str]) -> list[tuple[pd.Series, Pictures]]:
    """The lowest finished seed of each configuration that has pictures."""
    shown = []
    for _, cells in setting.done.groupby("label", sort=False):
        cell = cells.sort_values("seed").iloc[0]
        pictures = read_pictures(cell["folder"], problems)
        if pictures is not None:
            shown.append((cell, pictures))
    return shown


def _seed_note(shown: list[tuple[pd.Series, Pictures]]) -> str:
    seeds = {int(cell["seed"]) for cell, _ in shown}
    return f" (seed {seeds.pop()})" if len(seeds) == 1 else " (the lowest finished seed of each)"


def _row_label(cell: pd.Series, several: bool) -> str:
    name = cell["label"] if several or cell["beta"] != cell["beta"] else f"β = {cell['beta']:g}"
    return f"{name}   {cell['reconstruction']:.1f} nats"


def _tell(table: pd.DataFrame, quantities: list[Quantity], lead: Quantity | None) -> str:
    """The means in words, for at most eight configurations."""
    told = [q for q in quantities if q.name == "reconstruction" or (lead is not None and q.name == lead.name)]
    words = []
    for _, row in table[table["n"] > 0].iterrows():
        values = ", ".join(f"{q.label} {q.format(Sample.of(row, q).mean)}" for q in told)
        words.append(f"{row['label']}: {values}")
    return f"Means: {_list(words, '; ')}."


def _caption_anchors(setting: Setting, quantities: list[Quantity]) -> str:
    if not any(quantity.name in setting.anchors for quantity in quantities):
        return ""
    return (
        " Dotted lines are what a perfect code (the factors themselves) and noise score on the same images "
        "by the same protocol; one that lies beyond a panel is told at its edge, with an arrow."
    )


def _tell_anchor(setting: Setting, lead: Quantity | None) -> str:
    if lead is None or lead.name not in setting.anchors:
        return ""
    perfect, chance = map(lead.format, setting.anchors[lead.name])
    return f" {lead.label} of a perfect code: {perfect}; of noise: {chance}."


def _list(words: list[str], separator: str = ", ", most: int = 8) -> str:
    more = f"{separator}and {len(words) - most} more" if len(words) > most else ""
    return separator.join(words[:most]) + more
