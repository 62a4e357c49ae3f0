"""The log of a training: measures summed on the device, and a training.csv per cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from dis_bench.models.model import Step
from dis_bench.records.curves import write_row

LOG_ROWS = 200  # rows of training.csv; each is the mean over the steps since the row before


def count_row_steps(steps: int) -> int:
    """Return the steps that a row of the log covers, for a number of steps."""
    return -(-steps // LOG_ROWS)


class TrainingDiverged(RuntimeError):
    """Error: a loss or a measure became NaN or infinite; the message names it and the step."""


class Progress(NamedTuple):
    """The event of a training step, for watchers.

    Attributes:
        step: number of the step that was just done, from 1.
        measures: losses and totals of measures by name, as means over the batch.
    """

    step: int
    measures: dict[str, float]


def flatten(step: Step) -> dict[str, Tensor]:
    """Reduce a step to means over its batch: float64 scalars or [D] by name.

    The loss of a single player is called ``loss``; those of several are called ``loss_<player>``.
    """
    named = {"loss" if len(step.losses) == 1 else f"loss_{name}": loss for name, loss in step.losses.items()}
    means = {name: value.mean(0) if value.dim() else value for name, value in step.measures.items()}
    return {name: value.detach().double() for name, value in (named | means).items()}


class Columns:
    """The columns of training.csv: totals, then the parts of measures with one per latent.

    Args:
        measured: measures [K] or [K, D] by name.
    """

    def __init__(self, measured: dict[str, Tensor]) -> None:
        self.sizes = {name: value.shape[1] if value.dim() > 1 else 0 for name, value in measured.items()}
        parts = [f"{name}_{part}" for name, size in self.sizes.items() for part in range(size)]
        self.names = [*self.sizes, *parts]
        self.entries = [
            entry
            for name, size in self.sizes.items()
            for entry in ([f"{name}_{part}" for part in range(size)] or [name])
        ]

    def arrange(self, values: np.ndarray) -> list[float]:
        """Arrange values [M] in the order of ``names``, adding the totals of parts."""
        totals: list[float] = []
        parts: list[float] = []
        place = 0
        for size in self.sizes.values():
            own = values[place : place + (size or 1)].tolist()
            totals.append(sum(own))
            parts += own if size else []
            place += size or 1
        return totals + parts


@dataclass
class RunningMeasures:
    """Running measures of K cells, kept on the device so that no step waits for the host.

    Attributes:
        columns: the meaning of a cell's M numbers.
        sums: [K, M], over the steps before a cell diverged.
        latest: [K, M], of the last step.
        broke_at: int64 [K], the first step whose numbers were not all finite, or 0.
        broken: [K, M], the numbers of that step.
    """

    columns: Columns
    sums: Tensor
    latest: Tensor
    broke_at: Tensor
    broken: Tensor
    _step: Tensor

    @classmethod
    def start(cls, measured: dict[str, Tensor], done: int) -> RunningMeasures:
        """Start with zeros in the shape of a first step's measures, after earlier steps."""
        row = _join(measured)
        zeros = torch.zeros_like
        broke_at = torch.zeros(len(row), dtype=torch.int64, device=row.device)
        step = torch.full((), done, dtype=torch.int64, device=row.device)
        return cls(Columns(measured), zeros(row), zeros(row), broke_at, zeros(row), step)

    def add(self, measured: dict[str, Tensor]) -> None:
        """Add the measures of one step; this can be captured."""
        row = _join(measured)
        self._step += 1
        breaks = (self.broke_at == 0) & ~row.isfinite().all(1)
        self.broke_at += breaks * self._step
        self.broken.copy_(torch.where(breaks[:, None], row, self.broken))
        self.sums += row.masked_fill(self.broke_at[:, None] != 0, 0)
        self.latest.copy_(row)


def _join(measured: dict[str, Tensor]) -> Tensor:
    """Join measures [K] and [K, D] to rows [K, M]."""
    return torch.cat([value if value.dim() > 1 else value[:, None] for value in measured.values()], 1)


class Sample(Protocol):
    """Images other than those of the batches, on which some rows of the log are measured.

    Attributes:
        every: rows between two measurements.
        names: names of the measures.
    """

    every: int
    names: list[str]

    def measure(self) -> np.ndarray:
        """Measure the images with the current networks: [K, len(names)]."""


class Mirror(Protocol):
    """A receiver of a cell's rows besides its CSV file."""

    def resume(self, rows: str, done: int) -> None:
        """Receive the rows of earlier steps, and their number; empty and 0 at first."""

    def add_row(
        self, names: Sequence[str], step: int, values: Sequence[float | None], rates: Mapping[str, float]
    ) -> None:
        """Receive a row, with the learning rates by player."""


class TrainingLog:
    """The training.csv of K cells, and the failures of cells.

    A row holds ``step``, losses and measures, each as the mean over the steps since the previous row; some
    rows, including the last, also hold the measures of a sample after that step.

    Args:
        paths: the CSV file of each cell.
        steps: steps of the whole training.
        watch: called with a cell's index and its latest step.
        done: steps that were done before.
        written: the rows of these steps, as :meth:`read` returned them.
        mirrors: receivers of the rows of each cell, or none.

    Attributes:
        failures: the exception that failed each cell, or None.
        every: steps between two rows.
        sample: sample of images to measure too, or None.
        rates: returns the learning rates by player, for mirrors.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        steps: int,
        watch: Callable[[int, Progress], None],
        done: int = 0,
        written: Sequence[str] = (),
        mirrors: Sequence[Mirror] = (),
    ) -> None:
        self.failures: list[Exception | None] = [None] * len(paths)
        self.every = count_row_steps(steps)
        self.sample: Sample | None = None
        self.rates: Callable[[], Mapping[str, float]] = dict
        self._mirrors = mirrors
        self._paths, self._steps, self._watch = paths, steps, watch
        self._row_start = done - done % self.every
        for number, path in enumerate(paths):
            with open(path, "w", newline="", encoding="utf-8") as file:
                file.write(written[number] if written else "")
        for number, mirror in enumerate(mirrors):
            mirror.resume(written[number] if written else "", done)

    @property
    def all_failed(self) -> bool:
        """True if no cell is left to train."""
        return None not in self.failures

    def read(self, number: int) -> str:
        """Return the rows that were written for a cell."""
        return self._paths[number].read_bytes().decode()

    def report(self, done: int, running: RunningMeasures) -> None:
        """Read the measures from the device, write a row if it is due, call the watcher.

        Args:
            done: steps done; between the last report and this one, no row was due.
            running: measures of all cells.
        """
        due = done % self.every == 0 or done == self._steps
        sums, latest, broken = (part.cpu().numpy() for part in (running.sums, running.latest, running.broken))
        columns = running.columns
        beside = self._measure_sample(done) if due else None
        progress: list[tuple[int, Progress]] = []
        for number, broke_at in enumerate(running.broke_at.tolist()):
            if self.failures[number] is not None:
                continue
            try:
                if broke_at:
                    self.failures[number] = _diverged(broke_at, columns, broken[number])
                    self._write(number, columns, broke_at, sums[number], broke_at - 1 - self._row_start)
                elif due:
                    more = None if beside is None else beside[number]
                    self._write(number, columns, done, sums[number], done - self._row_start, more)
            except OSError as error:  # only this cell of the stack fails
                self.failures[number] = error
            if self.failures[number] is None:
                totals = columns.arrange(latest[number])
                progress.append((number, Progress(done, dict(zip(columns.sizes, totals, strict=False)))))
        if due:
            running.sums.zero_()
            self._row_start = done
        for number, latest_of_cell in progress:  # at the end, since a watcher may stop the training
            self._watch(number, latest_of_cell)

    def _measure_sample(self, done: int) -> np.ndarray | None:
        """Return the measures of the sample [K, names], or None if none are due."""
        if self.sample is None or (done != self._steps and done // self.every % self.sample.every):
            return None
        return self.sample.measure()

    def _write(
        self,
        number: int,
        columns: Columns,
        step: int,
        sums: np.ndarray,
        count: int,
        beside: np.ndarray | None = None,
    ) -> None:
        """Write the header if it is missing, and a row of means if there were any steps."""
        names = self.sample.names if self.sample else []
        more = [None] * len(names) if beside is None else beside.tolist()
        values = [*columns.arrange(sums / count), *more] if count else None
        write_row(self._paths[number], [*columns.names, *names], step, values)
        if self._mirrors and values is not None:
            self._mirrors[number].add_row([*columns.names, *names], step, values, self.rates())


def _diverged(step: int, columns: Columns, values: np.ndarray) -> TrainingDiverged:
    """Return the error for a step whose values [M] are not all finite."""
    pairs = zip(columns.entries, values, strict=True)
    bad = [f"{name} = {value}" for name, value in pairs if not np.isfinite(value)]
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return TrainingDiverged(f"the loss is not finite at step {step}: {', '.join(bad[:3])}{more}")
