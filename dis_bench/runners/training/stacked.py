"""Training many cells as one: their networks stacked, one batched step for all.

The weights of K networks become tensors [K, ...], and ``torch.func.vmap`` runs the loss of ONE model over
them: models need not know. Adam works element by element, so each cell takes the steps that it would take
alone. This is for a GPU, which one such model leaves mostly idle.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from dis_bench.models.model import Model
from dis_bench.neutral import neutral
from dis_bench.nn.patches import convolving
from dis_bench.runners.device import computing
from dis_bench.runners.training.cuda_graph import Repeater
from dis_bench.runners.training.draws import Draws, draw_ahead, split_steps
from dis_bench.runners.training.loop import Progress, measure
from dis_bench.runners.training.ready import ReadyCell
from dis_bench.runners.training.stack_log import RunningLosses, StackLog


class Trained(NamedTuple):
    """What became of a stack.

    Attributes:
        failures: for each cell None, or why it failed.
        seconds: that all of them took.
        captured: whether a GPU replayed the steps.
    """

    failures: list[Exception | None]
    seconds: float
    captured: bool


@neutral()
def train_stack(
    cells: Sequence[ReadyCell],
    *,
    logs: Sequence[Path],
    watch: Callable[[int, Progress], None],
    way: str = "torch",
    capture: bool = True,
) -> Trained:
    """Train K cells beside each other; each as :meth:`ReadyCell.train` would alone, to rounding.

    Args:
        cells: a group of :func:`.sizes.group_jobs`. Their networks are trained in place, and left in
            evaluation mode.
        logs: the CSV file of each cell.
        watch: called with a cell's place in the stack and its latest step, some steps apart.
        way: of convolving, one of :data:`dis_bench.nn.patches.WAYS`.
        capture: whether to try to capture the step on a GPU.
    """
    first = cells[0].cell
    start = time.perf_counter()
    with computing(first.precision, first.kernels):
        stack = Stack(cells, way, capture)
        log = StackLog(logs, first.latent_size, first.steps, watch)
        spans = split_steps(first.steps, log.every, len(cells), first.batch_size, first.latent_size)
        ahead = stack.draw_ahead(spans)
        drawn = next(ahead, None)
        while drawn is not None and not log.all_failed:
            for indices, noise in zip(*drawn, strict=True):
                stack.step(indices, noise)
            steps = len(drawn[0])
            drawn = next(ahead, None)  # while the device is still at work
            log.report(steps, stack.losses)
        stack.give_back()
    return Trained(log.failures, time.perf_counter() - start, stack.captured)


class Stack:
    """Copies of K cells' networks that train as one.

    Args:
        cells: as for :func:`train_stack`.
        way: of convolving.
        capture: whether to try to capture the step on a GPU.
    """

    def __init__(self, cells: Sequence[ReadyCell], way: str = "torch", capture: bool = True) -> None:
        self.cells, self.way = cells, way
        first, networks = cells[0].cell, [one.networks for one in cells]
        self.dataset = cells[0].dataset
        self.device = next(networks[0].parameters()).device
        self.weights, self.buffers = stack_module_state(list(networks))
        self._template = copy.deepcopy(networks[0]).to("meta").train()
        self._values = _stack_values([one.model for one in cells], self.device)
        on_gpu = self.device.type == "cuda"
        self._optimiser = torch.optim.Adam(
            self.weights.values(), lr=first.lr, fused=on_gpu or None, capturable=on_gpu
        )
        # What a step reads stays in one place, as a captured step must have it.
        count, shape = len(cells) * first.batch_size, self.dataset.image_shape
        self._pixels = torch.empty((count, *shape), dtype=torch.uint8, device=self.device)
        self._noise = torch.empty(len(cells), first.batch_size, first.latent_size, device=self.device)
        self.losses = RunningLosses(len(cells), first.latent_size, self.device)
        self._repeat = Repeater(self.device, capture)

    @property
    def captured(self) -> bool:
        """Whether a GPU replays the steps by now."""
        return self._repeat.captured

    def draw_ahead(self, spans: Iterable[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Indices [steps, K, B] and noise [steps, K, B, D] for spans of steps, on the device."""
        draws = [
            Draws(len(self.dataset), one.cell.batch_size, one.cell.latent_size, one.cell.seed)
            for one in self.cells
        ]
        return draw_ahead(draws, spans, self.device.type)

    def step(self, indices: Tensor, noise: Tensor) -> None:
        """One step of all cells on images int64 [K, B] with noise [K, B, D], both on the device.

        Images are drawn before the captured part, so that a dataset may draw them in any way.
        """
        self._pixels.copy_(self.dataset.images(indices.flatten()))
        self._noise.copy_(noise)
        self._repeat(self._train_once)

    def give_back(self) -> None:
        """Give each cell's networks their weights and buffers, and leave them in evaluation mode."""
        with torch.no_grad():
            for number, one in enumerate(self.cells):
                for name, weight in one.networks.named_parameters():
                    weight.copy_(self.weights[name][number])
                for name, buffer in one.networks.named_buffers():
                    buffer.copy_(self.buffers[name][number])
                one.networks.eval()

    def _train_once(self) -> None:
        images = self._pixels.float() / self.dataset.pixel_max
        images = images.unflatten(0, self._noise.shape[:2])
        with convolving(self.way):
            losses, measured = vmap(self._pass)(self.weights, self.buffers, self._values, images, self._noise)
        self._optimiser.zero_grad()
        losses.sum().backward()  # no loss depends on another cell's weights
        self._optimiser.step()
        self.losses.add(measured)

    def _pass(
        self,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        values: dict[str, Tensor],
        images: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The loss of one cell, and what its log keeps; vmap makes it that of all."""
        model = copy.copy(self.cells[0].model)
        for name, value in values.items():
            setattr(model, name, value)
        has_bf16 = self.cells[0].cell.precision == "bf16"
        # Each weight is used once a step: there is nothing for autocast to keep.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bf16, cache_enabled=False):
            terms = functional_call(self._template, (weights, buffers), (images, noise))
        loss = model.loss(terms)
        return loss, measure(loss, terms)


def _stack_values(models: Sequence[Model], device: torch.device) -> dict[str, Tensor]:
    """The hyperparameters that are floats, as tensors [K] by name."""
    names = [name for name, value in models[0].values.items() if isinstance(value, float)]
    return {
        name: torch.tensor([float(model.values[name]) for model in models], device=device) for name in names
    }
