"""Which cells are trained as one, how many at a time, and by which way of convolving."""

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

SIZES = (25, 50, 100, 200)  # of stacks to time: the training of one is lost where it is stopped
LARGEST = 100  # where nothing can be timed
NEARLY = 0.95  # of the fastest: a smaller stack that is as fast as that is taken
FEW, MORE = 2, 8  # cells whose memory is measured, to know what one more takes
BRIEF = 200_000  # steps of all cells of a group, that take a minute: timing sizes for them would take as long
SHARE = 0.6  # of the free memory to plan with: the rest is for capturing, encoding and other programs


def group_jobs(jobs: Iterable[Job], pipeline: Pipeline) -> list[list[Job]]:
    """Jobs that can be trained as one, in the order in which they come.

    Together are cells that share dataset, networks, budget, precision and optimisers; seeds may differ, and
    so may hyperparameters that are floats.
    """
    classes = {
        name: registry.find("models", specification).load() for name, specification in pipeline.models.items()
    }
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        model = classes[job.cell.model](**job.cell.hyperparameters)
        groups.setdefault(_kind(job.cell, model), []).append(job)
    return list(groups.values())


def is_stackable(group: Sequence[Job], pipeline: Pipeline) -> bool:
    """Return True where the model and the networks of a group say that its cells may be trained as one."""
    cell = group[0].cell
    model = registry.find("models", pipeline.models[cell.model]).load()
    return model.stackable and choose_networks(pipeline.networks[cell.network]).stackable


def _kind(cell: Cell, model: Model) -> str:
    """The same text for cells that can be trained as one."""
    shared = dataclasses.asdict(cell)
    del shared["seed"]
    shared["hyperparameters"] = {
        name: "a float" if isinstance(value, float) else value for name, value in cell.hyperparameters.items()
    }
    shared["optimisers"] = {player: dataclasses.asdict(adam) for player, adam in model.optimisers().items()}
    return json.dumps(shared, sort_keys=True)


def split_group(group: Sequence[Job], size: int) -> list[list[Job]]:
    """A group as stacks of about one size, none larger than the one given."""
    size = _even(len(group), size)
    return [list(group[start : start + size]) for start in range(0, len(group), size)]


def _even(count: int, size: int) -> int:
    """The size of the largest stack where cells are spread over as few stacks as the size allows."""
    return -(-count // -(-count // size))


@dataclasses.dataclass(frozen=True)
class StackCost:
    """What a stack was measured to take.

    Attributes:
        cells: in the stack.
        way: of convolving.
        step_seconds: of a step of all its cells.
        memory: bytes of a GPU's memory at most; 0 on a CPU.
        captured: whether the steps were replayed.
    """

    cells: int
    way: str
    step_seconds: float
    memory: int
    captured: bool

    @property
    def rate(self) -> float:
        """Steps of one cell in a second."""
        return self.cells / self.step_seconds

    def __str__(self) -> str:
        how = "captured" if self.captured else "launched"
        took = f"{1000 * self.step_seconds:.4g} ms, {self.memory / 1e9:.3g} GB"
        return f"{self.cells} cells by {self.way}, {how}: {took}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """How the cells of a group are trained.

    Attributes:
        cells: of a stack, at most.
        way: of convolving.
        capture: whether to try to capture the step.
        measured: what it was chosen from.
    """

    cells: int
    way: str = WAYS[0]
    capture: bool = True
    measured: tuple[StackCost, ...] = ()


def choose_stacks(group: Sequence[Job], pipeline: Pipeline) -> Choice:
    """The way of convolving and the smallest size of a stack that train a group about as fast as any.

    On a GPU that is measured: a few cells say what memory one more takes, and whether their step can be
    captured; then each way is timed at each size that fits. A brief training is left at the few cells.

    Raises:
        RuntimeError: no way could be measured.
    """
    if pipeline.device == "cpu":
        return Choice(min(len(group), LARGEST))
    is_brief = sum(job.cell.steps for job in group) < BRIEF
    cells = [pipeline.prepare(job.cell) for job in group[: FEW if is_brief else max(SIZES)]]
    few = measure_ways(cells[:FEW], dict.fromkeys(WAYS, True))
    if not few:
        raise RuntimeError("no way of convolving works for these cells")
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
    """The ways that worked, and whether their step could be captured."""
    return {cost.way: cost.captured for cost in costs}


def count_fitting(few: Sequence[StackCost], more: Sequence[StackCost]) -> int:
    """How many cells a GPU's memory holds, from what a few and some more of them took by each way."""
    fewer, most = (max(costs, key=lambda cost: cost.memory) for costs in (few, more))
    each = (most.memory - fewer.memory) // max(1, most.cells - fewer.cells)
    if each <= 0:  # what all stacks share hid what one cell takes
        each = most.memory // most.cells
    _free_memory()
    free, _ = torch.cuda.mem_get_info()
    return max(1, int(SHARE * free) // max(1, each))


def sizes_to_try(count: int, most: int) -> list[int]:
    """Sizes of stacks for so many cells, of which so many at most fit, from small to large."""
    return sorted({_even(count, min(size, most)) for size in SIZES})


def choose_cost(measured: Sequence[StackCost]) -> StackCost:
    """The smallest stack that is nearly as fast as the fastest: less is lost where it is stopped."""
    best = max(cost.rate for cost in measured)
    good = [cost for cost in measured if cost.rate >= NEARLY * best]
    return min(good, key=lambda cost: (cost.cells, cost.step_seconds))


def measure_ways(cells: Sequence[Trainee], ways: Mapping[str, bool], steps: int = 10) -> list[StackCost]:
    """What a stack of these cells takes by each way that works; a way that fails costs a warning.

    Args:
        cells: of the stack.
        ways: of convolving, and whether to try to capture the step.
        steps: to time.

    Raises:
        RuntimeError: the device does not work any more.
    """
    costs = []
    for way, capture in ways.items():
        try:
            costs.append(measure_stack(cells, way, steps, capture))
        except RuntimeError as error:  # torch's want of memory is one, and so are cuDNN's and CUDA's own
            check_device(_device(cells))
            reason = f"{type(error).__name__}: {first_line(error)}"
            warnings.warn(f"{len(cells)} cells cannot be stacked by way of {way}: {reason}", stacklevel=2)
    return costs


def measure_stack(cells: Sequence[Trainee], way: str, steps: int, capture: bool = True) -> StackCost:
    """Train copies of some cells' networks for a few steps, the first of which warm up and do not count.

    Nor does the memory count in which cuDNN tries its algorithms while they warm up.
    """
    on_gpu = _device(cells) == "cuda"
    if on_gpu:
        _free_memory()
    before = torch.cuda.memory_reserved() if on_gpu else 0
    with computing(cells[0].cell.precision, cells[0].cell.kernels):
        stack = Training(cells, way, capture)
        # Two more to capture and to replay once; then one that takes again what was freed.
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
    """Take the steps that were drawn ahead, and wait for the device."""
    stack.take(drawn)
    assert stack.running is not None
    stack.running.latest.tolist()


def _device(cells: Sequence[Trainee]) -> str:
    return cells[0].device.type


def _free_memory() -> None:
    """Let go of what earlier stacks took of the GPU's memory."""
    gc.collect()
    torch.cuda.empty_cache()
