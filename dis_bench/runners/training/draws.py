"""What chance decides in training: which images make a batch, and the noise of the posterior's samples.

Each cell draws from generators of its own, on the CPU: the same numbers whatever device trains it, and
whatever else is trained beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from dis_bench.neutral import own_streams

MEMORY = 64 << 20  # bytes of indices and noise that are drawn ahead, at most
MOST_AHEAD = 50  # steps


class Draws:
    """One cell's batches and noise, a step at a time.

    Args:
        images: in the dataset; batches are uniform over them, with replacement.
        batch_size: images per step.
        latent_size: number of latents.
        seed: decides all of it.
    """

    def __init__(self, images: int, batch_size: int, latent_size: int, seed: int) -> None:
        self.images = images
        self.batch_size = batch_size
        self.latent_size = latent_size
        self._batches = np.random.default_rng(seed)
        self._noise = torch.Generator().manual_seed(seed)

    def next(self) -> tuple[Tensor, Tensor]:
        """Indices int64 [B] and unit Gaussian noise [B, D], both on the CPU."""
        indices = self._batches.integers(0, self.images, size=self.batch_size)
        noise = torch.randn(self.batch_size, self.latent_size, generator=self._noise)
        return torch.from_numpy(indices), noise


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global streams for a loss that draws from them; after the block they are as before.

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


def draw_ahead(cells: Sequence[Draws], spans: Iterable[int], device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """The draws of several cells beside each other, some steps at a time, on the device that trains.

    Args:
        cells: all with the same batch and latent size.
        spans: how many steps to draw each time; :func:`split_steps` gives numbers that fit into memory.
        device: where to.

    Yields:
        Indices [steps, K, B] and noise [steps, K, B, D].
    """
    lead = cells[0]
    for count in spans:
        shape = (count, len(cells), lead.batch_size)
        indices = torch.empty(shape, dtype=torch.int64)
        noise = torch.empty(*shape, lead.latent_size)
        for step in range(count):
            for number, cell in enumerate(cells):
                indices[step, number], noise[step, number] = cell.next()
        if device == "cuda":  # from pinned memory the host need not wait for the copy
            indices, noise = (part.pin_memory().to(device, non_blocking=True) for part in (indices, noise))
        yield indices, noise


def split_steps(steps: int, every: int, cells: int, batch_size: int, latent_size: int) -> Iterator[int]:
    """A training's steps as runs to draw ahead: bounded memory, and an end wherever a log row is due.

    Args:
        steps: of the whole training.
        every: steps between rows of the log.
        cells: trained beside each other.
        batch_size: images per step and cell.
        latent_size: number of latents.
    """
    bytes_per_step = cells * batch_size * (8 + 4 * latent_size)
    most = min(MOST_AHEAD, max(1, MEMORY // bytes_per_step))
    done = 0
    while done < steps:
        to_next_row = every - done % every
        count = min(most, to_next_row, steps - done)
        yield count
        done += count
