"""Choose which cells to stack, how many, and with which convolution algorithm."""

from __future__ import annotations

import dataclasses
import gc
import json
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch

from dis_bench import registry
from dis_bench.bars import bar
from dis_bench.models.model import Model
from dis_bench.networks.chosen import choose_networks
from dis_bench.nn.patches import WAYS
from dis_bench.records.cell import Cell
from dis_bench.runners.device import check_device, computing
from dis_bench.runners.job import Job, Pipeline
from dis_bench.runners.training.cuda_graph import WARM_UP_CALLS, first_line
from dis_bench.runners.training.steps import Drawn, Training
from dis_bench.runners.training.trainee import Trainee

SIZES = (25, 50, 100, 200)  # stack sizes to time
LARGEST = 100  # stack size if nothing can be timed
NEARLY = 0.95  # share of the highest rate at which a smaller stack is preferred
FEW, MORE = 2, 8  # stack sizes from which the memory of another cell is estimated
BRIEF = 200_000  # total steps below which timing sizes would take as long as the training (about a minute)
SHARE = 0.6  # usable share of the free memory; the rest is for capturing, encoding and other programs


def group_jobs(jobs: Iterable[Job], pipeline: Pipeline) -> list[list[Job]]:
    """Group jobs whose cells can be trained as one, in their order.

    The cells of a group share dataset, networks, budget, precision and optimisers; seeds, hyperparameters
    that are floats, and their schedules may differ.
    """
    classes = {
        name: registry.find("models", specification).load() for name, specification in pipeline.models.items()
    }
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        model = classes[job.cell.model](**job.cell.given)
        groups.setdefault(_kind(job.cell, model), []).append(job)
    return list(groups.values())


def is_stackable(group: Sequence[Job], pipeline: Pipeline) -> bool:
    """Return True if model and networks of a group can be stacked, and no cell adapts."""
    cell = group[0].cell
    if cell.adapts:  # each would fall or stop at a step of its own
        return False
    model = registry.find("models", pipeline.models[cell.model]).load()
    return model.stackable and choose_networks(pipeline.networks[cell.network]).stackable


def _kind(cell: Cell, model: Model) -> str:
    """Return a key that is the same for cells that can be trained as one."""
    shared = dataclasses.asdict(cell)
    del shared["seed"], shared["schedules"]
    shared["hyperparameters"] = {
        name: "a float" if isinstance(value, float) else value for name, value in model.values.items()
    }
    shared["optimisers"] = {player: dataclasses.asdict(adam) for player, adam in model.optimisers().items()}
    return json.dumps(shared, sort_keys=True)


def split_group(group: Sequence[Job], size: int) -> list[list[Job]]:
    """Split a group into stacks of about equal size, none larger than the given one."""
    size = _even(len(group), size)
    return [list(group[start : start + size]) for start in range(0, len(group), size)]


def _even(count: int, size: int) -> int:
    """Return the size of the largest stack if cells are spread over the fewest stacks."""
    return -(-count // -(-count // size))


@dataclasses.dataclass(frozen=True)
class StackCost:
    """The measured cost of a stack.

    Attributes:
        cells: number of cells in the stack.
        way: convolution algorithm.
        step_seconds: seconds of a step of all its cells.
        memory: peak bytes of GPU memory; 0 on a CPU.
        captured: whether the steps were replayed.
    """

    cells: int
    way: str
    step_seconds: float
    memory: int
    captured: bool

    @property
    def rate(self) -> float:
        """Cell steps per second, summed over the stack."""
        return self.cells / self.step_seconds

    def __str__(self) -> str:
        how = "captured" if self.captured else "launched"
        took = f"{1000 * self.step_seconds:.4g} ms, {self.memory / 1e9:.3g} GB"
        return f"{self.cells} cells by {self.way}, {how}: {took}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """The way in which the cells of a group are trained.

    Attributes:
        cells: largest number of cells in a stack.
        way: convolution algorithm.
        capture: whether to try to capture the step.
        measured: the costs from which it was chosen.
    """

    cells: int
    way: str = WAYS[0]
    capture: bool = True
    measured: tuple[StackCost, ...] = ()


def choose_stacks(group: Sequence[Job], pipeline: Pipeline) -> Choice:
    """Choose the algorithm and the smallest stack size that are about the fastest.

    On a GPU they are measured: a few cells show how much memory another one needs, and whether their step can
    be captured; then each algorithm is timed at each size that fits. For a brief training, only the few cells
    are measured.

    Raises:
        RuntimeError: no algorithm could be measured.
    """
    if pipeline.device == "cpu":
        return Choice(min(len(group), LARGEST))
    is_brief = sum(job.cell.steps for job in group) < BRIEF
    cells = [pipeline.prepare(job.cell) for job in group[: FEW if is_brief else max(SIZES)]]
    few = measure_ways(cells[:FEW], dict.fromkeys(WAYS, True))
    if not few:
        raise RuntimeError("no convolution algorithm works for these cells")
    if is_brief:
        best = choose_cost(few)
        most = min(LARGEST, count_fitting(few, few))
        return Choice(_even(len(group), most), best.way, best.captured, tuple(few))
    more = measure_ways(cells[:MORE], _ways_of(few)) if len(cells) > FEW else few
    measured = [*few, *more]
    if more:
        sizes = sizes_to_try(len(group), count_fitting(few, more))
        for size in bar(sizes, desc="timing stacks", unit="size", delay=0):
            measured += measure_ways(cells[:size], _ways_of(more)) if size > MORE else []
    best = choose_cost(measured)
    return Choice(best.cells, best.way, best.captured, tuple(dict.fromkeys(measured)))


def _ways_of(costs: Sequence[StackCost]) -> dict[str, bool]:
    """Return the algorithms that worked, and whether their step could be captured."""
    return {cost.way: cost.captured for cost in costs}


def count_fitting(few: Sequence[StackCost], more: Sequence[StackCost]) -> int:
    """Estimate the number of cells that fit into GPU memory from two stack sizes.

    Args:
        few: costs of a few cells, by algorithm.
        more: costs of more cells, by algorithm.
    """
    fewer, most = (max(costs, key=lambda cost: cost.memory) for costs in (few, more))
    each = (most.memory - fewer.memory) // max(1, most.cells - fewer.cells)
    if each <= 0:  # memory that every stack needs hid that of single cells
        each = most.memory // most.cells
    _free_memory()
    free, _ = torch.cuda.mem_get_info()
    return max(1, int(SHARE * free) // max(1, each))


def sizes_to_try(count: int, most: int) -> list[int]:
    """Return the stack sizes to time for a number of cells, in ascending order.

    Args:
        count: number of cells to train.
        most: number of cells that fit into memory.
    """
    return sorted({_even(count, min(size, most)) for size in SIZES})


def choose_cost(measured: Sequence[StackCost]) -> StackCost:
    """Choose the smallest stack that is nearly as fast as the fastest one."""
    best = max(cost.rate for cost in measured)
    good = [cost for cost in measured if cost.rate >= NEARLY * best]
    return min(good, key=lambda cost: (cost.cells, cost.step_seconds))


def measure_ways(cells: Sequence[Trainee], ways: Mapping[str, bool], steps: int = 10) -> list[StackCost]:
    """Measure the cost of a stack with each algorithm; warn about those that fail.

    Args:
        cells: cells of the stack.
        ways: whether to try to capture the step, by convolution algorithm.
        steps: number of steps to time.

    Raises:
        RuntimeError: the device no longer works.
    """
    costs = []
    for way, capture in ways.items():
        try:
            costs.append(measure_stack(cells, way, steps, capture))
        except RuntimeError as error:  # out of memory, in torch, cuDNN or CUDA, is one
            check_device(_device(cells))
            reason = f"{type(error).__name__}: {first_line(error)}"
            warnings.warn(f"{len(cells)} cells cannot be stacked with {way}: {reason}", stacklevel=2)
    return costs


def measure_stack(cells: Sequence[Trainee], way: str, steps: int, capture: bool = True) -> StackCost:
    """Measure the cost of a stack, by training copies of networks for a few steps.

    The first steps are a warm-up that does not count, and neither does the memory in which cuDNN then tries
    its algorithms.
    """
    on_gpu = _device(cells) == "cuda"
    if on_gpu:
        _free_memory()
    before = torch.cuda.memory_reserved() if on_gpu else 0
    with computing(cells[0].cell.precision, cells[0].cell.kernels):
        stack = Training(cells, way, capture)
        # Two more steps to capture and replay once; then one to allocate the freed memory again.
        drawn = stack.draw_ahead([WARM_UP_CALLS + 2, 1, steps])
        _take(stack, next(drawn))
        if on_gpu:
            torch.cuda.synchronize()
            _free_memory()
            torch.cuda.reset_peak_memory_stats()
        _take(stack, next(drawn))
        timed = next(drawn)
        start = time.perf_counter()
        _take(stack, timed)
        seconds = (time.perf_counter() - start) / steps
    memory = torch.cuda.max_memory_reserved() - before if on_gpu else 0
    return StackCost(len(cells), way, seconds, memory, stack.captured)


def _take(stack: Training, drawn: Drawn) -> None:
    """Take the steps of drawn batches, and wait for the device."""
    stack.take(drawn)
    assert stack.running is not None
    stack.running.latest.tolist()


def _device(cells: Sequence[Trainee]) -> str:
    return cells[0].device.type


def _free_memory() -> None:
    """Free the GPU memory of earlier stacks."""
    gc.collect()
    torch.cuda.empty_cache()
