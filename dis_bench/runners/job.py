"""Run one cell from beginning to end: train, encode, score, and write its record."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dis_bench import registry
from dis_bench.datasets.dataset import Dataset
from dis_bench.records.cell import Cell
from dis_bench.records.checkpoint import discard_checkpoint, set_checkpoint_aside
from dis_bench.records.claims import Claim, ClaimLost
from dis_bench.records.codes import FILE as CODES
from dis_bench.records.codes import read_codes
from dis_bench.records.curves import FILE as CURVES
from dis_bench.records.durable import remove, sync_files
from dis_bench.records.parts import keep_also, list_codes, list_kept
from dis_bench.records.record import FILE as RECORD
from dis_bench.records.record import write_record
from dis_bench.records.schema import PARTS, PENDING, SCHEMA, Record, is_pending, stamp
from dis_bench.records.seal import digest_kept
from dis_bench.records.store import Store
from dis_bench.runners.device import describe_environment
from dis_bench.runners.failures import GivenUp, explain_failure, may_pass
from dis_bench.runners.planning.study_code import StudyCode
from dis_bench.runners.scoring.earlier import keep_earlier_scores
from dis_bench.runners.scoring.lacking import lacking_metrics, lacking_scores
from dis_bench.runners.space import check_space, measure_cell
from dis_bench.runners.stages import (
    Emit,
    Manner,
    Tell,
    TrainedCell,
    explain_damage,
    keep,
    read_scored_codes,
    score,
    score_along,
    train_cells,
)
from dis_bench.runners.training.log import Progress
from dis_bench.runners.training.trainee import Trainee, prepare

# The keys of a record that scoring changes, and those of the parts that are kept.
_CHANGED = ("scores", "protocol", "unscored", "scores_at", "files", "keep")


@dataclass(frozen=True)
class Job:
    """A cell to run.

    Attributes:
        cell: the cell.
        scores_only: True if it was trained before, and lacks only some scores.
        before: result of :func:`identify` for the record to replace; if the cell has another one, a run has
            done it since the job was planned, and only scores may be lacking.
        anew: whether to train it from the beginning, even if there is a checkpoint.
        earlier: record whose scores the new one keeps, of a cell that is trained again for lack of its codes.
    """

    cell: Cell
    scores_only: bool = False
    before: str = ""
    anew: bool = False
    earlier: Record | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Pipeline:
    """The shared parts of a study's jobs, in each worker; calling it runs one job.

    Args:
        store: the store of records.
        datasets: datasets by the name that the cells use, which training moves to the device.
        models: what to load for each name that the cells use: the name itself, or ``path/file.py:Class``.
        networks: likewise.
        metrics: likewise, the metrics to score.
        device: ``cpu`` or ``cuda``.
        command: the command that the user typed, for the record.
        code: code of the plug-ins at the time of planning.
        parameters: parameters of metrics that differ from the defaults.
        allow_small: whether protocols are reduced to the images that a dataset has.
        protocols: version and parameters of each metric, by dataset.
        manner: options of the training.
        parts: parts of each finished cell to keep.
        unscorable: by dataset, the reason for each metric that it has no factors for.
    """

    store: Store
    datasets: dict[str, Dataset]
    models: dict[str, str]
    networks: dict[str, str]
    metrics: dict[str, str]
    device: str
    command: str
    code: StudyCode = field(default_factory=StudyCode)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    allow_small: bool = False
    protocols: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    manner: Manner = field(default_factory=Manner)
    parts: tuple[str, ...] = PARTS
    unscorable: dict[str, dict[str, str]] = field(default_factory=dict)

    def __call__(self, job: Job, emit: Emit) -> Record | None:
        """Run one job, and return its record; None if another live run has the cell.

        The record is in the store when this returns. A failure is a record too, which is returned even if it
        could not be written.
        """
        try:
            claim = self.store.claim(job.cell)
            if claim is None:
                return None
            with claim, registry.keeping_code():
                return self._do(job, claim, emit)
        except ClaimLost:
            return None
        except (Exception, SystemExit) as error:
            return self.describe_failure(job.cell, error)

    def _do(self, job: Job, claim: Claim, emit: Emit) -> Record:
        cell = job.cell

        def tell(what: Progress | str) -> None:
            if claim.lost:
                raise ClaimLost
            emit((cell, what))

        if job.scores_only:
            return self._score_again(cell, claim, tell)
        done = self.find_done(job)
        if done is not None:
            return done if self.is_complete(done, cell) else self._score_again(cell, claim, tell)
        if job.anew:
            discard_checkpoint(claim.folder)

        def make() -> Record:
            trainee = self.prepare(cell)
            check_space(claim.folder, measure_cell(trainee))
            [trained] = train_cells([trainee], [claim.folder], lambda event: tell(event[1]), self.manner)
            record = self._keep(job, trained, claim, self.begin_record(cell), tell)
            return self._score_trained(record, claim, tell)

        return self.finish(cell, claim, make)

    def prepare(self, cell: Cell) -> Trainee:
        """Build a cell's model, networks and dataset on the device, for training.

        Raises:
            CodeChanged: the code of its model, networks or dataset has changed since planning.
        """
        self.code.check(cell)
        return prepare(cell, self.models, self.datasets, self.device, self.networks)

    def keep(self, job: Job, trained: TrainedCell, claim: Claim, tell: Tell, stack: dict[str, Any]) -> Record:
        """Encode with a cell that was trained in a stack; return its unscored record.

        Args:
            job: the cell's job.
            trained: the cell.
            claim: claim on the cell; its folder holds the log.
            tell: called with each stage.
            stack: description of the stack for the record.

        Raises:
            ClaimLost, NotPlaced, OSError: as for :meth:`finish`.
        """
        cell = trained.trainee.cell
        record = self.begin_record(cell)
        record["environment"]["stack"] = stack
        record["dial"] = trained.trainee.model.dial
        return self.finish(cell, claim, lambda: self._keep(job, trained, claim, record, tell), record)

    def _keep(self, job: Job, trained: TrainedCell, claim: Claim, record: Record, tell: Tell) -> Record:
        """Keep a trained cell, with the parts and scores that it had; return its record."""
        earlier = [] if job.earlier is None else list_kept(job.earlier)
        parts = {*self.parts, *earlier}
        return keep_earlier_scores(keep(trained, claim.folder, record, tell, parts), job.earlier)

    def finish(
        self, cell: Cell, claim: Claim, make: Callable[[], Record], record: Record | None = None
    ) -> Record:
        """Make a record, move it with the claim's folder into the store, and return it.

        An error in making the record is not raised, but recorded as a failure.

        Args:
            cell: the cell.
            claim: claim on the cell.
            make: function that returns the record.
            record: the other content of a record of a failure.

        Raises:
            ClaimLost: another process has taken over the cell; nothing was written.
            NotPlaced: the folder is complete, but could not be moved into place.
            OSError: the record could not be written.
        """
        try:
            made = make()
        except ClaimLost:
            raise
        except (Exception, SystemExit) as error:  # a plug-in may raise anything; the other cells continue
            claim.check()  # if the folder is gone, the error only follows from that
            made = {**(record or self.begin_record(cell)), "failure": explain_failure(error)}
            if may_pass(error):
                set_checkpoint_aside(claim.folder, self.store.unfinished / cell.folder)
        self._write(cell, claim, made)
        return made

    def _write(self, cell: Cell, claim: Claim, record: Record) -> None:
        dropped = self._list_dropped(record, cell)
        if record["failure"]:  # first, since there may be no space left on the disk
            (claim.folder / RECORD).unlink(missing_ok=True)  # which lists files that are removed next
            _remove_all_but((CURVES,), claim.folder)
        try:
            sync_files(claim.folder)
            kept = digest_kept(claim.folder, dropped)
            write_record(claim.folder, {**record, "files": kept}, replace=True)
        except OSError:  # the next run moves a folder that was complete except for scores into place
            claim.release()
            raise
        _remove_all_but((*kept, RECORD), claim.folder)  # after the record that no longer lists them
        self.store.place(claim, cell.folder)

    def _list_dropped(self, record: Record, cell: Cell) -> list[str]:
        """List the files of codes that a cell is not to keep, once it has all scores."""
        if "codes" in list_kept(record) or self.list_lacking(record, cell):
            return []
        return list_codes(record)

    def _score_trained(self, record: Record, claim: Claim, tell: Tell) -> Record:
        """Write an unscored record, so that a kill loses no training; return it scored."""
        sync_files(claim.folder)
        metrics = self._choose_metrics(record, record["cell"]["dataset"])
        pending = {**record["unscored"], **dict.fromkeys(metrics, PENDING)}
        write_record(claim.folder, {**record, "unscored": pending}, replace=True)
        codes = read_scored_codes(record, claim.folder)
        record = score(record, codes, metrics, self.parameters, self.allow_small, tell)
        return self._score_along(record, claim.folder, tell)

    def _choose_metrics(self, scored: Record, dataset: str) -> dict[str, str]:
        """Return the metrics to score here that a cell lacks, at one step or at the end."""
        lacking = lacking_scores(scored, self.protocols.get(dataset, {}))
        return {name: self.metrics[name] for name in lacking if name in self.metrics}

    def _score_along(self, record: Record, folder: Path, tell: Tell, old: Record | None = None) -> Record:
        """Add the scores that a record lacks at steps of the training."""

        def choose(point: Record) -> dict[str, str]:
            return self._choose_metrics(point, record["cell"]["dataset"])

        def read(file: str) -> dict[str, Any]:
            return read_codes(folder, record=old, file=file)

        return score_along(record, read, choose, self.parameters, self.allow_small, tell)

    def is_complete(self, record: Record, cell: Cell) -> bool:
        """Return True for a failure, and for a cell that lacks no score of this study."""
        return record["status"] == "failed" or not self.list_lacking(record, cell)

    def list_lacking(self, record: Record, cell: Cell) -> list[str]:
        """List the metrics of this study whose scores a record lacks."""
        return lacking_metrics(record, self.protocols[cell.dataset])

    def find_done(self, job: Job) -> Record | None:
        """Return the record of a cell that another run has done since the job was planned."""
        found = self.store.find(job.cell)
        return found if found is not None and identify(found) != job.before else None

    def give_up(self, job: Job, reason: str) -> Record | None:
        """Record that a job killed its workers; None if another live run has the cell."""

        def fail() -> Record:
            raise GivenUp(reason)

        try:
            claim = self.store.claim(job.cell)
            if claim is None:
                return None
            with claim:
                if job.scores_only or self.find_done(job) is not None:
                    raise GivenUp(f"{reason}, while it was scored; its training is kept")
                return self.finish(job.cell, claim, fail)
        except ClaimLost:
            return None
        except Exception as error:
            return self.describe_failure(job.cell, error)

    def describe_failure(self, cell: Cell, error: BaseException) -> Record:
        """Return the record of a failure that is not written to the store."""
        record = {**self.begin_record(cell), "failure": explain_failure(error)}
        return {**record, "folder": str(self.store.folder(cell))}

    def _score_again(self, cell: Cell, claim: Claim, tell: Tell) -> Record:
        """Add the scores that a finished cell lacks, from the codes that were kept.

        They are written to a further record, which keeps the environment of the training and adds that of the
        scoring. Only a record whose first scoring was interrupted is completed in place.
        """
        old = self.store.find(cell)
        if old is None:
            raise FileNotFoundError(errno.ENOENT, "the record was removed", str(self.store.folder(cell)))
        record = {name: value for name, value in old.items() if name != "folder"}
        folder = self.store.folder(cell)
        metrics = self._choose_metrics(record, cell.dataset)
        try:
            codes = read_scored_codes(record, folder, old)
        except Exception as error:  # a damaged file may cause any exception
            reason = explain_damage(CODES, error)
            record["unscored"] = {**record["unscored"], **dict.fromkeys(metrics, reason)}
        else:
            record = score(record, codes, metrics, self.parameters, self.allow_small, tell)
        record = self._score_along(record, folder, tell, old)
        if "codes" in self.parts and cell.latent_size:  # none of them has been removed so far
            record = keep_also(record, "codes")
        dropped = self._list_dropped(record, cell)
        record["files"] = {name: digest for name, digest in record["files"].items() if name not in dropped}
        if is_pending(old):
            claim.check()
            write_record(folder, record, replace=True)
        elif any(record.get(name) != old.get(name) for name in _CHANGED):
            record["rescored"] = {
                "command": self.command,
                "environment": self._describe_environment(cell),
                "created": stamp(),
            }
            sources = self.code.gather_sources(cell, metrics).get("metrics", {})
            if sources:
                before = record.get("sources", {})
                record["sources"] = {**before, "metrics": {**before.get("metrics", {}), **sources}}
            claim.check()
            write_record(folder, record)
        for name in dropped:  # after the record that no longer lists them
            (folder / name).unlink(missing_ok=True)
        return record

    def begin_record(self, cell: Cell) -> Record:
        """Return the record of a cell before training, with the status ``failed``."""
        beta = cell.hyperparameters.get("beta")
        beta = beta if isinstance(beta, (int, float)) and cell.dataset in self.datasets else None
        pixels = 1 if beta is None else math.prod(self.datasets[cell.dataset].image_shape)
        return {
            "schema": SCHEMA,
            "status": "failed",  # until it is done
            "hash": cell.hash,
            "cell": cell.identity,
            # beta in units of the data (Higgins et al. 2017, sec. 4.2): comparable across image sizes
            "beta_norm": None if beta is None else beta * cell.latent_size / pixels,
            "evaluation": {},
            "scores": {},
            "protocol": {},
            "unscored": {**self.unscorable.get(cell.dataset, {})},
            "small": [],
            "timing": {},
            "failure": None,
            "environment": self._describe_environment(cell),
            "command": self.command,
            "created": stamp(),
            **({"sources": sources} if (sources := self.code.gather_sources(cell, self.metrics)) else {}),
        }

    def _describe_environment(self, cell: Cell) -> dict[str, Any]:
        machine = describe_environment(self.device, cell.precision, cell.kernels)
        return {**machine, **self.code.describe(cell, self.metrics)}


def _remove_all_but(names: Collection[str], folder: Path) -> None:
    """Remove all files of an unfinished cell except some, and its checkpoints."""
    for path in folder.iterdir():
        if path.name not in names and not path.name.startswith("checkpoint"):
            remove(path)


def identify(record: Record) -> str:
    """Return a text that identifies a record of a cell: its creation and its timing."""
    return json.dumps([record.get("created"), record["timing"]])
