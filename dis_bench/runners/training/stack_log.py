"""The losses of a stack: summed on the device while it trains, and written to each cell's own log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dis_bench.runners.training.loop import Progress, TrainingLog, diverged, progress_of


class RunningLosses:
    """What the logs of K cells need to know, kept on the device so that no step waits for the host.

    Attributes:
        sums: [K, 2 + D], of :func:`.loop.measure`, over the steps before a cell broke.
        latest: [K, 2 + D], of the last step.
        broke_at: int64 [K], the first step whose values were not all finite; 0 where there was none.
        broken: [K, 2 + D], the values of that step.
    """

    def __init__(self, cells: int, latent_size: int, device: torch.device) -> None:
        self.sums = torch.zeros(cells, 2 + latent_size, dtype=torch.float64, device=device)
        self.latest = torch.zeros(cells, 2 + latent_size, device=device)
        self.broke_at = torch.zeros(cells, dtype=torch.int64, device=device)
        self.broken = torch.zeros(cells, 2 + latent_size, device=device)
        self._steps = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, measured: Tensor) -> None:
        """Take in the values [K, 2 + D] of one step; a captured step may call it."""
        self._steps += 1
        breaks = (self.broke_at == 0) & ~measured.isfinite().all(1)
        self.broke_at += breaks * self._steps
        self.broken.copy_(torch.where(breaks[:, None], measured, self.broken))
        self.sums += measured.masked_fill(self.broke_at[:, None] != 0, 0)
        self.latest.copy_(measured)


class StackLog:
    """The logs of K cells, and which of them failed.

    Args:
        paths: the CSV file of each cell.
        latent_size: number of latents.
        steps: of the whole training.
        watch: called with a cell's place in the stack and its latest step.
    """

    def __init__(
        self, paths: Sequence[Path], latent_size: int, steps: int, watch: Callable[[int, Progress], None]
    ) -> None:
        self.failures: list[Exception | None] = [None] * len(paths)
        self._logs = [TrainingLog(path, latent_size, steps) for path in paths]
        self._watch = watch
        self._done = 0
        self._row_start = 0

    @property
    def every(self) -> int:
        """Steps between two rows."""
        return self._logs[0].every

    @property
    def all_failed(self) -> bool:
        """Whether there is nothing left to train."""
        return None not in self.failures

    def report(self, steps: int, losses: RunningLosses) -> None:
        """Read the losses after some more steps, which waits for the device; write the rows that are due.

        Args:
            steps: since the last report; no row was due before the last of them.
            losses: of all cells.
        """
        self._done += steps
        due = self._logs[0].is_due(self._done)
        sums, latest, broken = (
            part.double().cpu().numpy() for part in (losses.sums, losses.latest, losses.broken)
        )
        for number, broke_at in enumerate(losses.broke_at.tolist()):
            if self.failures[number] is not None:
                continue
            try:
                if broke_at:
                    self.failures[number] = diverged(broke_at, broken[number])
                    self._logs[number].write(broke_at, sums[number], broke_at - 1 - self._row_start)
                elif due:
                    self._logs[number].write(self._done, sums[number], self._done - self._row_start)
            except OSError as error:  # it costs this cell, and no other of the stack
                self.failures[number] = error
            if self.failures[number] is None:
                self._watch(number, progress_of(self._done, latest[number]))
        if due:
            losses.sums.zero_()
            self._row_start = self._done
