"""Scheduled hyperparameters, written before each step where the step reads them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dis_bench.models.model import Model


class Scheduling:
    """The hyperparameters of K cells that follow a schedule in at least one of them.

    The step of a stack, and a step that a GPU may have captured, reads them from tensors, which are changed
    in place. A cell that trains alone on a CPU reads Python numbers, as it does without schedules, so a
    schedule that never changes its value trains exactly like that value.

    Args:
        models: models of the cells.
        values: tensors [K] that the stack reads, by name; None for a cell that trains alone.
        device: training device.
    """

    def __init__(
        self, models: Sequence[Model], values: dict[str, Tensor] | None, device: torch.device
    ) -> None:
        self._models = models
        self._names = [*dict.fromkeys(name for model in models for name in model.schedules)]
        self._device = device
        self._read: dict[str, Tensor] = {}
        if values is not None:
            self._read = {name: values[name] for name in self._names}
        elif device.type != "cpu":
            self._read = {name: torch.zeros(1, device=device) for name in self._names}
        self._views = {} if values is not None else {name: one[0] for name, one in self._read.items()}
        self._next: list[list[list[float]]] = []
        self._on_device: Tensor | None = None
        self.begin()

    def begin(self) -> None:
        """Let a model that trains alone on a GPU read its tensors from now on."""
        for name, view in self._views.items():
            setattr(self._models[0], name, view)

    def prepare(self, progress: Sequence[float]) -> None:
        """Compute the values of the next steps, and copy them to the device together.

        Args:
            progress: progress of each step, from 0 to 1.
        """
        if not self._names:
            return
        self._next = [
            [[self._value(model, name, at) for model in self._models] for name in self._names]
            for at in progress
        ]
        if self._read:
            self._on_device = torch.tensor(self._next, device=self._device)

    def write(self, number: int) -> None:
        """Write the values of one of the steps that were prepared."""
        if self._on_device is not None:
            for place, tensor in enumerate(self._read.values()):
                tensor.copy_(self._on_device[number, place])
        elif self._names:
            for name, [value] in zip(self._names, self._next[number], strict=True):
                setattr(self._models[0], name, value)

    def end(self) -> None:
        """Give each model the end values of its schedules, until training begins again."""
        for model in self._models:
            for name in model.schedules:
                setattr(model, name, model.values[name])

    @staticmethod
    def _value(model: Model, name: str, progress: float) -> float:
        schedule = model.schedules.get(name)
        return float(model.values[name]) if schedule is None else schedule(progress)
