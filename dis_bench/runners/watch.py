"""What happens while a study runs, for those who watch it: nobody, or a person at a progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from dis_bench.bars import bar
from dis_bench.escape import visible
from dis_bench.records.cell import Cell
from dis_bench.records.schema import Record
from dis_bench.runners.job import Job
from dis_bench.runners.training.log import Progress

REFRESH_SECONDS = 0.5

# A step has no meaning to wait for; seconds do.
FORMAT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
LEAST_BAR = 20  # columns
TIMES = len(" 100%|| 1:23:45<12:34:56, ")  # what the format puts around count, bar and text, at most
WORDS_FROM = 100  # columns; a narrower terminal shows the count without words
LEAST_LABEL = 12  # characters; what is left of a longer label must still say which cell it is


class Watcher:
    """Told what happens while a study runs; this one keeps quiet."""

    def warn(self, sentence: str) -> None:
        """Something to know before anything starts."""

    def start(self, jobs: Sequence[Job], done: int) -> None:
        """The jobs that are about to be done, and how many cells were done before."""

    def watch(self, news: tuple[Cell, Progress | str]) -> None:
        """A training step, or a stage such as ``scoring mig``, of one cell."""

    def finish(self, cell: Cell, record: Record) -> None:
        """A cell's record was written."""

    def wait(self, cells: int) -> None:
        """Nothing is left but this many cells that other runs have; called again every second."""

    def close(self) -> None:
        """Nothing more will come."""


class ProgressBar(Watcher):
    """Steps of all cells in one bar on a terminal."""

    def __init__(self) -> None:
        self.kept = 0  # finished cells in the store
        self.bar: Any = None
        self._steps: dict[Cell, int] = {}
        self._refreshed = 0.0
        self._waiting = ""

    def warn(self, sentence: str) -> None:
        """Print it."""
        print(f"dis-bench: {sentence}", file=sys.stderr)

    def start(self, jobs: Sequence[Job], done: int) -> None:
        """Say what was done before, and open the bar."""
        self.kept = done
        cells = done + len(jobs)
        if done:
            print(f"{done} of {cells} cells are done already; --rerun always does them again.")
        if jobs:
            total = sum(job.cell.steps for job in jobs if not job.scores_only)
            self.total = cells
            self.bar = bar(total=total, delay=0, leave=True, bar_format=FORMAT, dynamic_ncols=True)
            self._describe()

    def watch(self, news: tuple[Cell, Progress | str]) -> None:
        """Move the bar on, and show the latest losses or the stage."""
        cell, what = news
        if self.bar is None:
            return
        if isinstance(what, Progress):
            self.bar.update(what.step - self._steps.get(cell, 0))
            self._steps[cell] = what.step
        now = time.monotonic()
        if not self.bar.disable and now - self._refreshed > REFRESH_SECONDS:
            self._refreshed = now
            width = self._width()
            self._describe()
            count = describe_count(self.kept, self.total, width)
            room = width - len(count) - TIMES - LEAST_BAR
            said = what if isinstance(what, Progress) else visible(what)
            self.bar.set_postfix_str(describe_progress(visible(cell.label), said, room))

    def finish(self, cell: Cell, record: Record) -> None:
        """Count a finished cell; one that failed is told of at once.

        Off a terminal there is no bar, and each cell gets a line instead.
        """
        assert self.bar is not None
        self.bar.update(cell.steps - self._steps.get(cell, 0) if cell in self._steps else 0)
        self.kept += 1
        self._describe()
        if record["status"] == "failed":
            self.bar.write(visible(f"{cell.label} failed: {record['failure']['reason']}"))
        elif self.bar.disable:
            print(f"cell {self.kept} of {self.total} done: {visible(cell.label)}", flush=True)
        for metric, reason in record["unscored"].items():
            self.bar.write(visible(f"{cell.label} has no {metric}: {reason}"))

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
        if not self.bar.disable:
            self.bar.set_description_str(describe_count(self.kept, self.total, self._width()))

    def _width(self) -> int:
        """Return the columns of the terminal; a notebook's widget, which says none, wraps its text."""
        columns = self.bar.format_dict["ncols"]
        return columns if isinstance(columns, int) else 200


def describe_count(done: int, total: int, width: int) -> str:
    """Return the count of finished cells, in words where the terminal has room for them."""
    return f"cell {done} of {total} done" if width >= WORDS_FROM else f"{done}/{total}"


def describe_progress(label: str, what: Progress | str, room: int) -> str:
    """Return the text behind the bar that says most in the given room; empty where nothing fits.

    A long label is shortened; where not even that fits, it is left out.

    Args:
        label: of the cell.
        what: its latest losses, or its stage.
        room: characters.
    """
    texts = _describe_measures(what.measures) if isinstance(what, Progress) else [what]
    for text in texts:
        left = room - len(text) - 2
        if left >= min(LEAST_LABEL, len(label)):
            return f"{_shorten(label, left)}: {text}"
    return next((text for text in texts if len(text) <= room), "")


def _describe_measures(measures: Mapping[str, float]) -> list[str]:
    """Return texts on losses and measures, the fullest first."""
    loss = ", ".join(f"{name} {value:.1f}" for name, value in measures.items() if name.startswith("loss"))
    if {"reconstruction", "kl"} <= measures.keys():
        return [f"reconstruction {measures['reconstruction']:.1f}, KL {measures['kl']:.1f} nats", loss]
    return [loss] if loss else []


def _shorten(text: str, most: int) -> str:
    """Cut the middle out of a long text: the ends of a label, dataset and seed, tell cells apart."""
    if len(text) <= most:
        return text
    head = (most - 3) // 2
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"
