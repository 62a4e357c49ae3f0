"""One progress bar for a study: steps done over all cells, and the losses as they run."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tqdm import tqdm

from dis_bench.runners.cell import Cell
from dis_bench.runners.pipeline import Job
from dis_bench.runners.run import Watcher
from dis_bench.runners.store import Record
from dis_bench.runners.training import Progress

REFRESH_SECONDS = 0.5


class ProgressBar(Watcher):
    """Steps of all cells in one bar on a terminal."""

    def __init__(self) -> None:
        self.kept = 0  # finished cells in the store
        self.bar: tqdm | None = None
        self._steps: dict[Cell, int] = {}
        self._refreshed = 0.0
        self._waiting = ""

    def start(self, jobs: Sequence[Job], done: int) -> None:
        """Say what was done before, and open the bar."""
        self.kept = done
        cells = done + len(jobs)
        if done:
            print(f"{done} of {cells} cells are done already; --rerun always does them again.")
        if jobs:
            total = sum(job.cell.steps for job in jobs if not job.scores_only)
            self.total = cells
            # A step has no meaning to wait for; seconds do.
            form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
            self.bar = tqdm(total=total, bar_format=form, dynamic_ncols=True, disable=None)
            self._describe()

    def event(self, event: tuple[Cell, Progress | str]) -> None:
        """Move the bar on, and show the latest losses or the stage."""
        cell, what = event
        if self.bar is None:
            return
        if isinstance(what, Progress):
            self.bar.update(what.step - self._steps.get(cell, 0))
            self._steps[cell] = what.step
            text = f"{cell.label}: reconstruction {what.reconstruction:.1f}, KL {what.kl:.1f} nats"
        else:
            text = f"{cell.label}: {what}"
        now = time.monotonic()
        if now - self._refreshed > REFRESH_SECONDS:
            self._refreshed = now
            self.bar.set_postfix_str(text)

    def finish(self, cell: Cell, record: Record) -> None:
        """Count a finished cell; one that failed is told of at once.

        Off a terminal there is no bar, and each cell gets a line instead.
        """
        assert self.bar is not None
        self.bar.update(cell.steps - self._steps.get(cell, 0) if cell in self._steps else 0)
        self.kept += 1
        self._describe()
        if record["status"] == "failed":
            self.bar.write(f"{cell.label} failed: {record['failure']['reason']}")
        elif self.bar.disable:
            print(f"cell {self.kept} of {self.total} done: {cell.label}", flush=True)
        for metric, reason in record["unscored"].items():
            self.bar.write(f"{cell.label} has no {metric}: {reason}")

    def wait(self, cells: int) -> None:
        """Say that nothing is left but what other runs do."""
        text = f"waiting for {cells} cell{'s' * (cells != 1)} that other runs are training"
        if self.bar is not None and text != self._waiting:
            self._waiting = text
            self.bar.set_postfix_str(text)
            if self.bar.disable:
                print(text, flush=True)

    def close(self) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def _describe(self) -> None:
        assert self.bar is not None
        self.bar.set_description_str(f"cell {self.kept} of {self.total} done")
