"""The state of a result folder: what is done, failed, running and left, and for how long."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dis_bench.errors import InputError
from dis_bench.records import claims
from dis_bench.records.checkpoint import NAME as CHECKPOINT
from dis_bench.records.checkpoint import read_checkpoint
from dis_bench.records.curves import FILE as CURVES
from dis_bench.records.curves import read_last_step
from dis_bench.records.plans import read_plans
from dis_bench.records.record import check_exists, find_cells, is_written, read_newest
from dis_bench.records.schema import Record, is_pending

Kind = tuple[str, str, int]  # dataset, model, steps


@dataclass(frozen=True)
class Running:
    """A cell that a live process has claimed.

    Attributes:
        name: name of the cell's folder.
        owner: the process, in words.
        seconds: seconds since it claimed the cell; None if unknown.
        step: the last step in the cell's log; 0 before the first row.
        steps: steps of its training; None if no plan has the cell.
        scoring: True if it was trained before, and lacks only scores.
        folder: the folder of the claim.
        together: number of cells that the process trains at a time, as a stack.
    """

    name: str
    owner: str
    seconds: float | None
    step: int
    steps: int | None
    scoring: bool
    folder: Path
    together: int

    @property
    def share(self) -> float:
        """The share of the training that is done."""
        if self.scoring:
            return 1.0
        return min(1.0, self.step / self.steps) if self.steps else 0.0


@dataclass
class Status:
    """The state of a result folder.

    Attributes:
        planned: cells of all studies that were started, by name.
        done: cells that have a result, and that nobody works on.
        failed: reasons of the cells that failed, and that nobody works on, by name.
        running: cells that live processes have claimed.
        stopped: cells that nobody works on, and that will go on from a checkpoint.
        unscored: cells that are trained, and that nobody works on; the next run scores them.
        left: planned cells that were neither finished nor begun. Of cells that differ only in what ``auto``
            chose for different machines, one has to be done.
        seconds: estimated seconds until all is done with as many processes as now, or with one; None if
            nothing was measured yet.
        problems: a sentence for each file that could not be read.
    """

    planned: dict[str, Kind] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    seconds: float | None = None
    problems: list[str] = field(default_factory=list)


def read_status(path: str | Path) -> Status:
    """Read the state of a result folder, without changing anything in it.

    Args:
        path: the ``--out`` folder of one or more runs.

    Raises:
        InputError: there is no such folder, or no study was ever started in it.
    """
    root = check_exists(path)
    plans, problems = read_plans(root)
    status = Status(problems=problems)
    anywhere: dict[str, str] = {}
    for plan in plans:
        for cell in plan["cells"]:
            status.planned[cell["folder"]] = (cell["dataset"], cell["model"], cell["steps"])
            if "anywhere" in cell:
                anywhere.setdefault(cell["folder"], cell["anywhere"])
            else:  # its precision was asked for
                anywhere[cell["folder"]] = cell["folder"]
    records = _read_cells(root, status)
    if not plans and not records:
        raise InputError(f"no study was started in '{root}'; start one with `dis-bench run --out {root}`.")
    work = claims.find_work(root / "unfinished")
    records += _read_unplaced(work, status)
    _find_work(root, work, status)
    _leave_out_twins(status, anywhere)
    status.seconds = _estimate(status, records)
    return status


def _read_cells(root: Path, status: Status) -> list[Record]:
    """Read the newest record of each cell, and sort the cells into done and failed."""
    records = []
    for folder in find_cells(root):
        record = read_newest(folder, status.problems)
        if record is None:
            continue
        records.append(record)
        _sort(record, folder.name, status)
    return records


def _read_unplaced(work: Mapping[str, list[Path]], status: Status) -> list[Record]:
    """Read the cells that killed runs finished, and the next run moves in place."""
    records = []
    present = {*status.done, *status.unscored, *status.failed}
    for name, folders in work.items():
        read = (read_newest(folder, []) for folder in folders if is_written(folder))
        record = None if name in present else next(filter(None, read), None)
        if record is not None and name.endswith(record["hash"]):
            records.append(record)
            _sort(record, name, status)
    return records


def _sort(record: Record, name: str, status: Status) -> None:
    if record["status"] == "failed":
        status.failed[name] = record["failure"]["reason"]
    else:
        (status.unscored if is_pending(record) else status.done).append(name)


def _find_work(root: Path, work: Mapping[str, list[Path]], status: Status) -> None:
    """Find the cells that are claimed, stopped and left."""
    now = time.time()
    owners = claims.find_owners(root / "unfinished", now=now)
    trained = {*status.done, *status.unscored}
    scoring = {
        name for name, owner in owners.items() if name in trained and not (owner.folder / CURVES).exists()
    }
    training = Counter(owner.process for name, owner in owners.items() if name not in scoring)
    for name, owner in sorted(owners.items()):
        since = owner.since()
        kind = status.planned.get(name)
        status.running.append(
            Running(
                name,
                owner=str(owner),
                seconds=None if since is None else max(0.0, now - since),
                step=read_last_step(owner.folder),
                steps=None if kind is None else kind[2],
                scoring=name in scoring,
                folder=owner.folder,
                together=training[owner.process],
            )
        )
    status.done = [name for name in status.done if name not in owners]
    status.unscored = [name for name in status.unscored if name not in owners]
    status.failed = {name: reason for name, reason in status.failed.items() if name not in owners}
    begun = {
        name for name, folders in work.items() if any((folder / CHECKPOINT).exists() for folder in folders)
    }
    known = {*status.done, *status.unscored, *status.failed, *owners}
    for name in status.planned:
        if name not in known:
            (status.stopped if name in begun else status.left).append(name)


def _leave_out_twins(status: Status, anywhere: Mapping[str, str]) -> None:
    """Leave out planned cells that another machine does in its own precision.

    Each task of an array job plans all cells for its own machine, and does its part of them.

    Args:
        status: the state, which changes.
        anywhere: by name of each planned cell, what is the same on every machine.
    """
    left, status.left = status.left, []
    known = {anywhere[name] for name in anywhere.keys() - {*left}}
    for name in left:
        if anywhere[name] in known:
            del status.planned[name]
        else:
            status.left.append(name)
        known.add(anywhere[name])


def _estimate(status: Status, records: list[Record]) -> float | None:
    """Estimate the seconds that are left, from the cells that are done or at work."""
    costs = _Costs(records, status.running, status.planned)
    total = sum(costs.of_scoring(status.planned[name]) for name in status.unscored if name in status.planned)
    for name in (*status.left, *status.stopped, *status.failed):
        if name in status.planned:
            cost = costs.of(status.planned[name])
            if cost is None:
                return None
            total += cost
    ends = [0.0]  # seconds until each of the running cells is done
    is_unknown = False
    for one in status.running:
        if one.scoring:  # what it lacks takes little, as far as is known
            continue
        kind = status.planned.get(one.name)
        cost = None if kind is None else costs.of(kind)
        if kind is None or cost is None:
            is_unknown = True
        else:
            ends.append(max(cost * (1 - one.share), costs.of_scoring(kind)))
    if is_unknown and not any((total, *ends)):
        return None
    return max(max(ends), (total + sum(ends)) / max(1, len(status.running)))


class _Costs:
    """Seconds of training and scoring a cell, by its kind."""

    def __init__(self, records: list[Record], running: list[Running], planned: Mapping[str, Kind]) -> None:
        found: dict[Kind, list[float]] = defaultdict(list)
        scored: dict[Kind, list[float]] = defaultdict(list)
        for record in records:
            seconds = _spent(record, as_stack=bool(running))
            if seconds is not None and "steps" in record["cell"]:
                cell = record["cell"]
                done = cell["dataset"], cell["model"], cell["steps"]
                found[done].append(seconds)
                if not is_pending(record):
                    scored[done].append(_spent_scoring(record))
        for one in running:
            kind = planned.get(one.name)
            if kind is not None and kind not in found and not one.scoring:
                seconds = _measure(one)
                if seconds is not None:
                    found[kind].append(seconds)
        self._means = {kind: sum(some) / len(some) for kind, some in found.items()}
        self._scoring = {kind: sum(some) / len(some) for kind, some in scored.items()}

    def of(self, kind: Kind) -> float | None:
        """Return the mean of a kind, else scaled from others by steps; None if unknown."""
        if kind in self._means:
            return self._means[kind]
        alike = {other: mean for other, mean in self._means.items() if bool(other[2]) == bool(kind[2])}
        if not alike:
            return None if kind[2] else 0.0  # a model without steps takes seconds
        return sum(alike.values()) * (
            kind[2] / sum(steps for _, _, steps in alike) if kind[2] else 1 / len(alike)
        )

    def of_scoring(self, kind: Kind) -> float:
        """Return the mean seconds of scoring a kind, else of all others; 0 if unknown."""
        means = self._scoring
        return means[kind] if kind in means else sum(means.values()) / max(1, len(means))


def _spent_scoring(record: Mapping[str, Any]) -> float:
    return float(record["timing"].get("score_seconds") or 0.0)


def _spent(record: Mapping[str, Any], as_stack: bool) -> float | None:
    """Return the seconds that a finished cell took.

    Args:
        record: its record.
        as_stack: whether a cell of a stack counts with the seconds of the whole stack, for which it is
            claimed, rather than with its share.
    """
    timing = record["timing"]
    if record["status"] != "done" or "train_seconds" not in timing:
        return None
    cells = record["environment"].get("stack", {}).get("cells", 1) if as_stack else 1
    return cells * float(timing["train_seconds"]) + _spent_scoring(record)


def _measure(one: Running) -> float | None:
    """Estimate the seconds of a training that is under way; None before a row.

    The checkpoint has the seconds of all its steps, also of those before it was resumed from.
    """
    if not one.steps or not one.share:
        return None
    state = read_checkpoint(one.folder, one.name.rpartition("-")[2]) or {}
    if state.get("step") and state.get("seconds"):
        return float(one.together * one.steps * state["seconds"] / state["step"])
    return one.seconds / one.share if one.seconds else None
