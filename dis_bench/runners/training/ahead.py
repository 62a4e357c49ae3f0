"""Drawing ahead: the batches of several cells beside each other, some steps at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dis_bench.neutral import own_streams

MEMORY = 64 << 20  # bytes of indices and noise that are drawn ahead, at most
MOST_AHEAD = 50  # steps

Batch = dict[str, Tensor]


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global streams for a step that draws from them; restore them after the block.

    Args:
        seed: of the cell.
        device: that trains; no other device's stream is touched, as ``torch.manual_seed`` would.
    """
    on_gpu = device.type == "cuda"
    with own_streams(seed), torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield


def draw_ahead(cells: Sequence[Callable[[], Batch]], spans: Iterable[int], device: str) -> Iterator[Batch]:
    """Draw the batches of several cells, some steps at a time, on the device that trains.

    Args:
        cells: each draws one step of one cell, on the CPU.
        spans: how many steps to draw each time; :func:`split_steps` gives numbers that fit into memory.
        device: where to.

    Yields:
        By name, tensors [steps, K, ...].
    """
    for count in spans:
        drawn = [[draw() for draw in cells] for _ in range(count)]
        batches = {
            name: torch.stack([torch.stack([batch[name] for batch in step]) for step in drawn])
            for name in drawn[0][0]
        }
        if device == "cuda":  # from pinned memory the host need not wait for the copy
            batches = {
                name: part.pin_memory().to(device, non_blocking=True) for name, part in batches.items()
            }
        yield batches


def split_steps(
    start: int,
    steps: int,
    every: int,
    step_bytes: int,
    most: int = MOST_AHEAD,
    pauses: Collection[int] = (),
) -> Iterator[int]:
    """Split a training's steps into runs to draw ahead: bounded memory, an end wherever a log row is due.

    Args:
        start: steps done before.
        steps: of the whole training.
        every: steps between rows of the log.
        step_bytes: that one step of all cells takes.
        most: steps in a run.
        pauses: further steps after which a run ends.
    """
    most = min(most, max(1, MEMORY // step_bytes))
    done = start
    while done < steps:
        to_next_row = every - done % every
        to_pause = min((pause - done for pause in pauses if pause > done), default=steps)
        count = min(most, to_next_row, to_pause, steps - done)
        yield count
        done += count
