"""Which cells are trained as one, how many at a time, and by which way of convolving."""

from __future__ import annotations

import dataclasses
import gc
import json
import time
from collections.abc import Iterable, Sequence

import torch

from dis_bench import registry
from dis_bench.models.patches import WAYS
from dis_bench.runners.capture import WARM_UP_CALLS
from dis_bench.runners.cell import Cell
from dis_bench.runners.machine import computing
from dis_bench.runners.pipeline import Job, Pipeline
from dis_bench.runners.ready import ReadyCell
from dis_bench.runners.stacked import Stack

LARGEST = 100  # cells of a stack: its training is lost where it is stopped, and its scoring waits for its end
FEW, MORE = 2, 8  # cells whose memory is measured, to know what one more takes
SHARE = 0.6  # of the free memory to plan with: the rest is for capturing, encoding and other programs


def group_jobs(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs that can be trained as one, in the order in which they come.

    Together are cells that share dataset, networks, budget and precision; seeds may differ, and so may
    hyperparameters that are floats.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_kind(job.cell), []).append(job)
    return list(groups.values())


def is_stackable(group: Sequence[Job], pipeline: Pipeline) -> bool:
    """Whether the model of a group says that its cells may be trained as one."""
    return registry.find("models", pipeline.models[group[0].cell.model]).load().stackable


def _kind(cell: Cell) -> str:
    """The same text for cells that can be trained as one."""
    shared = dataclasses.asdict(cell)
    del shared["seed"]
    shared["hyperparameters"] = {
        name: "a float" if isinstance(value, float) else value for name, value in cell.hyperparameters.items()
    }
    return json.dumps(shared, sort_keys=True)


def split_group(group: Sequence[Job], pipeline: Pipeline) -> list[list[Job]]:
    """A group as stacks of about one size that fit into the memory of the device."""
    most = count_fitting(group, pipeline)
    stacks = -(-len(group) // most)
    size = -(-len(group) // stacks)
    return [list(group[start : start + size]) for start in range(0, len(group), size)]


def count_fitting(group: Sequence[Job], pipeline: Pipeline) -> int:
    """How many cells of a group to train as one: at most :data:`LARGEST`, and what a GPU's memory holds.

    That comes from what a few of them were measured to take.
    """
    most = min(len(group), LARGEST)
    if pipeline.device == "cpu" or most <= MORE:
        return most
    few, more = (
        max(
            measure_stack([pipeline.prepare(job.cell) for job in group[:count]], way, steps=1).memory
            for way in WAYS
        )
        for count in (FEW, MORE)
    )
    each = max(1, (more - few) // (MORE - FEW))
    _free_memory()
    free, _ = torch.cuda.mem_get_info()
    return max(1, min(most, int(SHARE * free) // each))


def choose_way(cells: Sequence[ReadyCell]) -> str:
    """The way of convolving that takes the shortest steps for these cells; torch's own on a CPU."""
    if next(cells[0].networks.parameters()).device.type == "cpu":
        return WAYS[0]
    return min(WAYS, key=lambda way: measure_stack(cells, way, steps=5).step_seconds)


@dataclasses.dataclass(frozen=True)
class StackCost:
    """What a stack takes: seconds a step of all its cells, and bytes of a GPU's memory at most."""

    step_seconds: float
    memory: int


def measure_stack(cells: Sequence[ReadyCell], way: str, steps: int) -> StackCost:
    """Train copies of some cells' networks for a few steps, the first of which warm up and do not count."""
    on_gpu = next(cells[0].networks.parameters()).device.type == "cuda"
    if on_gpu:
        _free_memory()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved() if on_gpu else 0
    with computing(cells[0].cell.precision):
        stack = Stack(cells, way)
        drawn = stack.draw_ahead([WARM_UP_CALLS + 2, steps])  # two more to capture and to replay once
        for indices, noise in zip(*next(drawn), strict=True):
            stack.step(indices, noise)
        timed = next(drawn)
        stack.losses.latest.tolist()  # waits for the device
        start = time.perf_counter()
        for indices, noise in zip(*timed, strict=True):
            stack.step(indices, noise)
        stack.losses.latest.tolist()
        seconds = (time.perf_counter() - start) / steps
    return StackCost(seconds, torch.cuda.max_memory_reserved() - before if on_gpu else 0)


def _free_memory() -> None:
    """Let go of what earlier stacks took of the GPU's memory."""
    gc.collect()
    torch.cuda.empty_cache()
