"""Draw the batches of several cells ahead, some steps at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dis_bench.neutral import own_streams

MEMORY = 64 << 20  # most bytes of indices and noise that are drawn ahead
MOST_AHEAD = 50  # steps

Batch = dict[str, Tensor]


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global streams, for steps that draw from them; restore them afterwards.

    Args:
        seed: seed of the cell.
        device: the training device; unlike ``torch.manual_seed``, this leaves the streams of other devices
            alone.
    """
    on_gpu = device.type == "cuda"
    with own_streams(seed), torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield


def draw_ahead(cells: Sequence[Callable[[], Batch]], spans: Iterable[int], device: str) -> Iterator[Batch]:
    """Draw the batches of several cells, some steps at a time, on the training device.

    Args:
        cells: functions that each draw one step of one cell, on the CPU.
        spans: number of steps to draw each time; :func:`split_steps` yields numbers that fit into memory.
        device: the training device.

    Yields:
        Tensors [steps, K, ...] by name.
    """
    for count in spans:
        drawn = [[draw() for draw in cells] for _ in range(count)]
        batches = {
            name: torch.stack([torch.stack([batch[name] for batch in step]) for step in drawn])
            for name in drawn[0][0]
        }
        if device == "cuda":  # with pinned memory, the host does not wait for the copy
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
    """Split the steps of a training into spans to draw ahead.

    A span has bounded memory, and ends where a log row is due.

    Args:
        start: steps done before.
        steps: steps of the whole training.
        every: steps between rows of the log.
        step_bytes: bytes of one step of all cells.
        most: most steps in a span.
        pauses: further steps after which a span ends.
    """
    most = min(most, max(1, MEMORY // step_bytes))
    done = start
    while done < steps:
        to_next_row = every - done % every
        to_pause = min((pause - done for pause in pauses if pause > done), default=steps)
        count = min(most, to_next_row, to_pause, steps - done)
        yield count
        done += count
