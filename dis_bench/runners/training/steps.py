"""Training steps of K cells, in which each player follows the gradient of its own loss.

One cell is a stack of one, without vmap. The weights of K > 1 networks become tensors [K, ...], and
``torch.func.vmap`` runs the step of ONE model over them, so that models need not know about stacks. Adam
works element by element, so each cell takes the same steps as alone. Stacks are for a GPU, which a single
model of this size leaves mostly idle.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from dis_bench.models.model import Adam, Model
from dis_bench.nn.batch_norm import WithoutCudnn
from dis_bench.nn.patches import convolving
from dis_bench.runners.training.adaptation import Adaptation
from dis_bench.runners.training.ahead import Batch, draw_ahead
from dis_bench.runners.training.clipping import clip_norms, clip_values
from dis_bench.runners.training.cuda_graph import Repeater
from dis_bench.runners.training.image_losses import measure_images
from dis_bench.runners.training.log import RunningMeasures, flatten
from dis_bench.runners.training.scheduling import Scheduling
from dis_bench.runners.training.trainee import Trainee


class Drawn(NamedTuple):
    """Batches of some steps, drawn ahead.

    Attributes:
        batches: tensors [steps, K, ...] by name.
        chance: the states of each cell's generators after these steps.
    """

    batches: Batch
    chance: list[dict[str, Any]]


class Training:
    """The training of K cells together.

    Args:
        trainees: cells of one group of :func:`dis_bench.runners.engines.sizes.group_jobs`, or a single cell.
            A single cell is trained in place, several as copies of their networks.
        way: convolution algorithm of a stack, one of :data:`dis_bench.nn.patches.WAYS`.
        capture: whether to try to capture the step on a GPU.

    Attributes:
        alone: whether there is a single cell, which is trained without vmap.
        weights, buffers: tensors by name, [K, ...] in a stack.
        optimiser: optimiser of the weights, with a group per player; None if no weight is trained.
        draws: each cell's generators, which are ahead of the steps.
        chance: their states as of the steps that were taken.
        done: number of steps that were taken.
        paused: seconds of pauses since this object was created.
        running: running measures; None before the first step.
        open_sums: sums [K, M] of the log's open row, with which ``running`` starts; None for zeros.
        adaptation: decisions by held-out images, of a cell that is trained alone; None without.
    """

    def __init__(self, trainees: Sequence[Trainee], way: str = "torch", capture: bool = True) -> None:
        self.trainees, self.way = trainees, way
        self.alone = len(trainees) == 1
        self.device = trainees[0].device
        games = [_Game(one.networks).train() for one in trainees]
        if self.alone:
            self._game = games[0]
            self.weights: Batch = dict(self._game.named_parameters())
            self.buffers: Batch = dict(self._game.named_buffers())
        else:
            self.weights, self.buffers = stack_module_state(list(games))
            self._game = copy.deepcopy(games[0]).to("meta").train()
        models = [one.model for one in trainees]
        self._values = _stack_values(models, self.device)
        self._scheduling = Scheduling(models, None if self.alone else self._values, self.device)
        self._clip_norm = trainees[0].cell.clip_norm
        self._players = _sort_by_player(trainees[0].networks, self.weights)
        self._adams = {player: models[0].optimisers().get(player, Adam()) for player in self._players}
        pixels = math.prod(trainees[0].dataset.image_shape)
        self._clip_values = {player: adam.clip_value * pixels for player, adam in self._adams.items()}
        self.optimiser = self._make_optimiser() if self._players else None
        self.draws = [one.draws() for one in trainees]
        self.chance = [draws.state() for draws in self.draws]
        self.done = 0
        self.paused = 0.0
        self.running: RunningMeasures | None = None
        self.open_sums: Tensor | None = None
        self._batch: Batch = {}
        self.adaptation = self._make_adaptation()
        # A captured step would go on with the rate that it was captured with.
        self._repeat = Repeater(self.device, capture and not trainees[0].cell.lr_schedule)

    @property
    def captured(self) -> bool:
        """True once a GPU replays the steps."""
        return self._repeat.captured

    def list_rates(self) -> dict[str, float]:
        """Return the learning rate of each player."""
        groups = [] if self.optimiser is None else self.optimiser.param_groups
        return {player: float(group["lr"]) for player, group in zip(self._players, groups, strict=True)}

    def step_bytes(self) -> int:
        """Return the bytes of the random draws of one step of all cells."""
        first = self.trainees[0]
        drawn = first.model.draw(first.draws())
        return len(self.trainees) * sum(part.nbytes for part in drawn.values())

    def draw_ahead(self, spans: Iterable[int]) -> Iterator[Drawn]:
        """Draw the batches of spans of steps, on the training device."""
        cells = [
            lambda one=one, draws=draws: one.model.draw(draws)
            for one, draws in zip(self.trainees, self.draws, strict=True)
        ]
        for batches in draw_ahead(cells, spans, self.device.type):
            yield Drawn(batches, [draws.state() for draws in self.draws])

    def take(self, drawn: Drawn) -> None:
        """Take the steps of batches that were drawn ahead.

        Images are drawn outside the captured part of a step, so that a dataset may draw them in any way.
        """
        count = len(drawn.batches["images"])
        self._scheduling.prepare([self._progress(self.done + number) for number in range(count)])
        for number in range(count):
            self._scheduling.write(number)
            self._lay_out({name: part[number] for name, part in drawn.batches.items()})
            self._repeat(self._train_once)
            self.done += 1
        self.chance = drawn.chance

    def give_back(self) -> None:
        """Copy weights and buffers back to each cell's networks, in evaluation mode."""
        for number, one in enumerate(self.trainees):
            if not self.alone:
                with torch.no_grad():
                    for name, weight in one.networks.named_parameters():
                        weight.copy_(self.weights[f"networks.{name}"][number])
                    for name, buffer in one.networks.named_buffers():
                        buffer.copy_(self.buffers[f"networks.{name}"][number])
            one.networks.eval()
        self._scheduling.end()

    def _progress(self, step: int) -> float:
        """Return 0 for the first step, counted from 0, and 1 for the last."""
        return min(1.0, step / max(1, self.trainees[0].cell.steps - 1))

    def go_on(self) -> None:
        """Return to training after :meth:`give_back`."""
        self._game.train()
        self._scheduling.begin()

    @torch.no_grad()
    def measure_images(self, images: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Measure images [B, C, H, W] with each cell's networks, in evaluation mode.

        Returns:
            The result of :func:`dis_bench.runners.training.image_losses.measure_images` as tensors
            [K, B, ...].
        """
        likelihood = self.trainees[0].cell.likelihood

        def measure(model: Model, networks: nn.Module) -> dict[str, Tensor]:
            return measure_images(model, networks, likelihood, images, noise)

        def measure_one(weights: Batch, buffers: Batch, values: Batch) -> dict[str, Tensor]:
            model = self._choose_model(values)
            return functional_call(self._game, (weights, buffers), (partial(measure, model),))

        self._game.eval()
        try:
            if self.alone:
                alone = measure(self.trainees[0].model, self.trainees[0].networks)
                return {name: part[None] for name, part in alone.items()}
            with convolving(self.way), WithoutCudnn():
                return vmap(measure_one)(self.weights, self.buffers, self._values)
        finally:
            self._game.train()

    def _lay_out(self, drawn: Batch) -> None:
        """Store a step's batch where the step reads it; on a GPU, always the same tensors."""
        first = self.trainees[0]
        indices = drawn["images"]
        pixels = first.dataset.images(indices.flatten())
        progress = self._progress(self.done)
        parts = {**drawn, "images": pixels.unflatten(0, indices.shape)}
        if self.device.type == "cpu":
            self._batch = {**parts, "progress": torch.full((len(self.trainees),), progress)}
            return
        if not self._batch:
            self._batch = {name: torch.empty_like(part) for name, part in parts.items()}
            self._batch["progress"] = torch.zeros(len(self.trainees), device=self.device)
        for name, part in parts.items():
            self._batch[name].copy_(part)
        self._batch["progress"].fill_(progress)

    def _train_once(self) -> None:
        pixel_max = self.trainees[0].dataset.pixel_max
        batch = {**self._batch, "images": self._batch["images"].float() / pixel_max}
        if self.alone:
            step = self._game(self.trainees[0].model.step, {name: part[0] for name, part in batch.items()})
            losses, measured = step.losses, {name: part[None] for name, part in flatten(step).items()}
        else:
            with convolving(self.way), WithoutCudnn():
                losses, measured = vmap(self._pass)(self.weights, self.buffers, self._values, batch)
        self._move(losses)
        if self.running is None:
            self.running = RunningMeasures.start(measured, self.done)
            if self.open_sums is not None:
                self.running.sums.copy_(self.open_sums)
        self.running.add(measured)

    def _pass(
        self, weights: Batch, buffers: Batch, values: Batch, batch: Batch
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Compute the losses and logged measures of one cell; vmap extends it to all."""
        step = functional_call(self._game, (weights, buffers), (self._choose_model(values).step, batch))
        return step.losses, flatten(step)

    def _choose_model(self, values: Batch) -> Model:
        """Return the model with the hyperparameters of one cell."""
        model = copy.copy(self.trainees[0].model)
        for name, value in values.items():
            setattr(model, name, value)
        return model

    def _move(self, losses: dict[str, Tensor]) -> None:
        """Update each player with the gradient of its own loss.

        The losses of all cells are summed, as none depends on another cell's weights. A weight that the loss
        does not reach has a gradient of 0.
        """
        assert self.optimiser is not None
        self.optimiser.zero_grad()
        last = [*losses][-1]
        for player, loss in losses.items():
            # Unlike torch.autograd.grad, this gives gradients the strides of their weights, for fused Adam.
            loss.sum().backward(inputs=self._players[player], retain_graph=player != last)
            for weight in self._players[player]:
                if weight.grad is None:  # Adam would leave it out, and count fewer steps for it
                    weight.grad = torch.zeros_like(weight)
            if most := self._clip_values[player]:
                clip_values(self._players[player], most)
            if self._clip_norm:
                clip_norms(self._players[player], self._clip_norm, stacked=not self.alone)
        self.optimiser.step()

    def _make_adaptation(self) -> Adaptation | None:
        cell = self.trainees[0].cell
        if not cell.adapts or self.optimiser is None:
            return None
        assert self.alone, "cells that adapt are trained alone"
        return Adaptation(cell, self.optimiser, {**self.weights, **self.buffers})

    def _make_optimiser(self) -> torch.optim.Optimizer:
        first = self.trainees[0]
        groups = []
        for player, own in self._players.items():
            adam = self._adams[player]
            lr = first.cell.lr if adam.lr is None else adam.lr
            groups.append({"params": own, "lr": lr, "betas": adam.betas, "weight_decay": adam.weight_decay})
        # Without weight decay, AdamW equals Adam bit for bit.
        return torch.optim.AdamW(groups, fused=True, capturable=self.device.type == "cuda")


class _Game(nn.Module):
    """Networks whose forward pass is a given function, so that vmap can replace weights."""

    def __init__(self, networks: nn.Module) -> None:
        super().__init__()
        self.networks = networks

    def forward(self, function: Callable[..., Any], *given: Any) -> Any:
        return function(self.networks, *given)


def _sort_by_player(networks: nn.Module, weights: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    """Group trainable weights by their player; players without any are left out."""
    players: dict[str, list[Tensor]] = {}
    for name, weight in networks.named_parameters():
        if weight.requires_grad:
            players.setdefault(name.partition(".")[0], []).append(weights[f"networks.{name}"])
    return players


def _stack_values(models: Sequence[Model], device: torch.device) -> dict[str, Tensor]:
    """Return the float hyperparameters as tensors [K] by name."""
    names = [name for name, value in models[0].values.items() if isinstance(value, float)]
    return {
        name: torch.tensor([float(model.values[name]) for model in models], device=device) for name in names
    }
