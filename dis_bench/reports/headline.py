"""The answer in words: what raising beta costs and buys, and which model is best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dis_bench.records.cell import PUBLISHED_STEPS
from dis_bench.reports.best import choose_best_rows, find_best_models, say_best_models
from dis_bench.reports.configurations import format_dial, format_value
from dis_bench.reports.ordering import MIN_SEEDS, Change, Sample, claims_best, compare, find_best
from dis_bench.reports.quantities import Quantity, redeclare
from dis_bench.reports.saturation import compare_with_baselines, say_baselines
from dis_bench.reports.selection import rank_series
from dis_bench.reports.settings import Setting, find_elsewhere, list_stepless
from dis_bench.reports.words import list_words

if TYPE_CHECKING:
    import pandas as pd

# A setting gets at most this many answers along a dial; docs/reports.md says which.
MOST_ANSWERS = 6


@dataclass(frozen=True)
class Contrast:
    """A quantity at the smallest and the largest value of a series' dial.

    Attributes:
        quantity: the quantity that is compared.
        low, high: the quantity at the two values.
        change: from low to high.
        best: the configuration with the best mean, in words; empty if no direction is better.
    """

    quantity: Quantity
    low: Sample
    high: Sample
    change: Change
    best: str

    @property
    def text(self) -> str:
        """The change with its sign and spread: ``+0.12 ± 0.04``."""
        return self.quantity.format_change(self.change.difference, self.change.spread)

    @property
    def verdict(self) -> str:
        """The conclusion that the seeds allow, in a few words."""
        if min(self.low.n, self.high.n) < MIN_SEEDS:
            return "too few seeds"
        if not self.change.claimed:
            return "within the spread"
        rises = self.change.difference > 0
        if not self.quantity.better:
            return "rises" if rises else "falls"
        return "better" if rises == (self.quantity.better == "higher") else "worse"


@dataclass(frozen=True)
class Headline:
    """The answer for one series of a setting.

    Attributes:
        series: the model and its other varying hyperparameters; ``MODELS`` for a comparison of models.
        sentences: the answer; the first one is the shortest, and states the number of training steps.
        levels: the smallest and largest value of the dial, for the columns of ``contrasts``; else empty.
        contrasts: every quantity at these two values.
        dial: the name of the dial for readers: ``β``, or the hyperparameter's name.
        model: the model of the series; empty for other answers.
        listed: further sentences, one per score or model, which the page lists below.
    """

    series: str
    sentences: list[str]
    levels: tuple[float, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    dial: str = "β"
    model: str = ""
    listed: tuple[str, ...] = ()


MODELS = "Models compared"
EACH_SCORE = "Best model of each score"
BASELINES = "Baselines"
OTHER_DIALS = "Other dials"


def write_headlines(setting: Setting, table: pd.DataFrame, quantities: list[Quantity]) -> list[Headline]:
    """Write a setting's answers: compare its models, then the ends of each dial.

    Args:
        setting: gives the number of training steps and of failed cells.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those for which the setting has values; what its own records declare takes precedence.

    Returns:
        The comparison, if there are several models and any has several configurations; the best model of each
        score, if there are several models; which scores baselines saturate, if there are any; then at most
        :data:`MOST_ANSWERS` series with at least two finished levels, and a sentence for each other model
        with such a series. Without a comparison and a series, an answer for the setting as a whole comes
        first.
    """
    finished, quantities = table[table["n"] > 0], redeclare(quantities, setting.declared)
    if finished.empty:
        count, reasons = len(setting.cells), setting.cells["failure"].value_counts()
        failed = "the only one" if count == 1 else f"all {count}"
        most = "" if len(reasons) == 1 else f"{reasons.iloc[0]} of them: "
        return [Headline("", [f"No cell finished: {failed} failed ({most}{reasons.index[0].rstrip('.')})."])]
    names = [str(name) for name in finished["model_name"].unique()]
    elsewhere = [name for name in names if name in find_elsewhere(setting)]
    when = "Trained elsewhere" if elsewhere == names else say_when(setting.steps, setting.may_stop)
    apart = [] if elsewhere == names else say_without_steps(list_stepless(setting), elsewhere)
    whole, along = _write_answers(finished, quantities, apart)
    several = finished["model_name"].nunique() > 1
    best = find_best_models(finished, quantities) if several else []
    against = compare_with_baselines(setting, finished, quantities) if several else []
    answers = [
        *whole,
        *([_answer(EACH_SCORE, *say_best_models(best))] if best else []),
        *([_answer(BASELINES, *say_baselines(against))] if against else []),
        *along,
    ]
    return [
        replace(answer, sentences=[f"{when}, {answer.sentences[0]}", *answer.sentences[1:]])
        for answer in answers
    ]


def _answer(question: str, summary: str, listed: list[str]) -> Headline:
    return Headline(question, [summary], listed=tuple(listed))


def say_without_steps(stepless: list[str], elsewhere: list[str]) -> list[str]:
    """Say which models the number of steps does not hold for."""
    sentences = []
    if stepless:
        sentences.append(f"{list_words(stepless)} {'take' if len(stepless) > 1 else 'takes'} no steps.")
    if elsewhere:
        were = "were" if len(elsewhere) > 1 else "was"
        sentences.append(f"{list_words(elsewhere)} {were} trained elsewhere.")
    return sentences


def say_when(steps: int | None, is_most: bool = False) -> str:
    """Return the training time: ``After 1,200 of the published 300,000 steps``.

    Args:
        steps: the number of steps; None for encoders trained elsewhere.
        is_most: whether some trainings may have taken fewer.
    """
    if steps is None:
        return "Trained elsewhere"
    if steps == 0:
        return "Without training steps"
    published = f" of the published {PUBLISHED_STEPS:,}" if steps < PUBLISHED_STEPS else ""
    return f"After {'at most ' if is_most else ''}{steps:,}{published} steps"


def _write_answers(
    finished: pd.DataFrame, quantities: list[Quantity], apart: list[str]
) -> tuple[list[Headline], list[Headline]]:
    """Write the answers for the setting as a whole, and along its dials.

    Their first sentences lack the number of steps; ``apart`` says for which models it does not hold.
    """
    lead = lead_score(quantities)
    turned = [rows for _, rows in finished.groupby("series", sort=False) if rows["level"].nunique() > 1]
    ranked = rank_series(turned, lead)
    told = sorted(ranked[:MOST_ANSWERS])
    answers = [_contrast_levels(turned[number], quantities) for number in told]
    rest = _contrast_briefly([turned[n] for n in ranked[MOST_ANSWERS:]], answers, quantities)
    if len(turned) > len(answers) + len(rest):
        answers[-1].sentences.append(_count_left_out(len(turned), len(answers) + len(rest), lead))
    compared = _compare_models(finished, lead, quantities) if finished["model_name"].nunique() > 1 else []
    if not turned and not (compared and finished["model_name"].duplicated().any()):
        return [Headline("", [*_describe_without_dials(finished, quantities), *apart])], []
    if compared:
        compared += apart
    if rest:
        effects = (
            "dial of 1 more model has this effect"
            if len(rest) == 1
            else (f"dials of {len(rest)} more models have these effects")
        )
        answers.append(_answer(OTHER_DIALS, f"the {effects}.", rest))
    return [Headline(MODELS, compared)] if compared else [], answers


def _contrast_briefly(
    series: list[pd.DataFrame], answers: list[Headline], quantities: list[Quantity]
) -> list[str]:
    """Write a sentence for the best series of each model without an answer of its own.

    Args:
        series: the series without an answer, the best first.
        answers: the answers that other series have.
        quantities: as for :func:`write_headlines`.
    """
    known, sentences = {answer.model for answer in answers}, []
    for rows in series:
        model = str(rows["model_name"].iloc[0])
        if model not in known:
            known.add(model)
            answer = _contrast_levels(rows, quantities)
            sentences.append(f"{answer.series}: {answer.sentences[0]}")
    return sentences


def _count_left_out(count: int, told: int, lead: Quantity | None) -> str:
    rule = f"the best by mean {lead.label}, one of each model first" if lead else "the first in the table"
    return f"Only {told} of {count} series are described here ({rule}); the table has all."


def _compare_models(table: pd.DataFrame, lead: Quantity | None, quantities: list[Quantity]) -> list[str]:
    """Compare each model's best configuration by the leading score, if there is one."""
    if lead is None or not lead.better:
        return []
    best = choose_best_rows(table, lead)
    if len(best) < 2:
        return []
    order = best.index
    told = [f"{best.loc[row, 'label']} ({_value(Sample.of(best.loc[row], lead), lead)})" for row in order]
    sentences = [
        _say_best_model(best, lead),
        f"The best {lead.label} of each model: {list_words(told, '; ')}.",
    ]
    losses = [q for q in quantities if q.name == "reconstruction" and best["reconstruction_n"].any()]
    for loss in losses:
        samples = [(best.loc[row, "label"], Sample.of(best.loc[row], loss)) for row in order]
        told = [f"{label} ({_value(sample, loss) if sample.n else 'none'})" for label, sample in samples]
        sentences.append(f"Their reconstruction: {list_words(told, '; ')}.")
    measured = table[table[f"{lead.name}_mean"].notna()]
    fewest, most = measured["model_name"].value_counts().agg(["min", "max"])
    if most > 1:
        counted = f"{most}" if fewest == most else f"{fewest} to {most}"
        sentences.append(
            f"Each is the best of {counted} configurations, and the best of many is partly luck."
        )
    return sentences


def _say_best_model(best: pd.DataFrame, lead: Quantity) -> str:
    """Say which model may be called best, or that none may."""
    top, rivals = find_best(best, lead)
    value = _value(Sample.of(best.loc[top], lead), lead)
    if not rivals:
        return f"the best {lead.label} of {len(best)} models is that of {best.loc[top, 'label']}: {value}."
    names = list_words([best.loc[row, "model_name"] for row in rivals])
    return (
        f"the best mean of {lead.label} of {len(best)} models is that of {best.loc[top, 'label']}: {value}, "
        f"but {names} {'is' if len(rivals) == 1 else 'are'} not separated from it: no ordering claimed."
    )


def lead_score(quantities: list[Quantity]) -> Quantity | None:
    """Return the score for the first sentence: the first that leads, else the first."""
    scores = [quantity for quantity in quantities if quantity.is_score]
    return next((score for score in scores if score.leads), scores[0] if scores else None)


def _contrast_levels(rows: pd.DataFrame, quantities: list[Quantity]) -> Headline:
    rows = rows[rows["level"].notna()]
    low, high = rows.iloc[0], rows.iloc[-1]
    contrasts = []
    for quantity in quantities:
        first, second = Sample.of(low, quantity), Sample.of(high, quantity)
        if first.n and second.n:
            best = _describe_best(rows, quantity)
            contrasts.append(Contrast(quantity, first, second, compare(first, second), best))
    levels, dial = (float(low["level"]), float(high["level"])), format_dial(low["dial"])
    sentences = _sentences(levels, contrasts, dial)
    model = str(low["model_name"])
    return Headline(str(low["series"]), sentences, levels, tuple(contrasts), dial, model=model)


def _sentences(levels: tuple[float, float], contrasts: list[Contrast], dial: str) -> list[str]:
    low, high = map(format_value, levels)
    by_name = {contrast.quantity.name: contrast for contrast in contrasts}
    lead = lead_score([contrast.quantity for contrast in contrasts])
    named = [by_name[name] for name in ("reconstruction", lead.name if lead else "") if name in by_name]
    if not named:
        return [f"nothing was measured both at {dial} = {low} and at {dial} = {high}."]
    first = f"raising {dial} from {low} to {high} {_say_named(named)}"
    others = [c for c in contrasts if c.quantity.is_score and c not in named]
    return [first, *_say_others(others)]


def _say_named(named: list[Contrast]) -> str:
    """Write the continuation of "raising β from 1 to 10" in the first sentence."""
    counts = [f" ({_count_seeds(contrast)})" for contrast in named]
    is_shared = len(set(counts)) == 1
    seeds, own = (counts[0], [""] * len(named)) if is_shared else ("", counts)  # each its own if they differ
    changes = " and ".join(
        f"{contrast.quantity.label} by {_with_unit(contrast)}{n}"
        for contrast, n in zip(named, own, strict=True)
    )
    if any(min(contrast.low.n, contrast.high.n) < MIN_SEEDS for contrast in named):
        return f"changes {changes}{seeds}: too few seeds, no ordering claimed."
    pairs = list(zip(named, own, strict=True))
    claimed = " and ".join(f"{_say(contrast)}{n}" for contrast, n in pairs if contrast.change.claimed)
    noise = [(contrast, n) for contrast, n in pairs if not contrast.change.claimed]
    if not noise:
        return f"{claimed}{seeds}."
    if not claimed:
        return f"changes {changes}{seeds}: within the spread over seeds, no ordering claimed."
    [(other, n)] = noise
    rest = f"{other.quantity.label} changes by {_with_unit(other)}{n}"
    return f"{claimed}{seeds}; {rest}, within the spread over seeds: no ordering claimed."


def _say(contrast: Contrast) -> str:
    """Phrase a claimed change: ``costs 36 ± 1 nats of reconstruction``."""
    quantity, change = contrast.quantity, contrast.change
    verbs = {"better": "buys", "worse": "costs"}
    if contrast.verdict not in verbs:
        return f"changes {quantity.label} by {_with_unit(contrast)}"
    size = quantity.format_spread(abs(change.difference), change.spread)
    return f"{verbs[contrast.verdict]} {size}{quantity.suffix} of {quantity.label}"


def _with_unit(contrast: Contrast) -> str:
    return contrast.text + contrast.quantity.suffix


def _say_others(contrasts: list[Contrast]) -> list[str]:
    """Write one sentence per verdict about the other scores."""
    groups: dict[str, list[Contrast]] = {}
    for contrast in contrasts:
        groups.setdefault(contrast.verdict, []).append(contrast)
    starts = {
        "better": "Also better",
        "worse": "Worse",
        "within the spread": "Within the spread, no ordering claimed",
        "too few seeds": "The other scores",
    }
    return [
        f"{starts.get(verdict, verdict.capitalize())}: "
        + ", ".join(f"{contrast.quantity.label} ({contrast.text})" for contrast in group)
        + "."
        for verdict, group in groups.items()
    ]


def _count_seeds(contrast: Contrast) -> str:
    low, high = contrast.low.n, contrast.high.n
    if low == high:
        return "1 seed each" if low == 1 else f"{low} seeds each"
    return f"{low} and {high} seeds"


def _describe_best(rows: pd.DataFrame, quantity: Quantity) -> str:
    """Return ``β = 4``, plus ``, not separated from 10`` if the rule says so."""
    best, rivals = find_best(rows, quantity)
    if best is None:
        return ""
    text = f"{format_dial(rows.loc[best, 'dial'])} = {format_value(float(rows.loc[best, 'level']))}"
    if len(rivals) > 3:
        text += f", not separated from {len(rivals)} others"
    elif rivals:
        text += ", not separated from " + ", ".join(
            format_value(float(rows.loc[row, "level"])) for row in sorted(rivals)
        )
    return text


def _describe_without_dials(table: pd.DataFrame, quantities: list[Quantity]) -> list[str]:
    """Describe the only configuration, or the best of several without a dial."""
    lead = lead_score(quantities)
    told = [q for q in quantities if q.name == "reconstruction" or q is lead]
    if not told:
        return ["nothing was measured that could be compared."]
    if len(table) == 1:
        row = table.iloc[0]
        samples = [(q, Sample.of(row, q)) for q in told]
        counts = ["1 seed" if sample.n == 1 else f"{sample.n} seeds" for _, sample in samples]
        is_shared = len(set(counts)) == 1
        values = " and ".join(
            f"{q.label} {_value(sample, q)}{'' if is_shared else f' ({count})'}"
            for (q, sample), count in zip(samples, counts, strict=True)
        )
        seeds = f" ({counts[0]})" if is_shared else ""
        return [f"{row['label']} reaches {values}{seeds}. One configuration: nothing to compare."]
    told.sort(key=lambda quantity: quantity is not lead)  # readers ask for the score first
    return [_say_best("The" if number else "the", table, q) for number, q in enumerate(told)]


def _say_best(article: str, table: pd.DataFrame, quantity: Quantity) -> str:
    """Say which configuration is best; within a sentence, ``article`` is "the"."""
    best, rivals = find_best(table, quantity)
    if best is None:
        return f"{article} configurations have no order in {quantity.label}: no direction is better."
    label = table.loc[best, "label"]
    value = _value(Sample.of(table.loc[best], quantity), quantity)
    if claims_best(table, quantity) is not None:
        return f"{article} best {quantity.label} is that of {label}: {value}."
    others = table[f"{quantity.name}_mean"].count() - 1
    return (
        f"{article} best mean of {quantity.label} is that of {label}: {value}; "
        f"{_say_rivals(len(rivals), others)}, no ordering claimed."
    )


def _say_rivals(rivals: int, others: int) -> str:
    """Say how many of the others that have a value are not separated."""
    if not others:
        return "no other configuration has a value"
    if others == 1:
        return "the other configuration is not separated from it"
    are = "is" if rivals == 1 else "are"
    return f"{rivals} of {others} other configurations {are} not separated from it"


def _value(sample: Sample, quantity: Quantity) -> str:
    return quantity.format_spread(sample.mean, sample.std) + quantity.suffix
