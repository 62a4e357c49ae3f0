"""Settings: groups of cells that may be compared with each other.

The cells of a *setting* differ in model, hyperparameters and seed, and in nothing else. A different dataset,
source, network, budget or metric protocol makes a different setting, so that no mean, curve or ordering mixes
them. The cells of a model that takes no steps belong to every setting that they agree with otherwise; those
whose codes are as wide as images have no number of latents to agree in. An encoder that was trained elsewhere
belongs to every setting of the same images.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dis_bench.metrics.anchors import Anchor
from dis_bench.records.cell import NO_BUDGET, plain_name
from dis_bench.records.columns import SETTINGS
from dis_bench.records.schema import Record
from dis_bench.records.sorting import SortKey, sort_key
from dis_bench.records.table import tabulate
from dis_bench.reports.along import ScoreCurve, gather_score_curves
from dis_bench.reports.anchors import count_factors, match_anchors
from dis_bench.reports.configurations import add_schedules, canonical, format_value, name_cells
from dis_bench.reports.declared import Declared
from dis_bench.reports.words import count_things

if TYPE_CHECKING:
    import pandas as pd

# These may differ within a setting.
_VARIED = ("model", "model_version", "hyperparameters", "schedules", "seed", "codes")
_ARITHMETIC = ("precision", "kernels")  # affects the last digits; titles name it only if it differs

# The columns that all cells of a setting share, for tables of several settings.
SHARED = tuple(name for name in SETTINGS if name not in (*_VARIED, *_ARITHMETIC))


@dataclass(frozen=True)
class Setting:
    """Cells that may be compared.

    Attributes:
        title: a title that distinguishes it from the other settings.
        slug: the same for file names; unique.
        cell: the identity keys that its cells share.
        protocol: protocol of each metric, as recorded.
        cells: one row per cell, with the store's columns and the names of
            :func:`dis_bench.reports.configurations.name_cells`, in their order.
        anchors: by score, the scores of a perfect code and of noise on the same images with the same
            protocol, if they are known.
        notes: notes that legends add to the name of a model, by :func:`plain_name`.
        baselines: the labels of the models that say that they are baselines.
        score_curves: scores during training, by the hash of their cell, for cells that have some.
        records: the cells' records by hash, with their folders.
        declared: the declarations of plug-ins, first of all those of these records: another version of a
            metric, which makes another setting, may have declared another direction or range.
    """

    title: str
    slug: str
    cell: dict[str, Any]
    protocol: dict[str, dict[str, Any]]
    cells: pd.DataFrame
    anchors: dict[str, Anchor] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    score_curves: dict[str, ScoreCurve] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    declared: Declared = field(default_factory=Declared)

    @property
    def steps(self) -> int | None:
        """Steps of its cells that take any; None for encoders trained elsewhere."""
        return self.cell.get("steps")

    @property
    def may_stop(self) -> bool:
        """True if its trainings may end early: ``steps`` are then the most."""
        return may_stop(self.cell)

    @property
    def done(self) -> pd.DataFrame:
        """The cells that finished."""
        return self.cells[self.cells["status"] == "done"]


def split_settings(records: list[Record], anchors: list[dict[str, Any]] | None = None) -> list[Setting]:
    """Group cells into settings, sorted by dataset, source and steps.

    Args:
        records: from the store.
        anchors: from :func:`dis_bench.reports.anchors.gather_anchors`.
    """
    records = list({record["hash"]: record for record in records}.values())
    parts = [part for group in _group(records) for part in _split_protocols(group)]
    parts.sort(key=_order)
    titles = _titles(parts)
    slugs = _unique([_slug(part[0]["cell"]) for part in parts])
    names, every = _model_names(records), Declared(records)
    settings = []
    for title, slug, part in zip(titles, slugs, parts, strict=True):
        cell, protocol, declared = _shared(part[0]), _protocol(part), every.prefer(part)
        found = match_anchors(anchors or [], cell, protocol, count_factors(part))
        notes = {plain_name(model): declared.note_of(model) for model in {r["cell"]["model"] for r in part}}
        labels = _label(part, names)
        cells, curves = _tabulate(part, labels), gather_score_curves(part)
        baselines = tuple(
            sorted({labels[r["hash"]] for r in part if declared.is_baseline(r["cell"]["model"])})
        )
        given = {record["hash"]: record for record in part}
        settings.append(
            Setting(title, slug, cell, protocol, cells, found, notes, baselines, curves, given, declared)
        )
    return settings


def _group(records: list[Record]) -> list[list[Record]]:
    """Group cells that share everything but what varies in a setting.

    Cells that took no steps have no budget to differ in: they follow the trained cells in every group that
    agrees with them otherwise, and form groups of their own only if there is none.
    """
    encoders = [record for record in records if "kind" in record["cell"]]
    records = [record for record in records if "kind" not in record["cell"]]
    trained: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if is_trained(record["cell"]):
            trained[canonical(_shared(record))].append(record)
    groups = defaultdict(list)
    for group in trained.values():
        groups[canonical(_without_budget(group[0]))].append(group)
    stepless = [record for record in records if not is_trained(record["cell"])]
    for record in sorted(stepless, key=_is_wide):  # wide ones last, which join any width
        if _is_wide(record):
            narrow = canonical(_without_latents(record))
            found = [some for some in groups.values() if canonical(_without_latents(some[0][0])) == narrow]
        else:
            found = []
        found = found or [groups[canonical(_without_budget(record))]]
        for alike in found:
            alike += [] if alike else [[]]
            for group in alike:
                group.append(record)
    return _add_encoders([group for alike in groups.values() for group in alike], encoders)


def _add_encoders(groups: list[list[Record]], encoders: list[Record]) -> list[list[Record]]:
    """Add encoders to all groups of the same images, or else to groups of their own."""
    own: dict[str, list[Record]] = defaultdict(list)
    for record in encoders:
        beside = [group for group in groups if _images(group[0]) == _images(record)]
        for group in beside or [own[canonical(_shared(record))]]:
            group.append(record)
    return groups + [group for group in own.values() if group]


def _images(record: Record) -> list[Any]:
    return [record["cell"][name] for name in ("dataset", "source", "fingerprint")]


def _is_wide(record: Record) -> bool:
    """Return whether a cell's codes are as wide as images."""
    return record["cell"].get("latent_size") == 0


def _without_latents(record: Record) -> dict[str, Any]:
    return {name: value for name, value in _without_budget(record).items() if name != "latent_size"}


def is_trained(cell: Mapping[str, Any]) -> bool:
    """Return False for a cell whose model takes no steps."""
    return cell.get("steps") != 0


def may_stop(cell: Mapping[str, Any]) -> bool:
    """Return True for a cell whose training may end before its last step."""
    return cell.get("early_stop", "none") != "none"


def find_elsewhere(setting: Setting) -> dict[str, dict[str, Any]]:
    """Find the encoders that were trained elsewhere, beside cells trained here.

    Returns:
        An identity of each, by the label of its model; nothing in a setting of encoders alone.
    """
    if setting.steps is None:
        return {}
    names = zip(setting.cells["hash"], setting.cells["model_name"], strict=True)
    kept = {str(name): setting.records[hash_]["cell"] for hash_, name in names if hash_ in setting.records}
    return {name: cell for name, cell in kept.items() if "kind" in cell}


def list_stepless(setting: Setting) -> list[str]:
    """List the models of a setting's finished cells that take no steps, by label."""
    if setting.steps is None:
        return []
    done = setting.done
    return [str(name) for name in done.loc[done["steps"] == 0, "model_name"].unique()]


def list_wide(setting: Setting) -> list[str]:
    """List the models of a setting whose codes are as wide as images, by label."""
    cells = setting.cells
    if "latent_size" not in cells:
        return []
    return [str(name) for name in cells.loc[cells["latent_size"] == 0, "model_name"].unique()]


# Keys of settings that a model without steps lacks, whatever the study's are.
_OF_STEPS = (*NO_BUDGET, "score_at", "clip_norm", "lr_schedule", "early_stop")


def _without_budget(record: Record) -> dict[str, Any]:
    return {name: value for name, value in _shared(record).items() if name not in _OF_STEPS}


def _shared(record: Record) -> dict[str, Any]:
    shared = {name: value for name, value in record["cell"].items() if name not in _VARIED}
    if "kind" in shared:
        return shared
    steps = ", ".join(map(str, shared.get("score_at", [])))
    absent = {"holdout": 0.0, "clip_norm": "none", "lr_schedule": "none", "early_stop": "none"}
    absent |= dict.fromkeys(("dataset_parameters", "holdout_rule", "correlate"), "none")
    return {**absent, **shared, "score_at": steps or "none"}


def _split_protocols(records: list[Record]) -> list[list[Record]]:
    """Separate cells that scored the same metric in different ways.

    A cell that lacks a metric (it failed, or was scored before the metric was requested) does not conflict
    with others over it: it joins the largest part that agrees in all metrics that it has.
    """
    alike: dict[str, list[Record]] = defaultdict(list)
    protocols: dict[str, dict[str, str]] = {}
    for record in records:
        comparable = _comparable(_recorded(record))
        used = {metric: canonical(parameters) for metric, parameters in comparable.items()}
        alike[canonical(used)].append(record)
        protocols[canonical(used)] = used
    parts: list[tuple[dict[str, str], list[Record]]] = []
    # those with most metrics first, which decide the parts; then the larger groups
    for key in sorted(alike, key=lambda key: (-len(protocols[key]), -len(alike[key]))):
        used = protocols[key]
        agreeing = [part for part in parts if all(part[0].get(m, used[m]) == used[m] for m in used)]
        if agreeing:
            known, cells = max(agreeing, key=lambda part: len(part[1]))
            known |= used
            cells += alike[key]
        else:
            parts.append(({**used}, [*alike[key]]))
    places = {record["hash"]: place for place, record in enumerate(records)}  # trained cells come first
    return [sorted(cells, key=lambda record: places[record["hash"]]) for _, cells in parts]


def _recorded(record: Record) -> dict[str, dict[str, Any]]:
    return {metric: used for metric, used in record.get("protocol", {}).items() if used is not None}


def _protocol(records: list[Record]) -> dict[str, dict[str, Any]]:
    return {metric: protocol for record in records for metric, protocol in record.get("protocol", {}).items()}


def _order(part: list[Record]) -> list[SortKey]:
    """Return the sort key of a setting: dataset, source, steps, then all else."""
    cell = _shared(part[0])
    first = [plain_name(cell["dataset"]), cell["source"], cell.get("steps")]
    others = [cell[name] for name in sorted(cell)] + [_comparable(_protocol(part))]
    return [sort_key(value) for value in first + others]


def _comparable(protocol: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        metric: {name: value for name, value in parameters.items() if name != "seed"}
        for metric, parameters in protocol.items()
    }


def _titles(parts: list[list[Record]]) -> list[str]:
    """Title settings by dataset, source and steps, and by more if titles coincide.

    Those that still coincide are numbered.
    """
    described = [(_shared(part[0]), _comparable(_protocol(part))) for part in parts]
    alike: dict[str, list[int]] = defaultdict(list)
    for number, (cell, _) in enumerate(described):
        alike[_title(cell)].append(number)
    titles = [""] * len(parts)
    for head, numbers in alike.items():
        details = _find_details([described[number] for number in numbers])
        for number, words in zip(numbers, details, strict=True):
            titles[number] = ", ".join([head, *words])
    return _unique(titles, ", no. ")


def _find_details(described: list[tuple[dict[str, Any], dict[str, dict[str, Any]]]]) -> list[list[str]]:
    """Return what distinguishes each of some settings, from their cells and protocols."""
    cells, protocols = zip(*described, strict=True)
    names = dict.fromkeys(name for cell in cells for name in cell)
    differing = [name for name in names if _differs([cell.get(name) for cell in cells])]
    used = dict.fromkeys(
        (metric, name) for protocol in protocols for metric in protocol for name in protocol[metric]
    )
    changed = [
        (metric, name)
        for metric, name in used
        if _differs([protocol[metric].get(name) for protocol in protocols if metric in protocol])
    ]
    return [
        [
            *(f"{name.replace('_', ' ')} {format_value(cell.get(name))}" for name in differing),
            *(
                f"{metric} {name} {format_value(protocol[metric][name])}"
                for metric, name in changed
                if name in protocol.get(metric, {})
            ),
        ]
        for cell, protocol in described
    ]


def _differs(values: list[Any]) -> bool:
    return len({canonical(value) for value in values}) > 1


def _title(cell: dict[str, Any]) -> str:
    most = "at most " if may_stop(cell) else ""
    steps = "no training steps" if not is_trained(cell) else f"{most}{cell.get('steps', 0):,} steps"
    trained = steps if "steps" in cell else "encoders trained elsewhere"
    chosen = {word: cell.get(key, "none") for word, key in _OF_IMAGES.items()}
    images = [f", {word} {text}" for word, text in chosen.items() if text != "none"]
    return "".join([f"{plain_name(cell['dataset'])} ({cell['source']}), {trained}", *images])


# Settings that a title always names if they are set: by the word for them, which images were trained on.
_OF_IMAGES = {"correlated": "correlate", "without": "holdout_rule"}


LONGEST_SLUG = 80  # characters: file names may be limited to 143 bytes, and contain more than this


def _slug(cell: dict[str, Any]) -> str:
    trained = f"{cell['steps']}steps" if "steps" in cell else "encoders"
    text = f"{plain_name(cell['dataset'])}-{cell['source']}-{trained}".lower()
    plain = "".join(character if character.isalnum() and character.isascii() else "-" for character in text)
    return plain[:LONGEST_SLUG]


def _unique(texts: list[str], separator: str = "-") -> list[str]:
    """Make texts unique by numbering repeated ones."""
    unique: list[str] = []
    for text in texts:
        names = itertools.chain([text], (f"{text}{separator}{number}" for number in itertools.count(2)))
        unique.append(next(name for name in names if name not in unique))
    return unique


def _model_names(records: list[Record]) -> dict[tuple[str, str], str]:
    """Label each (model, version), as briefly as unique labels allow."""
    versions = sorted({(r["cell"]["model"], str(r["cell"].get("model_version", ""))) for r in records})
    plain = Counter(plain_name(model) for model in {model for model, _ in versions})
    models = Counter(model for model, _ in versions)
    names = {}
    for model, version in versions:
        name = plain_name(model) if plain[plain_name(model)] == 1 else model
        names[model, version] = f"{name} [{version}]" if models[model] > 1 else name
    return names


def _label(part: list[Record], names: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Label the model of each cell of a setting, by hash.

    Encoders of one name may have codes of several widths beside trained cells: each width is a model of its
    own, so that no mean mixes them.
    """
    cells = {record["hash"]: record["cell"] for record in part}
    labels = {key: names[cell["model"], str(cell.get("model_version", ""))] for key, cell in cells.items()}
    widths: dict[str, set[int]] = defaultdict(set)
    for key, label in labels.items():
        widths[label].add(cells[key]["latent_size"])
    return {
        key: f"{label} [{count_things(cells[key]['latent_size'], 'latent')}]"
        if len(widths[label]) > 1
        else label
        for key, label in labels.items()
    }


def _tabulate(records: list[Record], labels: Mapping[str, str]) -> pd.DataFrame:
    cells = tabulate(records)
    by_hash = {record["hash"]: record["cell"] for record in records}
    chosen = [add_schedules(by_hash[cell]) for cell in cells["hash"]]
    return name_cells(cells, [labels[cell] for cell in cells["hash"]], chosen)
