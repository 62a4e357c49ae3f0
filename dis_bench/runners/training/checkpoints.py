"""Checkpoints of a training: when they are due, and what they hold."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence

from dis_bench.runners.training.log import TrainingLog
from dis_bench.runners.training.state import State, are_of, restore_states, save_state
from dis_bench.runners.training.steps import Training

MINUTES = 5.0  # between two checkpoints, where nothing else is wanted
SHARE = 0.01  # of the time of a training that writing them takes, at most
WORTH_SECONDS = 60  # of training, which are kept when it ends


class Checkpoints:
    """The checkpoints of cells that are trained together.

    Args:
        states: from which each cell goes on; None starts from the beginning.
        save: called with a cell's place and its state.
        minutes: between two checkpoints; more, where writing one takes long.
    """

    def __init__(
        self, states: Sequence[State | None], save: Callable[[int, State], None], minutes: float = MINUTES
    ) -> None:
        self._states, self._save, self._wait = states, save, 60 * minutes
        self._begin = self._last = time.monotonic()
        self._cost = 0.0
        self._seconds_before = 0.0

    @property
    def seconds_before(self) -> float:
        """Seconds that the cells had trained before, all together."""
        return self._seconds_before

    def restore(self, training: Training) -> list[str]:
        """Put a training into the states that there are, where they fit.

        Returns:
            The rows of each cell's log; nothing where the training starts from the beginning.
        """
        states = [state for state in self._states if state is not None]
        if not are_of(training, self._states):
            return []
        restore_states(training, states)
        self._seconds_before = sum(state["seconds"] for state in states)
        return [state["log"] for state in states]

    def are_due(self) -> bool:
        """Check whether the last ones are old enough."""
        return self._age() >= max(self._wait, self._cost / SHARE)

    def are_worth_keeping(self) -> bool:
        """Check whether so much was trained since the last ones that its loss would be felt."""
        return self._age() >= WORTH_SECONDS

    def write(self, training: Training, log: TrainingLog) -> None:
        """Save the state of each cell that has not failed; a warning where that cannot be done."""
        start = time.monotonic()
        seconds = (self._seconds_before + start - self._begin - training.paused) / len(training.trainees)
        try:
            for number, failure in enumerate(log.failures):
                if failure is None and training.running is not None:
                    kept = {"seconds": seconds, "log": log.read(number)}
                    self._save(number, save_state(training, number) | kept)
        except OSError as error:
            warnings.warn(f"no checkpoint could be written: {error}", stacklevel=2)
        self._last = time.monotonic()
        self._cost = self._last - start

    def _age(self) -> float:
        return time.monotonic() - self._last
