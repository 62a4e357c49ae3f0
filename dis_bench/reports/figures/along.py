"""The figures along the steps of training: its curves, and scores at some steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.reports.curves import describe_measure, list_measures, read_curve
from dis_bench.reports.figures.anchor_lines import caption_anchors
from dis_bench.reports.figures.curves import draw_scores_along, draw_training
from dis_bench.reports.figures.plan import Plan
from dis_bench.reports.headline import lead_score, say_without_steps
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting, find_elsewhere, list_stepless
from dis_bench.reports.words import join_words

if TYPE_CHECKING:
    import pandas as pd

_HELD_OUT = " Dotted, with dots: a fixed sample of the images that were kept out of training, per seed."
# At most this many seeds of each of these have a training curve.
MOST_CURVES = 10


def plan_training(
    setting: Setting,
    table: pd.DataFrame,
    labels: list[str],
    choice: str,
    lead: Quantity | None,
    problems: list[str],
) -> list[Plan]:
    """Plan the figure of training curves, if any cell has one."""
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
            f"thick{', as far as all seeds trained' if setting.may_stop else ''}. "
            "The axes fit what follows the first tenth of training; before it, curves may leave them."
            + (_HELD_OUT if any(curve.heldout for curve in curves.values()) else "")
            + _caption_stepless(setting)
            + (f" Shown are {choice}" if choice else "")
            + seeds,
            f"Training curves of {join_words(_name_measures(measures))} of {len(curves)} cells over "
            f"{'at most ' if setting.may_stop else ''}{setting.steps:,} steps.",
            lambda: draw_training(setting, table, curves, lead),
        )
    ]


def plan_scores_along(
    setting: Setting, table: pd.DataFrame, quantities: list[Quantity], labels: list[str], choice: str
) -> list[Plan]:
    """Plan the figure of scores at steps of the training, if there are any."""
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
            + caption_anchors(setting, scores),
            f"Curves of {', '.join(q.label for q in scores)} of {len(curves)} cells at training steps "
            f"{setting.cell['score_at']}, and at the end, {setting.steps:,}.",
            lambda: draw_scores_along(setting, table, curves, scores, lead_score(quantities)),
        )
    ]


def _name_measures(measures: list[str]) -> list[str]:
    return [describe_measure(name) for name in measures]


def _caption_measures(measures: list[str]) -> str:
    if measures == ["reconstruction", "kl"]:
        return "Reconstruction and unweighted KL"
    names = join_words(_name_measures(measures))
    return f"{names[0].upper()}{names[1:]}, each of the models that have it,"


def _caption_stepless(setting: Setting) -> str:
    """Say which models have no curve: those that took no steps here."""
    apart = say_without_steps(list_stepless(setting), [*find_elsewhere(setting)])
    return "".join(f" {sentence}" for sentence in apart)
