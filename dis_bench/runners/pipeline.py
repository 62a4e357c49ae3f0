"""One cell from beginning to end: train, encode, score, and the record of it."""

from __future__ import annotations

import copy
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
from dis_bench.models.compiled import KernelsFailed
from dis_bench.runners.cell import Cell
from dis_bench.runners.evaluation import Evaluation, evaluate
from dis_bench.runners.kept import read_arrays
from dis_bench.runners.machine import computing, describe_environment
from dis_bench.runners.pictures import save_pictures
from dis_bench.runners.ready import ReadyCell, prepare
from dis_bench.runners.schema import SCHEMA, Damaged
from dis_bench.runners.scores import score_cell
from dis_bench.runners.store import Record, Store, write_record
from dis_bench.runners.study_code import CodeChanged, StudyCode
from dis_bench.runners.training import Progress, TrainingDiverged

Emit = Callable[[tuple[Cell, Progress | str]], None]
Tell = Callable[[Progress | str], None]


@dataclass(frozen=True)
class Job:
    """A cell to do.

    Attributes:
        cell: which.
        scores_only: it was trained before, and lacks only some scores.
        again: do it even where it is done.
    """

    cell: Cell
    scores_only: bool = False
    again: bool = False


@dataclass(frozen=True)
class Pipeline:
    """Does one job after another; the same for each cell of a study, and in each worker.

    Args:
        store: where records go.
        datasets: by the name that the cells use; moved to the device by whoever trains.
        models: what to load for each name that the cells use: itself, or ``path/file.py:Class``.
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
    metrics: dict[str, str]
    device: str
    command: str
    code: StudyCode = field(default_factory=StudyCode)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    allow_small: bool = False
    protocols: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def __call__(self, job: Job, emit: Emit) -> Record:
        """Do one job; the record is in the store when this returns. A failure is a record too."""
        with registry.keeping_code():
            return self._do(job, emit)

    def _do(self, job: Job, emit: Emit) -> Record:
        cell = job.cell

        def tell(what: Progress | str) -> None:
            emit((cell, what))

        if job.scores_only:
            return self._score_again(cell, tell)
        done = self.find_done(job)
        if done is not None:
            return done
        with self.recording(cell) as (folder, record):
            ready = self.prepare(cell)
            seconds = ready.train(folder / "training.csv", tell)
            evaluation = self.keep(ready, seconds, folder, record, tell)
            self._score(record, vars(evaluation), self.metrics, tell)
        return record

    def find_done(self, job: Job) -> Record | None:
        """The record of a cell that need not be trained: another run on this folder was faster."""
        done = None if job.again else self.store.find(job.cell)
        return done if done is not None and done["status"] == "done" else None

    def prepare(self, cell: Cell) -> ReadyCell:
        """Build what training a cell needs, on the device.

        Raises:
            CodeChanged: its model's or dataset's code is not what was planned.
        """
        self.code.check(cell)
        return prepare(cell, self.models, self.datasets, self.device)

    @contextmanager
    def recording(self, cell: Cell) -> Iterator[tuple[Path, Record]]:
        """A cell's folder and record to fill; both are in the store when the block ends.

        What goes wrong in the block becomes a record of a failure, and is not raised.
        """
        with self.store.new_folder(cell) as folder, computing("fp32", cell.kernels):
            record = self._new_record(cell)
            try:
                yield folder, record
                record["status"] = "done"
            except (TrainingDiverged, CodeChanged, KernelsFailed) as error:
                record["failure"] = {"reason": str(error)}
            except (Exception, SystemExit) as error:  # a plug-in may raise anything; the other cells go on
                reason = f"{type(error).__name__}: {error}"
                record["failure"] = {"reason": reason, "traceback": traceback.format_exc()}
            write_record(folder, record)

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
        torch.save(weights, folder / "weights.pt")  # to be loaded where there is no GPU
        tell("encoding")
        evaluation = evaluate(networks, dataset)
        if not np.isfinite([evaluation.measures["elbo"], evaluation.measures["mse"]]).all():
            raise TrainingDiverged(
                "the trained model gives losses that are not finite on the images it is scored on"
            )
        evaluation.save(folder / "codes.npz")
        record["evaluation"] = evaluation.measures
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

    def _score_again(self, cell: Cell, tell: Tell) -> Record:
        """Add the scores that a finished cell lacks, from the codes that were kept; a further record.

        What trained the cell stays in the record; what added scores stands beside it.
        """
        old = self.store.find(cell)
        assert old is not None, "a job for scores only is for a finished cell"
        record = copy.deepcopy({name: value for name, value in old.items() if name != "folder"})
        folder = self.store.folder(cell)
        lacking = lacking_metrics(record, self.protocols[cell.dataset])
        try:
            self._score(record, read_arrays(folder, "codes.npz", record=old), lacking, tell)
        except (FileNotFoundError, Damaged) as error:
            reason = f"codes.npz cannot be read ({error}); rerun 'always' makes it anew"
            record["unscored"].update(dict.fromkeys(lacking, reason))
        if (record["scores"], record["unscored"]) != (old["scores"], old["unscored"]):
            record["rescored"] = {
                "command": self.command,
                "environment": self._describe_environment(cell),
                "created": _now(),
            }
            write_record(folder, record)
        return record

    def _new_record(self, cell: Cell) -> Record:
        channels, height, width = self.datasets[cell.dataset].image_shape
        beta = cell.hyperparameters.get("beta")
        beta = beta if isinstance(beta, (int, float)) else None
        return {
            "schema": SCHEMA,
            "status": "failed",  # until it is done
            "hash": cell.hash,
            "cell": cell.identity,
            # beta in units of the data (Higgins et al. 2017, sec. 4.2): comparable across image sizes
            "beta_norm": None if beta is None else beta * cell.latent_size / (channels * height * width),
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
