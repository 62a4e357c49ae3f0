"""One cell from beginning to end: train, encode, score, and the record of it."""

from __future__ import annotations

import copy
import errno
import io
import json
import math
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dis_bench import registry
from dis_bench.datasets.dataset import Dataset
from dis_bench.nn.compiled import KernelsFailed
from dis_bench.records.cell import Cell
from dis_bench.records.claims import Claim, ClaimLost
from dis_bench.records.durable import explain, remove, sync_files
from dis_bench.records.kept import read_arrays
from dis_bench.records.schema import SCHEMA
from dis_bench.records.store import NotPlaced, Record, Store, write_record
from dis_bench.runners.device import computing, describe_environment
from dis_bench.runners.scoring.evaluation import Evaluation, evaluate
from dis_bench.runners.scoring.pictures import save_pictures
from dis_bench.runners.scoring.scores import score_cell
from dis_bench.runners.space import check_space, measure_cell
from dis_bench.runners.study_code import CodeChanged, StudyCode
from dis_bench.runners.training.loop import Progress, TrainingDiverged
from dis_bench.runners.training.ready import ReadyCell, prepare

Emit = Callable[[tuple[Cell, Progress | str]], None]
Tell = Callable[[Progress | str], None]

PENDING = "its scoring was interrupted, and the next run goes on with it"  # until it is scored

_KEPT = ("codes.npz", "pictures.npz", "weights.pt")


class GivenUp(RuntimeError):
    """A job whose worker processes were killed; the message says how."""


@dataclass(frozen=True)
class Job:
    """A cell to do.

    Attributes:
        cell: which.
        scores_only: it was trained before, and lacks only some scores.
        before: what :func:`identify` gives of the record that is to be replaced; any other was written
            since the job was planned, by another run, and there is nothing left to do.
    """

    cell: Cell
    scores_only: bool = False
    before: str = ""


@dataclass(frozen=True)
class Pipeline:
    """Does one job after another; the same for each cell of a study, and in each worker.

    Args:
        store: where records go.
        datasets: by the name that the cells use; moved to the device by whoever trains.
        models: what to load for each name that the cells use: itself, or ``path/file.py:Class``.
        networks: likewise.
        metrics: likewise, the metrics to score.
        device: ``cpu`` or ``cuda``.
        command: what the user typed, for the record.
        code: behind the plug-ins, as it was planned.
        parameters: of metrics, where they differ from the defaults.
        allow_small: whether protocols are cut to the images that a dataset has.
        protocols: version and parameters of each metric, by dataset.
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

    def __call__(self, job: Job, emit: Emit) -> Record | None:
        """Do one job, and return its record; None if another live run has the cell.

        The record is in the store when this returns. A failure is a record too; one that could not be
        written is returned all the same.
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
            is_whole = done["status"] == "failed" or not self.list_lacking(done, cell)
            return done if is_whole else self._score_again(cell, claim, tell)
        with self.recording(cell, claim) as record:
            ready = self.prepare(cell)
            check_space(claim.folder, measure_cell(ready))
            seconds = ready.train(claim.folder / "training.csv", tell)
            evaluation = self.keep(ready, seconds, claim.folder, record, tell)
            self._keep_training(claim, record)
            self._score(record, vars(evaluation), self.metrics, tell)
        return record

    def list_lacking(self, record: Record, cell: Cell) -> list[str]:
        """List the metrics of this study whose scores a record lacks."""
        return lacking_metrics(record, self.protocols[cell.dataset])

    def find_done(self, job: Job) -> Record | None:
        """Return the record of a cell that another run has done since the job was planned."""
        found = self.store.find(job.cell)
        return found if found is not None and identify(found) != job.before else None

    def give_up(self, job: Job, reason: str) -> Record | None:
        """Record that a job killed its workers; None if another live run has the cell."""
        try:
            claim = self.store.claim(job.cell)
            if claim is None:
                return None
            with claim:
                if job.scores_only or self.find_done(job) is not None:
                    raise GivenUp(f"{reason}, while it was scored; its training is kept")
                with self.recording(job.cell, claim) as record:
                    raise GivenUp(reason)
                return record
        except ClaimLost:
            return None
        except Exception as error:
            return self.describe_failure(job.cell, error)

    def prepare(self, cell: Cell) -> ReadyCell:
        """Build what training a cell needs, on the device.

        Raises:
            CodeChanged: the code of its model, networks or dataset is not what was planned.
        """
        self.code.check(cell)
        return prepare(cell, self.models, self.datasets, self.device, self.networks)

    @contextmanager
    def recording(self, cell: Cell, claim: Claim) -> Iterator[Record]:
        """A cell's record to fill; it is in the store when the block ends, with the claim's folder.

        What goes wrong in the block becomes a record of a failure, and is not raised.

        Raises:
            ClaimLost: another process has the cell now; nothing was written.
            NotPlaced: the folder is complete, and could not be moved into place.
            OSError: the record could not be written.
        """
        with computing("fp32", cell.kernels):
            record = self._new_record(cell)
            try:
                yield record
                record["status"] = "done"
            except ClaimLost:
                raise
            except (Exception, SystemExit) as error:  # a plug-in may raise anything; the other cells go on
                claim.check()  # without its folder, that is all that went wrong
                record["failure"] = _explain_failure(error)
            self._write(cell, claim, record)

    def _write(self, cell: Cell, claim: Claim, record: Record) -> None:
        keeps = ("training.csv",) if record["failure"] else ("training.csv", *_KEPT)
        for path in claim.folder.iterdir():
            if path.name not in (*keeps, "record.json"):
                remove(path)
        try:
            sync_files(claim.folder)
            write_record(claim.folder, record, replace=True)
        except OSError:  # what was kept before it was scored is moved into place by the next run
            claim.release(keep=not record["failure"] and (claim.folder / "record.json").exists())
            raise
        self.store.place(claim, cell.folder)

    def _keep_training(self, claim: Claim, record: Record) -> None:
        """Write the record without scores: a kill while these are computed costs no training."""
        sync_files(claim.folder)
        pending = dict.fromkeys(self.metrics, PENDING)
        write_record(claim.folder, {**record, "status": "done", "unscored": pending}, replace=True)

    def describe_failure(self, cell: Cell, error: BaseException) -> Record:
        """Return the record of a failure that cannot be written, or is of a cell whose training is kept."""
        record = {**self._new_record(cell), "failure": _explain_failure(error)}
        return {**record, "folder": str(self.store.folder(cell))}

    def keep(self, ready: ReadyCell, seconds: float, folder: Path, record: Record, tell: Tell) -> Evaluation:
        """Encode with trained networks, and write weights, codes and pictures.

        Raises:
            TrainingDiverged: they give no finite losses.
        """
        cell, networks, dataset = ready.cell, ready.networks, ready.dataset
        record["timing"] = {
            "train_seconds": seconds,
            "images_per_second": cell.steps * cell.batch_size / seconds,
        }
        weights = {name: value.cpu() for name, value in networks.state_dict().items()}
        content = io.BytesIO()  # torch tells of a full disk without saying so
        torch.save(weights, content)  # to be loaded where there is no GPU
        (folder / "weights.pt").write_bytes(content.getbuffer())
        tell("encoding")
        evaluation = evaluate(networks, dataset)
        if not np.isfinite([evaluation.measures["elbo"], evaluation.measures["mse"]]).all():
            raise TrainingDiverged(
                "the trained model gives losses that are not finite on the images it is scored on"
            )
        evaluation.save(folder / "codes.npz")
        record["evaluation"] = evaluation.measures
        record["declared"] = {
            "dataset": {"caveat": dataset.caveat_of(dataset.source)},
            "model": {"note": ready.model.note},
        }
        save_pictures(folder / "pictures.npz", networks, dataset, evaluation.measures["kl_per_latent"])
        return evaluation

    def _score(self, record: Record, arrays: Mapping[str, Any], names: Iterable[str], tell: Tell) -> None:
        """Add to a record the scores of the named metrics, their protocols, and why any has none.

        What fails does not cost the training: the next run tries that score again.
        """
        start = time.perf_counter()
        metrics = {name: self.metrics[name] for name in names}
        if metrics:
            score_cell(record, arrays, metrics, self.parameters, self.allow_small, tell)
        seconds = time.perf_counter() - start
        record["timing"]["score_seconds"] = record["timing"].get("score_seconds", 0.0) + seconds

    def _score_again(self, cell: Cell, claim: Claim, tell: Tell) -> Record:
        """Add the scores that a finished cell lacks, from the codes that were kept.

        They go into a further record, which keeps what trained the cell and adds what scored it. Only a
        record whose first scoring was interrupted is completed in its place.
        """
        old = self.store.find(cell)
        if old is None:
            raise FileNotFoundError(errno.ENOENT, "the record is gone", str(self.store.folder(cell)))
        record = copy.deepcopy({name: value for name, value in old.items() if name != "folder"})
        folder = self.store.folder(cell)
        lacking = self.list_lacking(record, cell)
        try:
            arrays = read_arrays(folder, "codes.npz", record=old)
        except Exception as error:  # a damaged file shows in as many ways as there are bytes
            reason = f"codes.npz cannot be read ({error}); rerun 'always' makes it anew"
            record["unscored"].update(dict.fromkeys(lacking, reason))
        else:
            self._score(record, arrays, lacking, tell)
        if not old["scores"] and PENDING in old["unscored"].values():
            claim.check()
            write_record(folder, record, replace=True)
        elif any(record[name] != old[name] for name in ("scores", "protocol", "unscored")):
            record["rescored"] = {
                "command": self.command,
                "environment": self._describe_environment(cell),
                "created": _now(),
            }
            claim.check()
            write_record(folder, record)
        return record

    def _new_record(self, cell: Cell) -> Record:
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
            "unscored": {},
            "small": [],
            "timing": {},
            "failure": None,
            "environment": self._describe_environment(cell),
            "command": self.command,
            "created": _now(),
        }

    def _describe_environment(self, cell: Cell) -> dict[str, Any]:
        machine = describe_environment(self.device, cell.precision, cell.kernels)
        return {**machine, **self.code.describe(cell, self.metrics)}


def lacking_metrics(record: Record, protocol: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """List the metrics whose scores are missing or follow another protocol.

    Args:
        record: of a cell.
        protocol: of each metric that is wanted, as :func:`dis_bench.metrics.protocol` gives it.
    """
    return [name for name, used in protocol.items() if record["protocol"].get(name) != used]


def identify(record: Record) -> str:
    """Return a text that no two records of a cell share: when it was made, and what it took."""
    return json.dumps([record.get("created"), record["timing"]])


def _explain_failure(error: BaseException) -> dict[str, str]:
    """Return what a record says of an error: a sentence, and where an unforeseen one came from."""
    if isinstance(error, (TrainingDiverged, CodeChanged, KernelsFailed, GivenUp, NotPlaced)):
        return {"reason": str(error)}
    if isinstance(error, OSError):
        return {"reason": explain(error)}
    where = "".join(traceback.format_exception(error))
    return {"reason": f"{type(error).__name__}: {error}", "traceback": where}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
