"""Decisions of a training that follow from its held-out reconstruction.

The learning rates may fall on a plateau, and the training may end before its last step. Both are decided by
the same measurements, which are part of the training's state: a resumed training decides alike.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dis_bench.records.cell import Cell
from dis_bench.runners.training.plateau import Plateau, read_plateau

State = dict[str, Any]


class Adaptation:
    """The held-out reconstruction of one cell's training so far, and what it decided.

    Args:
        cell: the cell, with an ``lr_schedule``, an ``early_stop`` or both.
        optimiser: the optimiser, whose rates fall in place.
        tensors: weights and buffers by name, which are changed in place.

    Attributes:
        has_stopped: whether the training is to end.
    """

    def __init__(self, cell: Cell, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
        self._cell, self._optimiser, self._tensors = cell, optimiser, tensors
        self._rates = [group["lr"] for group in optimiser.param_groups]
        self._plateau: Plateau | None = None
        if cell.lr_schedule:
            self._plateau = read_plateau(cell.lr_schedule, cell.steps, 1)
        self._steady, self._since = math.inf, 0  # the loss to improve on, and the step when patience began
        self._falls: list[int] = []
        self._best, self._best_step = math.inf, 0
        self._kept: dict[str, Tensor] = {}
        self.has_stopped = False

    def consider(self, step: int, loss: float) -> None:
        """Decide by a measurement; a loss that is not a number never counts as better.

        Args:
            step: number of steps that were taken.
            loss: reconstruction of the held-out images after them, in nats.
        """
        if self._plateau is not None:
            self._follow_plateau(self._plateau, step, loss)
        if self._cell.early_stop:
            if loss < self._best:
                self._best, self._best_step = loss, step
                self._kept = {name: one.detach().clone() for name, one in self._tensors.items()}
            self.has_stopped = step < self._cell.steps and step - self._best_step >= self._cell.early_stop

    def _follow_plateau(self, plateau: Plateau, step: int, loss: float) -> None:
        least = 0.0 if math.isinf(self._steady) else plateau.threshold * abs(self._steady)
        if loss < self._steady - least:
            self._steady, self._since = loss, step
        elif step - self._since > plateau.patience:
            self._falls.append(step)
            self._since = step
            self._set_rates()

    def _set_rates(self) -> None:
        assert self._plateau is not None
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._plateau.factor ** len(self._falls)

    @torch.no_grad()
    def keep_best(self) -> None:
        """Restore the weights of the best measurement, if the cell may stop early."""
        for name, kept in self._kept.items():
            self._tensors[name].copy_(kept)

    def describe(self, done: int) -> dict[str, Any]:
        """Return what was decided, for the record.

        Args:
            done: steps that were taken.
        """
        described: dict[str, Any] = {}
        if self._plateau is not None:
            described["lr_fell_at"] = [*self._falls]
        if self._cell.early_stop:
            told = f"the held-out reconstruction was lowest after step {self._best_step:,}"
            if self.has_stopped:
                told += f", and not lower in the {self._cell.early_stop:,} steps after it"
            else:
                told += ", and the training took all of its steps"
            described |= {"stopped_at": done, "scored_at": self._best_step or done, "reason": told}
        return described

    def state(self) -> State:
        """Return the state to resume from, as tensors on the CPU and plain values."""
        return {
            "steady": self._steady,
            "since": self._since,
            "falls": [*self._falls],
            "best": self._best,
            "best_step": self._best_step,
            "kept": {name: kept.cpu().clone() for name, kept in self._kept.items()},
            "has_stopped": self.has_stopped,
        }

    def restore(self, state: State) -> None:
        """Continue from a state."""
        self._steady, self._since, self._falls = state["steady"], state["since"], [*state["falls"]]
        self._best, self._best_step = state["best"], state["best_step"]
        self._kept = {name: kept.to(self._tensors[name].device) for name, kept in state["kept"].items()}
        self.has_stopped = state["has_stopped"]
        if self._falls:
            self._set_rates()
