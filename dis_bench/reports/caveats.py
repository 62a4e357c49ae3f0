"""Caveats of results: sentences that a reader must know before trusting the numbers."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.records.cell import PUBLISHED_STEPS, plain_name
from dis_bench.records.columns import split_images
from dis_bench.records.schema import ACTIVE_VARIANCE, ENCODER, LACKS_FACTORS, Record
from dis_bench.registry import known
from dis_bench.reports.anchors import count_factors, find_contradicted
from dis_bench.reports.declared import Declared
from dis_bench.reports.headline import say_without_steps
from dis_bench.reports.ordering import MIN_SEEDS, chance
from dis_bench.reports.problems import gather_problems
from dis_bench.reports.provenance import list_counts
from dis_bench.reports.quantities import Quantity, find_quantities
from dis_bench.reports.saturation import NO_GAP
from dis_bench.reports.settings import Setting, find_elsewhere, list_stepless, split_settings
from dis_bench.reports.words import count_things, list_words

if TYPE_CHECKING:
    import pandas as pd

FEW_SEEDS = 10
ORDERED = 10_000  # steps before which the order of configurations changed (docs/running.md, "Budgets")

# Entries of a record's environment that affect numbers and are not versions of packages.
_MACHINE = ("device", "precision", "kernels", "instructions")


_list = partial(list_words, separator="; ", most=6)

_SHORT_OF_TOP = 0.05  # share of the scale; a perfect code that misses more of it deserves a caveat


def find_caveats(
    records: list[Record],
    problems: list[str] | tuple[str, ...] = (),
    anchors: list[dict[str, Any]] | None = None,
    settings: list[Setting] | None = None,
) -> list[str]:
    """List the caveats of a set of results, the most important first.

    Args:
        records: records from the store.
        problems: a sentence for each record or file that could not be read.
        anchors: anchors from :func:`dis_bench.reports.anchors.gather_anchors`.
        settings: settings of these records, if they were computed before.
    """
    if settings is None:
        settings = split_settings(records, anchors)
    by_hash = {record["hash"]: record for record in records}
    declared = [Declared(by_hash[cell] for cell in setting.cells["hash"]) for setting in settings]
    return [
        *_limit(_failures(settings), "reasons why cells failed"),
        *_limit(gather_problems(problems), "records or files that cannot be read"),
        *_limit(_unscored(settings, records), "reasons why metrics gave no score"),
        *_small(records),
        *_left_out(settings, records),
        *_changed_protocols(settings),
        *_seeds(settings),
        *_budgets(settings),
        *_stops(settings),
        *_mixtures(settings, records),
        *_sources(settings, declared),
        *_ceilings(settings, declared),
        *_contradicted(settings, declared, anchors or []),
        *_indifferent(settings, declared),
        *_metrics(settings, declared),
        *_inactive(settings),
    ]


# A page lists at most this many caveats of a kind, and counts the others.
_MOST_ALIKE = 20


def _limit(caveats: Iterable[str], kind: str) -> Iterator[str]:
    """Yield the first caveats of a kind, and how many more there are."""
    every = list(caveats)
    yield from every[:_MOST_ALIKE]
    if len(every) > _MOST_ALIKE:
        yield f"There are {len(every) - _MOST_ALIKE:,} more {kind}."


def _failures(settings: list[Setting]) -> Iterator[str]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for setting in settings:
        for _, cell in setting.cells[setting.cells["status"] == "failed"].iterrows():
            reasons[cell["failure"]].append(_name(setting, cell))
    for reason, named in reasons.items():
        cells = list(dict.fromkeys(named))  # a cell that takes no steps may belong to several settings
        verb = "cell failed and is" if len(cells) == 1 else "cells failed and are"
        yield f"{len(cells)} {verb} in no mean: {_list(cells)}. Reason: {reason.rstrip('.')}."


def _unscored(settings: list[Setting], records: list[Record]) -> Iterator[str]:
    """Yield the metrics that gave finished cells no score, by their reason."""
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    impossible: dict[str, dict[str, None]] = defaultdict(dict)
    declared = Declared(records)
    for record in records:
        unscored = record.get("unscored")
        for name, reason in unscored.items() if isinstance(unscored, dict) else ():
            metric = declared.label_of(name)
            if str(reason).startswith(LACKS_FACTORS):
                impossible[str(reason).removeprefix("it ").rstrip(".")][metric] = None
            else:
                reasons[metric, str(reason)].append(record["hash"])
    for reason, metrics in impossible.items():
        yield f"Left empty: {', '.join(metrics)}. Each {reason}."
    if not reasons:
        return
    names = {
        cell["hash"]: _name(setting, cell) for setting in settings for _, cell in setting.cells.iterrows()
    }
    for (metric, reason), cells in reasons.items():
        count = count_things(len(cells), "cell")
        named = _list([names[cell] for cell in cells])
        yield f"{metric} gave no score of {count}: {named}. Reason: {reason.rstrip('.')}."


def _left_out(settings: list[Setting], records: list[Record]) -> Iterator[str]:
    """Yield the metrics that leave out most codes of some configurations."""
    labels = {cell["hash"]: cell["label"] for setting in settings for _, cell in setting.cells.iterrows()}
    found: dict[str, dict[tuple[str, int], list[int]]] = defaultdict(lambda: defaultdict(list))
    declared, by_hash = Declared(records), {record["hash"]: record for record in records}
    for name, label in labels.items():
        record = by_hash[name]
        width = record["cell"]["latent_size"] or math.prod(record["images"]["shape"])  # as wide as images
        configuration = label, width
        for metric, count in record.get("left_out", {}).items():
            found[declared.label_of(metric)][configuration].append(count)
    for metric, counts in found.items():
        cells = [
            f"{label} ({' to '.join(map(str, sorted({min(some), max(some)})))} of {width})"
            for (label, width), some in counts.items()
        ]
        yield f"{metric} leaves out most codes of {_list(cells)}, which hardly vary."


def _small(records: list[Record]) -> Iterator[str]:
    """Yield the scores from fewer images than their protocols need, by dataset."""
    small: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for record in records:
        for score in record.get("small", []):
            small[plain_name(record["cell"]["dataset"]), split_images(score)[1] == "heldout"].add(score)
    for (dataset, are_held), scores in small.items():
        few = "holds out" if are_held else "has"
        yield (
            f"{dataset} {few} fewer images than the published protocol reads: {', '.join(sorted(scores))} "
            "are comparable only with scores of equally many images."
        )


def _changed_protocols(settings: list[Setting]) -> Iterator[str]:
    """Yield the parameters of installed metrics that differ from their defaults."""
    changed: dict[str, None] = {}
    for setting in settings:
        for metric, used in setting.protocol.items():
            changed |= dict.fromkeys(_list_changes(metric, used))
    if changed:
        yield f"Not scored with the published protocol: {'; '.join(changed)}."


def _list_changes(metric: str, used: dict[str, Any]) -> list[str]:
    if metric not in known("metrics"):
        return []
    try:
        defaults = known("metrics")[metric].load().parameters
    except (InputError, AttributeError):  # it cannot be imported here, or is a plain function
        return []
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}
    return [f"{metric} {name}={used[name]}" for name in plain if name in used and used[name] != plain[name]]


def _seeds(settings: list[Setting]) -> Iterator[str]:
    # by its cells, as one that takes no steps may belong to several settings
    found = {
        frozenset(cells): len(cells)
        for setting in settings
        for _, cells in setting.done.groupby("label")["hash"]
    }
    counts = list(found.values())
    if not counts:
        return
    if max(counts) == 1:
        yield "Every configuration has one seed: the spread over seeds is unknown, no ordering is claimed."
    elif min(counts) < MIN_SEEDS:
        few = sum(count < MIN_SEEDS for count in counts)
        yield (
            f"{few} of {len(counts)} configurations {'has' if few == 1 else 'have'} fewer than {MIN_SEEDS} "
            "finished seeds: no ordering is claimed that involves them."
        )
    judged = [count for count in counts if count >= MIN_SEEDS]
    fewest = min(judged, default=FEW_SEEDS)
    if fewest < FEW_SEEDS:
        more = " or more" if max(judged) > fewest else ""
        yield (
            f"The spread is that of {fewest} seeds{more}, which is a rough estimate: with {fewest} seeds "
            f"each, two configurations that do not differ pass the ordering rule in about "
            f"{chance(fewest):.0%} of comparisons (normal scores of equal variance), and this page makes "
            "many comparisons."
        )


def _budgets(settings: list[Setting]) -> Iterator[str]:
    trained = {setting.steps for setting in settings if setting.steps is not None}
    steps = sorted(count for count in trained if 0 < count < PUBLISHED_STEPS)
    if steps:
        counts = " and ".join(f"{count:,}" for count in steps)
        stepless = dict.fromkeys(name for setting in settings for name in list_stepless(setting))
        elsewhere = dict.fromkeys(name for setting in settings for name in find_elsewhere(setting))
        apart = "".join(f" {sentence}" for sentence in say_without_steps([*stepless], [*elsewhere]))
        most = "at most " if any(setting.may_stop for setting in settings) else ""
        turning = (
            f" In studies scored along the training, the ranking of configurations still changed before "
            f"{ORDERED:,} steps, and in some scores after that (docs/running.md)."
            if steps[0] < ORDERED
            else ""
        )
        yield (
            f"Training ran for {most}{counts} steps, fewer than the {PUBLISHED_STEPS:,} of the "
            "published study (Locatello et al. 2019): losses and scores may still be changing, and are not "
            f"comparable with its figures.{turning}{apart}"
        )


def _stops(settings: list[Setting]) -> Iterator[str]:
    """Yield a sentence on trainings that ended early, or kept earlier weights."""
    records = {hash_: record for setting in settings for hash_, record in setting.records.items()}
    ended = [r for r in records.values() if r["status"] == "done" and "stopped_at" in r.get("adapted", {})]
    stopped = [r["adapted"]["stopped_at"] for r in ended]
    scored = [r["adapted"].get("scored_at", r["adapted"]["stopped_at"]) for r in ended]
    fewer = sum(at < r["cell"]["steps"] for at, r in zip(scored, ended, strict=True))
    if fewer:
        early = sum(at < r["cell"]["steps"] for at, r in zip(stopped, ended, strict=True))
        yield (
            f"With --early-stop, trainings took {_range(stopped)} steps ({early} of {len(ended)} ended "
            f"early). The weights that are scored are those after {_range(scored)} steps, when the "
            "reconstruction of held-out images was best."
        )


def _range(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _mixtures(settings: list[Setting], records: list[Record]) -> Iterator[str]:
    sources: dict[str, set[str]] = defaultdict(set)
    fingerprints: dict[tuple[str, str], set[str]] = defaultdict(set)
    for setting in settings:
        dataset, source = plain_name(setting.cell["dataset"]), setting.cell["source"]
        sources[dataset].add(source)
        fingerprints[dataset, source].add(setting.cell["fingerprint"])
    for dataset, found in sources.items():
        if len(found) > 1:
            names = ", ".join(sorted(found))
            yield f"{dataset} comes from {len(found)} sources ({names}), which are never mixed in a mean."
    for (dataset, source), prints in fingerprints.items():
        if len(prints) > 1:
            yield f"{dataset} ({source}) has {len(prints)} fingerprints: its pixels differ between cells."
    if len(settings) > 1:
        yield (
            f"These results fall into {len(settings)} settings (another dataset, source, network, budget or "
            "protocol makes another): numbers of one must not be ranked against another's."
        )
    here = [record for record in records if record["cell"].get("kind") != ENCODER]
    for name in ("dis_bench", "python", "torch", "numpy", "scikit-learn", *_MACHINE):
        some = here if name in _MACHINE else records  # an encoder was trained elsewhere, on whatever it was
        values = Counter(str(record.get("environment", {}).get(name, "unknown")) for record in some)
        if len(values) > 1:
            what = name if name in _MACHINE else f"versions of {name}"
            counts = list_counts(values)
            yield f"Cells were made with different {what}: {counts}."
    moved = sum("earlier" in record.get("environment", {}) for record in here)
    if moved:
        yield (
            f"{moved} {'cells were' if moved > 1 else 'cell was'} stopped and trained further on other "
            "hardware or with other versions, which round differently."
        )


def _sources(settings: list[Setting], declared: list[Declared]) -> Iterator[str]:
    """Yield the caveats of the datasets, for the sources of these images."""
    pairs = [
        (plain_name(setting.cell["dataset"]), said.caveat_of(setting.cell["dataset"], setting.cell["source"]))
        for setting, said in zip(settings, declared, strict=True)
    ]
    yield from dict.fromkeys(caveat for _, caveat in sorted(pairs) if caveat)


def _metrics(settings: list[Setting], declared: list[Declared]) -> Iterator[str]:
    """Yield the caveats of the metrics."""
    said = [_ask_metrics(*both) for both in zip(settings, declared, strict=True)]
    yield from dict.fromkeys(caveat for each in said for one in each if (caveat := one.get("caveat", "")))


def _ask_metrics(setting: Setting, declared: Declared) -> list[Mapping[str, Any]]:
    dataset = setting.cell["dataset"]
    return [declared.of_metric(metric, dataset, used) for metric, used in setting.protocol.items()]


def _ceilings(settings: list[Setting], declared: list[Declared]) -> Iterator[str]:
    """Yield the scores whose top a perfect code does not reach, by dataset.

    Settings of a dataset with the same scores share a sentence.
    """
    sentences: dict[tuple[str, str], None] = {}
    for setting, said in zip(settings, declared, strict=True):
        ceilings = list(_list_ceilings(setting, said))
        if ceilings:
            sentences[plain_name(setting.cell["dataset"]), ", ".join(ceilings)] = None
    for dataset, listed in sentences:
        yield (
            f"Not every scale can be reached: on {dataset}, with the protocol used here, a perfect code (the "
            f"factors themselves) scores {listed}. Read these scores against that, not against the top of "
            "their scale."
        )


def _list_ceilings(setting: Setting, declared: Declared) -> Iterator[str]:
    """Yield each score of a perfect code below the top, as measured or declared."""
    known: dict[str, float] = {}
    for said in _ask_metrics(setting, declared):
        known |= said.get("perfect", {})
    scores = dict.fromkeys([*setting.anchors, *known])
    for score in find_quantities(setting.done, scores, declared):
        measured = setting.anchors.get(score.name)
        perfect = known.get(score.name, math.nan) if measured is None else measured.perfect
        if score.is_score and _is_short_of_top(score, perfect):
            yield f"{score.label} {'about ' if measured is None else ''}{score.format(perfect)}"


def _is_short_of_top(score: Quantity, perfect: float) -> bool:
    if score.range is None or score.better != "higher":
        return False
    bottom, top = score.range
    return perfect < top - _SHORT_OF_TOP * (top - bottom)  # False if the top is infinite: inf - inf is nan


def _contradicted(
    settings: list[Setting], declared: list[Declared], anchors: list[dict[str, Any]]
) -> Iterator[str]:
    """Yield the metrics whose anchors contradict each other, by dataset."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for setting, said in zip(settings, declared, strict=True):
        factors = count_factors(setting.records.values())
        for metric in find_contradicted(anchors, setting.cell, setting.protocol, factors):
            found[plain_name(setting.cell["dataset"])][said.label_of(metric)] = None
    for dataset, metrics in found.items():
        yield (
            f"What a perfect code and noise score on {dataset} in {', '.join(metrics)} is not shown: several "
            "anchors contradict each other, as happens after the factors of a dataset have changed."
        )


def _indifferent(settings: list[Setting], declared: list[Declared]) -> Iterator[str]:
    """Yield the scores in which noise reaches a perfect code, by dataset."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for setting, said in zip(settings, declared, strict=True):
        for score in find_quantities(setting.done, dict.fromkeys(setting.anchors), said):
            anchor = setting.anchors.get(score.name)
            if anchor is None or score.better != "higher" or not anchor.chance >= anchor.perfect - NO_GAP:
                continue
            found[plain_name(setting.cell["dataset"])][f"{score.label} ({score.format(anchor.perfect)})"] = (
                None
            )
    for dataset, scores in found.items():
        yield (
            f"On {dataset}, noise scores as high as a perfect code in {', '.join(scores)}, so these scores "
            "cannot tell codes apart there; some metrics compare factors, and need two or more."
        )


def _inactive(settings: list[Setting]) -> Iterator[str]:
    silent = []
    for setting in settings:
        if "active_latents" in setting.done:
            for _, cell in setting.done[setting.done["active_latents"] == 0].iterrows():
                silent.append(_name(setting, cell))
    silent = list(dict.fromkeys(silent))
    if silent:
        count = "1 cell has" if len(silent) == 1 else f"{len(silent)} cells have"
        yield (
            f"{count} no active latent (one whose mean code varies by more than {ACTIVE_VARIANCE:g}), so "
            f"that scores there say nothing about disentanglement: {_list(silent)}."
        )


def _name(setting: Setting, cell: pd.Series) -> str:
    return f"{plain_name(setting.cell['dataset'])}, {cell['label']}, seed {cell['seed']}"
