"""Watchers of a running study: a silent one, and a progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from dis_bench.bars import bar
from dis_bench.escape import visible
from dis_bench.records.cell import Cell
from dis_bench.records.schema import LACKS_FACTORS, Record
from dis_bench.runners.job import Job
from dis_bench.runners.training.log import Progress

REFRESH_SECONDS = 0.5

# The bar shows times but not steps, which mean nothing to somebody who waits.
FORMAT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
LEAST_BAR = 20  # columns
TIMES = len(" 100%|| 1:23:45<12:34:56, ")  # the longest text of the format around count, bar and text
WORDS_FROM = 100  # columns; a narrower terminal shows the count without words
LEAST_LABEL = 12  # characters; a shortened label must still identify the cell


class Watcher:
    """A receiver of the events of a running study; this one ignores them."""

    def warn(self, sentence: str) -> None:
        """Receive a warning, before anything starts or at the end."""

    def start(self, jobs: Sequence[Job], done: int) -> None:
        """Receive the jobs that will run, and the number of cells that were done before."""

    def watch(self, news: tuple[Cell, Progress | str]) -> None:
        """Receive a training step of a cell, or a stage such as ``scoring mig``."""

    def finish(self, cell: Cell, record: Record) -> None:
        """Receive a record that was written."""

    def note(self, sentence: str) -> None:
        """Receive news of the run that concerns no single cell."""

    def wait(self, cells: int) -> None:
        """Receive the number of cells that only other runs work on, every second."""

    def close(self) -> None:
        """Receive the end of all events."""

    def keep(self, cells: int) -> None:
        """Receive the number of cells that a stop left finished, after the end."""


class ProgressBar(Watcher):
    """A progress bar on a terminal, over the steps of all cells."""

    def __init__(self) -> None:
        self.kept = 0  # finished cells in the store
        self.bar: Any = None
        self._steps: dict[Cell, int] = {}
        self._refreshed = 0.0
        self._waiting = ""

    def warn(self, sentence: str) -> None:
        """Print a warning."""
        print(f"dis-bench: {sentence}", file=sys.stderr)

    def start(self, jobs: Sequence[Job], done: int) -> None:
        """Print the number of cells that were done before, and open the bar."""
        self.kept = done
        cells = done + len(jobs)
        if done:
            print(f"{done} of {cells} cells are done already; --rerun always runs them again.")
        if jobs:
            total = sum(job.cell.steps for job in jobs if not job.scores_only)
            self.total = cells
            self.bar = bar(total=total, delay=0, leave=True, bar_format=FORMAT, dynamic_ncols=True)
            self._describe()

    def watch(self, news: tuple[Cell, Progress | str]) -> None:
        """Advance the bar, and show the latest losses or the stage."""
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

    def keep(self, cells: int) -> None:
        """Count cells that were finished while the study was stopped."""
        self.kept += cells

    def finish(self, cell: Cell, record: Record) -> None:
        """Count a finished cell, and report a failed one at once.

        Without a terminal there is no bar, and each cell gets a line instead.
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
            if reason.startswith(LACKS_FACTORS):  # as a warning said before anything started
                continue
            self.bar.write(visible(f"{cell.label} has no {metric}: {reason}"))

    def note(self, sentence: str) -> None:
        """Print a sentence, above the bar if there is one."""
        if self.bar is None:
            print(f"dis-bench: {visible(sentence)}", file=sys.stderr)
        else:
            self.bar.write(visible(sentence))

    def wait(self, cells: int) -> None:
        """Show that only cells of other runs are left."""
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
        """Return the columns of the terminal, or 200 for a notebook, which wraps text."""
        columns = self.bar.format_dict["ncols"]
        return columns if isinstance(columns, int) else 200


def describe_count(done: int, total: int, width: int) -> str:
    """Return the count of finished cells, in words if the terminal is wide enough."""
    return f"cell {done} of {total} done" if width >= WORDS_FROM else f"{done}/{total}"


def describe_progress(label: str, what: Progress | str, room: int) -> str:
    """Return the most informative text for the given width; empty if nothing fits.

    A long label is shortened, or left out if not even that fits.

    Args:
        label: label of the cell.
        what: latest losses of the cell, or its stage.
        room: width in characters.
    """
    texts = _describe_measures(what.measures) if isinstance(what, Progress) else [what]
    for text in texts:
        left = room - len(text) - 2
        if left >= min(LEAST_LABEL, len(label)):
            return f"{_shorten(label, left)}: {text}"
    return next((text for text in texts if len(text) <= room), "")


def _describe_measures(measures: Mapping[str, float]) -> list[str]:
    """Return texts on losses and measures, the longest first."""
    loss = ", ".join(f"{name} {value:.1f}" for name, value in measures.items() if name.startswith("loss"))
    if {"reconstruction", "kl"} <= measures.keys():
        return [f"reconstruction {measures['reconstruction']:.1f}, KL {measures['kl']:.1f} nats", loss]
    return [loss] if loss else []


def _shorten(text: str, most: int) -> str:
    """Cut out the middle of a long text; a label's dataset and seed are at its ends."""
    if len(text) <= most:
        return text
    head = (most - 3) // 2
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"
