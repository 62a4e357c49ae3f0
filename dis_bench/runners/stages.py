"""The stages of a cell, each a function that returns its result: train, keep, score."""

from __future__ import annotations

import copy
import errno
import shutil
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.models.model import Model
from dis_bench.records.along import list_other_images, name_codes, name_unfinished_codes
from dis_bench.records.cell import Cell
from dis_bench.records.checkpoint import NAME as CHECKPOINT
from dis_bench.records.checkpoint import discard_checkpoint, is_whole, read_checkpoint, write_checkpoint
from dis_bench.records.codes import read_codes, write_codes
from dis_bench.records.curves import FILE as CURVES
from dis_bench.records.durable import sync_files
from dis_bench.records.pictures import write_pictures
from dis_bench.records.schema import PARTS, Record
from dis_bench.records.weights import write_weights
from dis_bench.runners.device import computing, describe_computer
from dis_bench.runners.scoring.evaluation import Evaluation, encode, evaluate, evaluate_others
from dis_bench.runners.scoring.pictures import make_pictures
from dis_bench.runners.scoring.readout import Readout, average, read_out
from dis_bench.runners.scoring.scores import score_cell
from dis_bench.runners.space import has_room
from dis_bench.runners.training.checkpoints import MINUTES, Checkpoints
from dis_bench.runners.training.log import Progress, TrainingDiverged
from dis_bench.runners.training.loop import Pauses, train
from dis_bench.runners.training.state import State
from dis_bench.runners.training.tensorboard import TensorBoardLog, list_picture_steps
from dis_bench.runners.training.trainee import Trainee

Emit = Callable[[tuple[Cell, Progress | str]], None]
Tell = Callable[[Progress | str], None]


@dataclass(frozen=True)
class TrainedCell:
    """A cell that was trained, alone or in a stack.

    Attributes:
        trainee: the cell, with its trained networks.
        failure: the reason why it failed, or None.
        seconds: duration of the training; in a stack, the cell's share.
        captured: whether a GPU replayed captured steps.
        steps: steps that were taken.
        adapted: decisions by held-out images, for the record; empty without.
        earlier: what computed its earlier steps if it was something else, and until which step.
    """

    trainee: Trainee
    failure: Exception | None
    seconds: float
    captured: bool
    steps: int
    adapted: dict[str, Any]
    earlier: list[dict[str, Any]]


@dataclass(frozen=True)
class Manner:
    """Options of training that are not settings of the cells.

    Attributes:
        way: convolution algorithm of a stack.
        capture: whether to try to capture the step on a GPU.
        checkpoint_minutes: minutes between checkpoints.
        events: folder of event files for TensorBoard, with a folder per cell; None writes none.
    """

    way: str = "torch"
    capture: bool = True
    checkpoint_minutes: float = MINUTES
    events: Path | None = None


def train_cells(
    trainees: Sequence[Trainee], folders: Sequence[Path], emit: Emit, manner: Manner
) -> list[TrainedCell]:
    """Train cells together, from their checkpoints if there are any.

    Args:
        trainees: cells that can be trained as one, or a single cell.
        folders: folders of the unfinished cells, for ``training.csv`` and checkpoints.
        emit: called with every event of a cell.
        manner: options of the training.
    """
    cells = [one.cell for one in trainees]

    def save(number: int, state: State) -> None:
        write_checkpoint(folders[number], cells[number].hash, state)
        if not has_room(folders[number], trainees[number]):  # a checkpoint may be larger than a finished cell
            discard_checkpoint(folders[number])
            raise OSError(errno.ENOSPC, "it leaves no space for the finished cell", str(folders[number]))

    def encode_at(number: int, step: int, heed_stops: Callable[[], None]) -> None:
        def look() -> None:
            heed_stops()
            emit((cells[number], f"encoding at step {step}"))

        with computing("fp32", cells[number].kernels):
            found = encode(trainees[number], look)
        file = name_unfinished_codes(step)
        write_codes(folders[number], found.codes, found.factors, found.log_variances, file)
        sync_files(folders[number])

    computer = describe_computer(trainees[0].device.type, cells[0].precision, cells[0].kernels)
    states = [read_state(folder, cell) for folder, cell in zip(folders, cells, strict=True)]
    with _logging_events(trainees, manner.events) as mirrors:
        trained = train(
            trainees,
            logs=[folder / CURVES for folder in folders],
            watch=lambda number, progress: emit((cells[number], progress)),
            way=manner.way,
            capture=manner.capture,
            checkpoints=Checkpoints(states, save, manner.checkpoint_minutes, computer),
            pauses=_choose_pauses(trainees, encode_at, mirrors),
            mirrors=mirrors,
        )
    seconds = trained.seconds / len(cells)
    return [
        TrainedCell(one, failure, seconds, trained.captured, trained.steps, trained.adapted, earlier)
        for one, failure, earlier in zip(trainees, trained.failures, trained.earlier, strict=True)
    ]


@contextmanager
def _logging_events(trainees: Sequence[Trainee], folder: Path | None) -> Iterator[list[TensorBoardLog]]:
    """Open an event file for each cell that takes steps, and close them at the end."""
    cells = [one.cell for one in trainees if folder is not None and one.is_trained_by_steps]
    logs = [TensorBoardLog(Path(folder or ".") / cell.folder, cell.batch_size) for cell in cells]
    try:
        yield logs
    finally:
        for log in logs:
            log.close()


def _choose_pauses(
    trainees: Sequence[Trainee],
    encode_at: Callable[[int, int, Callable[[], None]], None],
    logs: Sequence[TensorBoardLog],
) -> Pauses:
    """Return the steps at which codes are kept, and pictures are logged."""
    cell = trainees[0].cell
    with_pictures = list_picture_steps(cell.steps) if logs else []

    def hold(number: int, step: int, heed_stops: Callable[[], None]) -> None:
        if step in cell.score_at:
            encode_at(number, step, heed_stops)
        if step in with_pictures:
            with computing("fp32", cell.kernels):
                pictures = make_pictures(trainees[number], None)
            if pictures is not None:
                logs[number].add_pictures(step, pictures)

    return Pauses(sorted({*cell.score_at, *with_pictures}), hold)


def read_state(folder: Path, cell: Cell, *, warn: bool = True) -> State | None:
    """Read a checkpoint, if it has the codes of the earlier steps to score.

    Args:
        folder: folder of the unfinished cell.
        cell: the cell.
        warn: whether to warn of a checkpoint that cannot be used.
    """
    state = read_checkpoint(folder, cell.hash)
    if state is not None:
        before = [step for step in cell.score_at if step < state["step"]]
        if all(is_whole(folder / name_unfinished_codes(step)) for step in before):
            return state
    if warn and (folder / CHECKPOINT).exists():
        warnings.warn(
            f"the checkpoint of {cell.folder} is damaged or of another version, so its training begins anew.",
            stacklevel=2,
        )
    return None


def keep(
    trained: TrainedCell, folder: Path, record: Record, tell: Tell, parts: Collection[str] = PARTS
) -> Record:
    """Write weights, codes and pictures of a trained cell; return its unscored record.

    Codes are written in any case, as the scores are computed from the file.

    Args:
        trained: the cell.
        folder: folder to write to.
        record: the record of a cell before training.
        tell: called with each stage.
        parts: parts to keep once the cell is scored; never codes that are as wide as images.

    Raises:
        Exception: the training failed.
        TrainingDiverged: the losses of the networks are not finite.
    """
    if trained.failure is not None:
        raise trained.failure
    trainee, cell = trained.trainee, trained.trainee.cell
    if trainee.model.has_wide_codes:
        parts = [part for part in parts if part != "codes"]
    with computing("fp32", cell.kernels):
        if "weights" in parts:
            write_weights(folder, trainee.networks.state_dict())
        found = _evaluate_all(trainee, tell)
        write_codes(folder, found.sample.codes, found.sample.factors, found.sample.log_variances)
        for images in list_other_images(record["cell"]):
            one = found.others[images]
            write_codes(folder, one.codes, one.factors, one.log_variances, name_codes(images))
        if "pictures" in parts:
            pictures = make_pictures(trainee, found.measures.get("kl_per_latent"))
            if pictures is not None:
                write_pictures(folder, pictures)
    timing = {"train_seconds": trained.seconds}
    if trained.earlier:
        record = {**record, "environment": {**record["environment"], "earlier": trained.earlier}}
    if trainee.is_trained_by_steps:
        timing["images_per_second"] = trained.steps * cell.batch_size / trained.seconds
        record = {**record, **_keep_codes(folder, cell)}
    return {
        **record,
        "status": "done",
        "dial": trainee.model.dial,
        "evaluation": found.measures,
        "images": {"shape": [*trainee.dataset.image_shape], "pixel_max": trainee.dataset.pixel_max},
        **({} if {*PARTS} <= {*parts} else {"keep": [part for part in PARTS if part in parts]}),
        "timing": timing,
        "declared": _declare(trainee.dataset, trainee.model),
        **({"adapted": trained.adapted} if trained.adapted else {}),
        **({"readout": found.readout} if found.readout else {}),
    }


class _Evaluations(NamedTuple):
    """The evaluation of a trained cell on all images that it is scored on.

    Attributes:
        sample: of the study's sample.
        others: by other images.
        measures: measures on all of these images, by name.
        readout: of factors from codes; empty if no combinations of factors are held out.
    """

    sample: Evaluation
    others: Mapping[str, Evaluation]
    measures: dict[str, Any]
    readout: Readout


def _evaluate_all(trainee: Trainee, tell: Tell) -> _Evaluations:
    """Encode and measure the images of a trained cell.

    Raises:
        TrainingDiverged: a code or a measure is not finite.
    """
    tell("encoding")
    sample, others = evaluate(trainee), evaluate_others(trainee)
    everything = [sample, *others.values()]
    measures = {name: value for one in everything for name, value in one.measures.items()}
    readout: Readout = {}
    if trainee.cell.holdout_rule and trainee.holdout is not None:
        tell("reading out factors")
        readout = read_out(trainee.dataset, trainee.holdout, sample, others["heldout"])
        measures |= average(readout)
    numbers = [value for name, value in measures.items() if name != "kl_per_latent"]
    if not (np.isfinite(numbers).all() and all(np.isfinite(one.codes).all() for one in everything)):
        raise TrainingDiverged(
            "the trained model gives losses that are not finite on the images it is scored on"
        )
    return _Evaluations(sample, others, measures, readout)


def _declare(dataset: Dataset, model: Model) -> dict[str, Any]:
    """Return what the plug-ins of a cell declare about themselves, for reports."""
    return {
        "dataset": {"caveat": dataset.own_caveat, **_name_labels(dataset)},
        "model": {"note": model.note, "baseline": model.baseline},
    }


def _name_labels(dataset: Dataset) -> dict[str, Any]:
    """Return the names of the labels of a dataset, which its class does not know."""
    if dataset.grid is not None or dataset.labels is None:
        return {}
    return {"factors": list(dataset.labels.names)}


def _keep_codes(folder: Path, cell: Cell) -> Record:
    """Keep the codes at steps of a training, and return their part of the record.

    They also stay with the checkpoint, for a process that takes over the cell before its record is written.
    """
    for step in cell.score_at:
        shutil.copyfile(folder / name_unfinished_codes(step), folder / name_codes(step))
    unscored: dict[str, Any] = {"scores": {}, "protocol": {}, "unscored": {}, "small": []}
    points = {str(step): copy.deepcopy(unscored) for step in cell.score_at}
    return {"scores_at": points} if points else {}


def score(
    record: Record,
    codes: ScoredCodes,
    metrics: Mapping[str, str],
    parameters: Mapping[str, Mapping[str, Any]],
    allow_small: bool,
    tell: Tell,
) -> Record:
    """Score a cell; return its record with scores, protocols, failures and duration.

    A metric that fails does not fail the cell: the next run tries that score again.
    """
    start = time.perf_counter()
    if metrics:
        record = score_cell(record, codes.sample, metrics, parameters, allow_small, tell, codes.others)
    return _add_score_seconds(record, time.perf_counter() - start)


class ScoredCodes(NamedTuple):
    """The codes that a cell is scored from, each with factors and any log-variances.

    Attributes:
        sample: of the study's sample.
        others: by other images, or the reason why they cannot be read.
    """

    sample: Mapping[str, Any]
    others: Mapping[str, Mapping[str, Any] | str]


def read_scored_codes(record: Record, folder: Path, sealed: Record | None = None) -> ScoredCodes:
    """Read the codes that a cell is scored from.

    Args:
        record: of a trained cell.
        folder: the cell's.
        sealed: record in that folder, if it was read before.

    Raises:
        Exception: the codes of the study's sample are damaged.
    """
    sample = read_codes(folder, record=sealed)
    others: dict[str, Mapping[str, Any] | str] = {}
    for images in list_other_images(record["cell"]):
        try:
            others[images] = read_codes(folder, record=sealed, file=name_codes(images))
        except Exception as error:  # a damaged file may cause any exception
            others[images] = explain_damage(name_codes(images), error)
    return ScoredCodes(sample, others)


def score_along(
    record: Record,
    read: Callable[[str], Mapping[str, Any]],
    choose: Callable[[Record], Mapping[str, str]],
    parameters: Mapping[str, Mapping[str, Any]],
    allow_small: bool,
    tell: Tell,
) -> Record:
    """Return a record with the scores at steps of the training.

    Args:
        record: of a finished cell.
        read: reads codes, factors and log-variances from a file of the cell.
        choose: returns the metrics to score at a step, from what the record has of that step.
        parameters, allow_small, tell: as for :func:`score`.
    """
    if "scores_at" not in record:
        return record
    start = time.perf_counter()
    points = copy.deepcopy(record["scores_at"])
    for step, point in points.items():
        metrics = choose(point)
        if not metrics:
            continue
        try:
            arrays = read(name_codes(step))
        except Exception as error:  # a damaged file may cause any exception
            point["unscored"] |= dict.fromkeys(metrics, explain_damage(name_codes(step), error))
            continue
        tell(f"scoring step {step}")
        scored = {**point, "cell": record["cell"]}
        scored = score_cell(scored, arrays, metrics, parameters, allow_small, tell)
        point |= {name: scored[name] for name in point}
    return _add_score_seconds({**record, "scores_at": points}, time.perf_counter() - start)


def _add_score_seconds(record: Record, seconds: float) -> Record:
    """Return a record with seconds added to what its scoring took."""
    seconds += record["timing"].get("score_seconds", 0.0)
    return {**record, "timing": {**record["timing"], "score_seconds": seconds}}


def explain_damage(file: str, error: Exception) -> str:
    """Return the reason for missing scores if a file of codes cannot be read."""
    return f"{file} cannot be read ({error}); rerun 'always' makes it again"
