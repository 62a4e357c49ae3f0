"""Compare two result folders: the same cells, what changed in them, and by how much."""

from __future__ import annotations

import html
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, shown
from dis_bench.escape import visible
from dis_bench.records.cell import name_cell, plain_name
from dis_bench.records.columns import KL_PER_LATENT, find_metric
from dis_bench.records.record import read_records
from dis_bench.records.schema import Record
from dis_bench.reports.words import count_things, list_words
from dis_bench.requirements import names_missing_packages

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-6
MOST_NAMED = 5  # cells in one line

# Keys of a cell's identity that follow from versions and machines: cells may differ in them.
_CODE = (
    *("dataset_version", "model_version", "network_version", "fingerprint", "recipe", "codes"),
    *("precision", "kernels"),
)
_AT = " at step "  # between a score and a step of the training
_COLUMNS = ("cell", "quantity", "first", "second", "change", "beyond")


@dataclass(frozen=True)
class Comparison:
    """The differences between the same cells of two result folders.

    Attributes:
        table: a row for each cell and quantity that both have: ``cell``, ``quantity``, ``first``, ``second``,
            ``change`` (second - first), and ``beyond``, whether it is larger than the tolerance.
        cells: number of cells in both.
        only_first, only_second: labels of cells in one folder only.
        tolerance: the largest allowed change: absolute up to 1, and relative to the larger number above.
        notes: sentences on versions, protocols, metrics and outcomes that differ.
        outcomes: labels of cells that finished in one folder and failed in the other, or for which a metric
            gave a score in one only.
        problems: a sentence for each record that could not be read.
    """

    table: pd.DataFrame
    cells: int
    only_first: list[str]
    only_second: list[str]
    tolerance: float
    notes: list[str]
    outcomes: list[str]
    problems: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """True for a change beyond the tolerance, a failure in one folder, or damage."""
        return bool(self.outcomes) or bool(self.problems) or bool(self.table["beyond"].any())

    def __str__(self) -> str:
        return "\n".join(_describe(self))

    def _repr_html_(self) -> str:
        """Return the text, for a notebook."""
        return f"<pre>{html.escape(visible(str(self)))}</pre>"


@names_missing_packages
def compare(first: str | Path, second: str | Path, tolerance: float = TOLERANCE) -> Comparison:
    """Compare the cells that two result folders have in common.

    Cells are the same if they agree in everything but versions, precision and kernels. Durations are not
    compared, and neither are scores of different protocols.

    Args:
        first: a result folder.
        second: another.
        tolerance: the largest change to accept: absolute for numbers up to 1, relative for larger ones.

    Raises:
        InputError: a folder has no results, or they have no cell in common.
    """
    import pandas as pd

    is_number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
    if not is_number or not 0 <= tolerance < math.inf:
        raise InputError(f"tolerance must be a number of at least 0, but {shown(tolerance)} was given.")
    problems: list[str] = []
    sides = [_read(folder, problems) for folder in (first, second)]
    pairs, only = _match(*sides)
    if not pairs:
        raise InputError(f"'{first}' and '{second}' have no cell in common.")
    rows: list[tuple[Any, ...]] = []
    differing: dict[str, None] = {}
    outcomes = []
    for one, other in pairs:
        label = name_cell(one["cell"])
        if one["status"] != other["status"]:
            outcomes.append(f"{label} ({one['status']}, {other['status']})")
        outcomes += [f"{label}: {lost}" for lost in _list_lost(one, other)]
        values = [_list_values(record) for record in (one, other)]
        for name in values[0]:
            if name in values[1] and _is_comparable(name, one, other, differing):
                rows.append((label, name, *_change(values[0][name], values[1][name], tolerance)))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    notes = [*_compare_environments(pairs), *differing, *_compare_columns(pairs)]
    first_only, second_only = ([name_cell(record["cell"]) for record in some] for some in only)
    return Comparison(table, len(pairs), first_only, second_only, float(tolerance), notes, outcomes, problems)


def _read(folder: str | Path, problems: list[str]) -> list[Record]:
    records, found = read_records(folder)
    if not records:
        raise InputError(f"the folder '{folder}' holds no readable results: {found[0]}")
    problems += found
    return records


def _match(
    first: list[Record], second: list[Record]
) -> tuple[list[tuple[Record, Record]], list[list[Record]]]:
    """Pair equal cells, then those that differ only in code and arithmetic.

    A cell that agrees with several others is left out of the second step.

    Returns:
        The pairs, and the cells of each side that have no partner.
    """
    pairs, left = [], [first, second]
    for key in (lambda record: record["hash"], _identify):
        keyed = [_by_key(some, key) for some in left]
        both = [one for one in keyed[0] if one in keyed[1]]
        pairs += [(keyed[0][one], keyed[1][one]) for one in both]
        done = {id(record) for pair in pairs for record in pair}
        left = [[record for record in some if id(record) not in done] for some in left]
    return pairs, left


def _by_key(records: Iterable[Record], key: Any) -> dict[str, Record]:
    """Return records by key, without those whose key another one shares."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[key(record)].append(record)
    return {name: some[0] for name, some in found.items() if len(some) == 1}


def _identify(record: Record) -> str:
    cell = {name: value for name, value in record["cell"].items() if name not in _CODE}
    return json.dumps({**cell, "dataset": plain_name(cell["dataset"])}, sort_keys=True)


def _list_lost(one: Record, other: Record) -> Iterable[str]:
    """Yield the scores that are there on one side and failed on the other."""
    for which, here, there in (("first", one, other), ("second", other, one)):
        yield from (f"no {name} in the {which}" for name in _list_failed(here, there))
        for step, point in here.get("scores_at", {}).items():
            against = there.get("scores_at", {}).get(step)
            if against is not None:
                yield from (
                    f"no {name} at step {int(step):,} in the {which}" for name in _list_failed(point, against)
                )


def _list_failed(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterable[str]:
    """Yield the metrics, and scores on other images, that failed here alone."""
    for name in here["unscored"]:
        if any(name in there[kind] and name not in here[kind] for kind in ("protocol", "scores")):
            yield name


def _list_values(record: Record) -> dict[str, float]:
    measures = {name: value for name, value in record["evaluation"].items() if name != KL_PER_LATENT}
    along = {
        f"{name}{_AT}{step}": value
        for step, point in record.get("scores_at", {}).items()
        for name, value in point["scores"].items()
    }
    return {**measures, **record["scores"], **along}


def _change(first: float, second: float, tolerance: float) -> tuple[float, float, float, bool]:
    change = second - first
    return first, second, change, abs(change) > tolerance * max(1.0, abs(first), abs(second))


def _is_comparable(name: str, one: Record, other: Record, notes: dict[str, None]) -> bool:
    """Return False for a score with different parameters, and note it."""
    if _AT in name:
        name, step = name.split(_AT)
        one, other = one["scores_at"][step], other["scores_at"][step]
    metric = find_metric(name, one["protocol"])
    if metric is None or name not in one["scores"] or metric not in other["protocol"]:
        return True
    used = [{k: v for k, v in side["protocol"][metric].items() if k != "version"} for side in (one, other)]
    if used[0] == used[1]:
        return True
    keys = [key for key in {**used[0], **used[1]} if used[0].get(key) != used[1].get(key)]
    changes = ", ".join(f"{key} {used[0].get(key)} → {used[1].get(key)}" for key in keys)
    notes[f"{metric} is not compared, as its protocol differs: {changes}."] = None
    return False


def _compare_environments(pairs: list[tuple[Record, Record]]) -> list[str]:
    """Write a sentence on the versions and settings that differ."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for pair in pairs:
        for side, record in enumerate(pair):
            for name, text in _list_versions(record):
                found[name][side].add(text)
    scored = _list_scored(pairs)
    changes = [
        f"{name} {_join(one)} → {_join(other)}"
        for name, (one, other) in found.items()
        if one != other and (name not in scored or (one and other))
    ]
    return [f"Different: {'; '.join(changes)}."] if changes else []


def _list_scored(pairs: list[tuple[Record, Record]]) -> set[str]:
    """Return the names of the versions of all metrics, which one side may lack."""
    return {f"{name} version" for pair in pairs for record in pair for name in record["protocol"]}


def _list_versions(record: Record) -> Iterable[tuple[str, str]]:
    left_out = ("threads", "stack", "unwatched")
    for name, value in record["environment"].items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {key}", str(one)) for key, one in value.items() if name not in left_out)
        elif name not in left_out:
            yield name, str(value)
    cell = record["cell"]
    yield from ((name, str(cell[name])) for name in _CODE if name in cell and name != "codes")
    yield from ((f"{name} version", str(used.get("version"))) for name, used in record["protocol"].items())


def _join(texts: set[str]) -> str:
    return " or ".join(sorted(texts)) or "none"


def _compare_columns(pairs: list[tuple[Record, Record]]) -> list[str]:
    """Write a sentence on the quantities that cells have in one folder alone."""
    sentences = []
    for which, side in (("first", 0), ("second", 1)):
        found = Counter(
            name
            for pair in pairs
            for name in _list_values(pair[side]).keys() - _list_values(pair[1 - side]).keys()
        )
        names = [
            name if count == len(pairs) else f"{name} (of {count_things(count, 'cell')})"
            for name, count in sorted(found.items())
        ]
        if names:
            sentences.append(f"Only in the {which}: {', '.join(names)}.")
    return sentences


def _describe(found: Comparison) -> Iterable[str]:
    """Yield the lines of a comparison, at most 110 characters wide where names allow."""
    first, second = len(found.only_first), len(found.only_second)
    both = count_things(found.cells, "cell")
    yield f"{both} in both; {first:,} only in the first, {second:,} only in the second."
    for which, labels in (("first", found.only_first), ("second", found.only_second)):
        if labels:
            yield f"  only in the {which}: {list_words(labels, '; ', MOST_NAMED)}"
    for label in found.outcomes:
        yield f"  another outcome: {label}"
    yield ""
    if len(found.table):
        width = max(map(len, found.table["quantity"]))
        yield f"{'':{width}}  {'cells':>6} {'beyond':>7} {'largest change':>15} {'mean change':>12}  in"
        for name, some in found.table.groupby("quantity", sort=False):
            largest = some.loc[some["change"].abs().idxmax()]
            where = largest["cell"] if largest["change"] else "-"
            beyond, mean = int(some["beyond"].sum()), some["change"].mean()
            numbers = f"{len(some):>6,} {beyond:>7,} {largest['change']:>+15.3g} {mean:>+12.3g}"
            yield f"{name:{width}}  {numbers}  {where}"
        yield ""
    yield from found.problems
    yield from found.notes
    changed = dict.fromkeys(found.table.loc[found.table["beyond"], "quantity"])
    yield (
        f"Beyond the tolerance of {found.tolerance:g}: {', '.join(changed)}."
        if changed
        else f"No change is beyond the tolerance of {found.tolerance:g}."
    )
