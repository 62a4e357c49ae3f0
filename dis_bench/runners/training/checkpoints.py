"""Checkpoints of a training: their schedule and their content."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dis_bench.runners.training.log import TrainingLog
from dis_bench.runners.training.state import State, are_of, restore_states, save_state
from dis_bench.runners.training.steps import Training

MINUTES = 5.0  # between checkpoints, by default
SHARE = 0.01  # largest share of the training time for writing checkpoints
WORTH_SECONDS = 60  # of training since the last checkpoint that justify one at the end


class Checkpoints:
    """The checkpoints of cells that are trained together.

    Args:
        states: states from which the cells resume; None starts from the beginning.
        save: called with a cell's index and its state.
        minutes: minutes between checkpoints; more if writing them takes long.
        computer: versions and hardware that decide how this training rounds.
    """

    def __init__(
        self,
        states: Sequence[State | None],
        save: Callable[[int, State], None],
        minutes: float = MINUTES,
        computer: Mapping[str, Any] | None = None,
    ) -> None:
        self._states, self._save, self._wait = states, save, 60 * minutes
        self._computer = dict(computer or {})
        self._earlier: list[list[dict[str, Any]]] = [[] for _ in states]
        self._begin = self._last = time.monotonic()
        self._cost = 0.0
        self._seconds_before = 0.0

    @property
    def seconds_before(self) -> float:
        """Seconds of training before the checkpoints, summed over the cells."""
        return self._seconds_before

    @property
    def earlier(self) -> list[list[dict[str, Any]]]:
        """For each cell, what else computed earlier steps, and until which step."""
        return self._earlier

    def restore(self, training: Training) -> list[str]:
        """Restore a training to the states of its cells, if they fit.

        Returns:
            The rows of each cell's log; empty if the training starts from the beginning.
        """
        states = [state for state in self._states if state is not None]
        if not are_of(training, self._states):
            return []
        restore_states(training, states)
        self._seconds_before = sum(state["seconds"] for state in states)
        self._earlier = [self._list_earlier(state) for state in states]
        return [state["log"] for state in states]

    def are_due(self) -> bool:
        """Return True if the last checkpoints are old enough."""
        return self._age() >= max(self._wait, self._cost / SHARE)

    def are_worth_keeping(self) -> bool:
        """Return True if losing the training since the last checkpoints would matter."""
        return self._age() >= WORTH_SECONDS

    def write(self, training: Training, log: TrainingLog) -> None:
        """Save the state of each cell that has not failed; warn if that fails."""
        start = time.monotonic()
        seconds = (self._seconds_before + start - self._begin - training.paused) / len(training.trainees)
        for number, failure in enumerate(log.failures):
            if failure is not None or training.running is None:
                continue
            try:
                kept = {"seconds": seconds, "log": log.read(number)}
                kept |= {"computer": self._computer, "earlier": self._earlier[number]}
                self._save(number, save_state(training, number) | kept)
            except OSError as error:  # of this cell's folder; another's may be there
                warnings.warn(f"no checkpoint could be written: {error}", stacklevel=2)
        self._last = time.monotonic()
        self._cost = self._last - start

    def _list_earlier(self, state: State) -> list[dict[str, Any]]:
        before, computer = state.get("earlier", []), state.get("computer", self._computer)
        return before if computer == self._computer else [*before, {"until": state["step"], **computer}]

    def _age(self) -> float:
        return time.monotonic() - self._last
