"""Saturation: scores whose top a baseline reaches, so that they tell no models apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dis_bench.reports.best import choose_best_rows, say_sample
from dis_bench.reports.ordering import MIN_SEEDS, Sample, compare
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting
from dis_bench.reports.words import join_words, list_words

if TYPE_CHECKING:
    import pandas as pd

NO_GAP = 1e-6  # between the scores of a perfect code and of noise
SATURATED = 0.95  # share of the way from noise to a perfect code from which a score is called saturated


@dataclass(frozen=True)
class Ends:
    """The ends of a score's scale, as far as they can be reached.

    Attributes:
        bottom, top: the scores of noise and of a perfect code; where they are unknown, the ends of the
            declared range, the worse and the better one.
        is_measured: True for the scores of noise and of a perfect code.
    """

    bottom: float
    top: float
    is_measured: bool

    def share(self, value: float) -> float:
        """Return how far a value is on the way from the bottom to the top."""
        return (value - self.bottom) / (self.top - self.bottom)


@dataclass(frozen=True)
class AgainstBaselines:
    """A score of baselines and of the other models.

    Attributes:
        score: the score.
        ends: the ends of its scale; None if they are unknown.
        baselines: the best configuration of each baseline and its values, the best first.
        best: the best configuration of the other models and its values; None if there is none.
        verdict: by the ordering rule, ``better`` if it is better than every baseline with enough seeds,
            ``worse`` if the best of these is better than it, else empty.
    """

    score: Quantity
    ends: Ends | None
    baselines: list[tuple[str, Sample]]
    best: tuple[str, Sample] | None
    verdict: str = ""

    @property
    def judged(self) -> list[tuple[str, Sample]]:
        """Return the baselines with enough seeds for the ordering rule, the best first."""
        return [(label, sample) for label, sample in self.baselines if sample.n >= MIN_SEEDS]

    @property
    def unjudged(self) -> list[tuple[str, Sample]]:
        """Return the baselines with too few seeds for the ordering rule, the best first."""
        return [(label, sample) for label, sample in self.baselines if sample.n < MIN_SEEDS]

    @property
    def saturating(self) -> list[tuple[str, Sample]]:
        """Return the baselines whose mean reaches the top."""
        if self.ends is None:
            return []
        return [(label, s) for label, s in self.baselines if self.ends.share(s.mean) >= SATURATED]


def compare_with_baselines(
    setting: Setting, table: pd.DataFrame, quantities: list[Quantity]
) -> list[AgainstBaselines]:
    """Compare the models of a setting with its baselines, score by score.

    Args:
        setting: names its baselines, and has the scores of a perfect code and of noise.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those for which the setting has values.

    Returns:
        An entry for each score that has a direction, and a value of a baseline.
    """
    is_baseline = table["model_name"].isin(setting.baselines)
    found = []
    for score in quantities:
        if not (score.is_score and score.better):
            continue
        baselines = _list_best(table[is_baseline], score)
        others = _list_best(table[~is_baseline], score)
        if baselines:
            one = AgainstBaselines(score, find_ends(setting, score), baselines, others[0] if others else None)
            found.append(replace(one, verdict=_judge(one)))
    return found


def find_ends(setting: Setting, score: Quantity) -> Ends | None:
    """Return the ends of a score's scale, or None if they are unknown or coincide."""
    anchor, sign = setting.anchors.get(score.name), -1 if score.better == "lower" else 1
    if anchor is not None and sign * (anchor.perfect - anchor.chance) > NO_GAP:
        return Ends(anchor.chance, anchor.perfect, True)
    if score.range is None or not all(map(math.isfinite, score.range)):
        return None
    worst, best = score.range[::sign]
    return Ends(worst, best, False) if worst != best else None


def _list_best(table: pd.DataFrame, score: Quantity) -> list[tuple[str, Sample]]:
    rows = choose_best_rows(table, score)
    return [(str(row["label"]), Sample.of(row, score)) for _, row in rows.iterrows()]


def _judge(one: AgainstBaselines) -> str:
    if one.best is None or not one.judged:
        return ""
    best, baselines = one.best[1], [sample for _, sample in one.judged]
    if all(_is_better(best, baseline, one.score) for baseline in baselines):
        return "better"
    return "worse" if _is_better(baselines[0], best, one.score) else ""


def _is_better(sample: Sample, other: Sample, score: Quantity) -> bool:
    change = compare(other, sample)
    return change.claimed and (change.difference > 0) == (score.better == "higher")


def name_saturated(compared: list[AgainstBaselines]) -> dict[str, str]:
    """Return the saturated scores by column, with the baselines that saturate them."""
    return {
        one.score.name: list_words([label for label, _ in one.saturating])
        for one in compared
        if one.saturating
    }


def say_baselines(compared: list[AgainstBaselines]) -> tuple[str, list[str]]:
    """Say which scores baselines saturate, and in which no model is better.

    Returns:
        A summary that continues a sentence, and further sentences.
    """
    saturated = [one for one in compared if one.saturating]
    known = [one for one in compared if one.ends is not None]
    named = [one.score.label for one in saturated]
    if saturated:
        verb = "is" if len(saturated) == 1 else "are"
        summary = f"{list_words(named)} {verb} saturated: a baseline reaches {_name_share(saturated)}."
    elif known:
        summary = f"no baseline saturates a score: none reaches {_name_share(known)}."
    else:
        summary = "it is unknown whether a baseline saturates a score: none has a known scale."
    return summary, [*map(_say_saturated, saturated), *_say_unbeaten(compared)]


def _name_share(known: list[AgainstBaselines]) -> str:
    """Say from which share of their scales these scores are called saturated."""
    ways = {one.ends.is_measured: None for one in known if one.ends is not None}
    words = {True: "of the way from noise to a perfect code", False: "of the score's scale"}
    where = " or, where these are unknown, " if len(ways) > 1 else ""
    return f"{SATURATED:.0%} {where.join(words[is_measured] for is_measured in sorted(ways, reverse=True))}"


def _say_saturated(one: AgainstBaselines) -> str:
    assert one.ends is not None
    told = list_words([_name(labelled, one.score) for labelled in one.saturating], "; ")
    bottom, top = one.score.format(one.ends.bottom), one.score.format(one.ends.top)
    scale = (
        f"noise scores {bottom} and a perfect code {top}"
        if one.ends.is_measured
        else f"its scale runs from {bottom} to {top}, and what a perfect code scores is unknown"
    )
    return f"{one.score.label} is saturated by {told}: {scale}. It says little about which model is better."


def _say_unbeaten(compared: list[AgainstBaselines]) -> list[str]:
    """Say in which scores the best other model is better than the baselines."""
    few = {label: None for one in compared for label, _ in one.unjudged}
    every = f"every baseline with {MIN_SEEDS} seeds or more" if few else "every baseline"
    better = [one.score.label for one in compared if one.verdict == "better"]
    sentences = [f"The best other model is better than {every} in {join_words(better)}."] if better else []
    for one in compared:
        if one.best is not None and one.judged and one.verdict != "better":
            baseline, best = (_name(labelled, one.score) for labelled in (one.judged[0], one.best))
            sentences.append(
                f"{one.score.label}: the baseline {baseline} is better than the best other model, {best}."
                if one.verdict == "worse"
                else f"{one.score.label}: the best other model, {best}, cannot be called better than "
                f"{every}; the best of these is {baseline}."
            )
    if few:
        has, them = ("has", "it") if len(few) == 1 else ("have", "them")
        sentences.append(
            f"{list_words(list(few))} {has} fewer than {MIN_SEEDS} seeds: "
            f"no ordering is claimed against {them}.{_say_unjudged(compared)}"
        )
    return sentences


def _say_unjudged(compared: list[AgainstBaselines]) -> str:
    """Name the scores in which a baseline with too few seeds has a better mean."""
    ahead = [
        f"{one.score.label}, {_name(one.unjudged[0], one.score)}"
        for one in compared
        if one.best is not None and one.unjudged and _is_ahead(one.unjudged[0][1], one.best[1], one.score)
    ]
    return f" Better means than the best other model's: {list_words(ahead, '; ')}." if ahead else ""


def _is_ahead(sample: Sample, other: Sample, score: Quantity) -> bool:
    return sample.mean > other.mean if score.better == "higher" else sample.mean < other.mean


def _name(labelled: tuple[str, Sample], score: Quantity) -> str:
    return f"{labelled[0]} ({say_sample(labelled[1], score)})"
