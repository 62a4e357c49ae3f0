"""A model on trial: cells that train for a few steps on dSprites, with small networks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dis_bench import registry
from dis_bench.datasets.loading import load_dataset
from dis_bench.errors import InputError
from dis_bench.findings import Broken, breaking
from dis_bench.models.model import Model, Step
from dis_bench.neutral import neutral, one_thread, own_streams
from dis_bench.records.cell import Cell
from dis_bench.records.checkpoint import read_checkpoint, write_checkpoint
from dis_bench.runners import passes
from dis_bench.runners.device import computing
from dis_bench.runners.planning.plugins import check_models
from dis_bench.runners.planning.returned import check_shapes
from dis_bench.runners.quickstart import DEFAULTS
from dis_bench.runners.training.checkpoints import Checkpoints
from dis_bench.runners.training.log import Progress
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.trainee import Trainee, prepare

[DATASET] = DEFAULTS["datasets"]
NETWORK = "dis_bench.runners.checks.small:Small"
LATENTS = 5  # one for each factor of dSprites
BATCH = 32
LR = 1e-3
STEPS = 200  # of a training whose loss should fall
IMAGES = 20  # to encode
FEW_STEPS = 12  # of trainings that are compared with each other


class Stop(BaseException):
    """A request to stop a training."""


class Trained(NamedTuple):
    """The end of a training.

    Attributes:
        trainee: with its networks in evaluation mode.
        log: its training.csv.
    """

    trainee: Trainee
    log: str

    @property
    def state(self) -> dict[str, Tensor]:
        """Weights and buffers by name."""
        return read_weights(self.trainee)


class ModelTrial:
    """A model, and trainings of it; the same ones are done once.

    Args:
        name: an installed model, ``module:Class`` or ``path/file.py:Class``.

    Raises:
        InputError: there is none, or it is not declared as it must be.
    """

    def __init__(self, name: str) -> None:
        with neutral():
            plugin = registry.find("models", name)
            check_models({plugin.name: plugin})
            self.name, self.target = plugin.name, name
            self.kind: type[Model] = plugin.load()
            self.dataset = load_dataset(DATASET)

    def prepare(self, seed: int = 0, steps: int = FEW_STEPS, **values: Any) -> Trainee:
        """Build a cell of the model, with the hyperparameters that are not the defaults."""
        cell = Cell(
            dataset=DATASET,
            source=self.dataset.source,
            fingerprint=self.dataset.fingerprint,
            dataset_version="",
            model=self.name,
            model_version="",
            hyperparameters=values,
            network=NETWORK,
            likelihood="bernoulli",
            latent_size=LATENTS,
            steps=steps,
            batch_size=BATCH,
            lr=LR,
            precision="fp32",
            kernels="torch",
            seed=seed,
        )
        with breaking("building it"):
            models, networks = {self.name: self.target}, {NETWORK: NETWORK}
            trainee = prepare(cell, models, {DATASET: self.dataset}, "cpu", networks)
            check_shapes(f"model '{self.name}'", trainee.networks)
        return trainee

    @cached_property
    def trained(self) -> Trained:
        """Train a cell of seed 0 for many steps, once."""
        return self.train(self.prepare(steps=STEPS))

    @cached_property
    def trained_briefly(self) -> Trained:
        """Train a cell of seed 0 for few steps, once."""
        return self.train(self.prepare())

    @property
    def takes_steps(self) -> bool:
        """Return whether it has weights to train."""
        return self.prepare().is_trained_by_steps

    def train(self, trainee: Trainee) -> Trained:
        """Train a cell alone; raise :class:`Broken` if that fails."""
        return self.train_together([trainee])[0]

    def train_together(self, trainees: Sequence[Trainee]) -> list[Trained]:
        """Train cells beside each other; raise :class:`Broken` if that fails."""
        with tempfile.TemporaryDirectory() as folder:
            logs = [Path(folder) / f"{number}.csv" for number in range(len(trainees))]
            with breaking("training it"):
                failures = train(trainees, logs=logs, watch=lambda number, progress: None).failures
            for failure in failures:
                if failure is not None:
                    raise Broken(f"training it ends: {failure}") from failure
            return [Trained(one, _read(log)) for one, log in zip(trainees, logs, strict=True)]

    def train_in_two(self, stop: int) -> Trained:
        """Train a cell that is stopped after some steps and resumed.

        As in another process, model and networks are built anew, and the state is read from a file.
        """
        with tempfile.TemporaryDirectory() as name, breaking("training it"):
            folder = Path(name)
            saved: dict[int, Any] = {}

            def watch(number: int, progress: Progress) -> None:
                if progress.step == stop:
                    raise Stop

            checkpoints = Checkpoints([None], saved.__setitem__, inf)
            try:
                train([self.prepare()], logs=[folder / "log.csv"], watch=watch, checkpoints=checkpoints)
            except Stop:
                write_checkpoint(folder, "a hash", saved[0])
            state = read_checkpoint(folder, "a hash")
            if state is None:
                raise Broken("its checkpoint cannot be read; expected tensors and plain values")
            resumed, log = self.prepare(), folder / "log.csv"
            watch_nothing = Checkpoints([state], lambda number, state: None, inf)
            train([resumed], logs=[log], watch=lambda number, progress: None, checkpoints=watch_nothing)
            return Trained(resumed, _read(log))

    def step(self, trainee: Trainee, progress: float = 0.0, seed: int = 0) -> Step:
        """Compute the losses of a batch of real images, the same for one seed.

        The networks are in training mode, and no weight is moved.
        """
        cell = trainee.cell
        other = Trainee(
            Cell(**{**vars(cell), "seed": seed}), trainee.model, trainee.networks, trainee.dataset
        )
        draws = other.draws()
        trainee.networks.train()
        with own_streams(seed), breaking("its step"):
            batch = dict(trainee.model.draw(draws))
            batch["images"] = trainee.pixels(batch["images"])
            return trainee.model.step(trainee.networks, {**batch, "progress": torch.tensor(progress)})

    def encode(self, trainee: Trainee, images: Tensor) -> dict[str, Tensor]:
        """Encode images and decode their codes in evaluation mode; list what there is."""
        trainee.networks.eval()
        with torch.no_grad(), breaking("encoding images"):
            codes, log_variances = passes.encode(trainee.model, trainee.networks, images)
            given = {"codes": codes, "log-variances": log_variances}
            given["logits"] = passes.decode(trainee.model, trainee.networks, codes)
        return {name: part for name, part in given.items() if part is not None}


@contextmanager
def reproducibly() -> Iterator[None]:
    """Compute in fp32, on torch's layers and one thread, so that trainings repeat."""
    with neutral(), computing("fp32", "torch"), one_thread():
        yield


def read_weights(trainee: Trainee) -> dict[str, Tensor]:
    """Return copies of weights and buffers by name."""
    named: Mapping[str, Tensor] = {
        **dict(trainee.networks.named_parameters()),
        **dict(trainee.networks.named_buffers()),
    }
    return {name: tensor.detach().clone() for name, tensor in named.items()}


def load_weights(trainee: Trainee, state: Mapping[str, Tensor]) -> None:
    """Put weights and buffers into networks, in place."""
    own = {**dict(trainee.networks.named_parameters()), **dict(trainee.networks.named_buffers())}
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8") if log.exists() else ""


def prepare_if_allowed(trial: ModelTrial, values: dict[str, Any]) -> Trainee | None:
    """Build a cell of three steps; None if the model refuses these values together."""
    try:
        return trial.prepare(steps=3, **values)
    except Broken as fault:
        if isinstance(fault.__cause__, InputError):
            return None
        raise
