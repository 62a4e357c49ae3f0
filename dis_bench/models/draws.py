"""Random draws of training: the images, noise and orders of one cell.

Each cell draws from its own generators on the CPU, so that its numbers depend neither on the device that
trains it nor on the cells that are trained with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Draws:
    """The random draws of one cell, step by step, on the CPU.

    Args:
        images: number of images in the dataset; batches are uniform over them, with replacement.
        batch_size: images per step.
        latents: number of latents D.
        seed: seed of all draws.
        keeps: returns True for each index [N] of an image to train on; None trains on all images.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        latents: int,
        seed: int,
        keeps: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.count = images
        self.keeps = keeps
        self.batch_size = batch_size
        self.latents = latents
        self._batches = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def images(self, rows: int = 1) -> Tensor:
        """Draw indices int64 [rows * B] of images to train on."""
        drawn = self._batches.integers(0, self.count, size=rows * self.batch_size)
        return torch.from_numpy(drawn if self.keeps is None else self._replace(drawn, self.keeps))

    def gaussian(self, width: int, rows: int = 1) -> Tensor:
        """Draw unit Gaussian numbers [rows * B, width]."""
        return torch.randn(rows * self.batch_size, width, generator=self.generator)

    def uniform(self, width: int, rows: int = 1) -> Tensor:
        """Draw numbers [rows * B, width] uniformly from -1 to 1."""
        return 2 * torch.rand(rows * self.batch_size, width, generator=self.generator) - 1

    def orders(self, columns: int) -> Tensor:
        """Draw a permutation of the batch for each column: int64 [B, columns]."""
        drawn = [torch.randperm(self.batch_size, generator=self.generator) for _ in range(columns)]
        return torch.stack(drawn, dim=1)

    def _replace(self, drawn: np.ndarray, keeps: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Draw each index anew until it is kept: uniform over the images to train on."""
        lacking = np.flatnonzero(~keeps(drawn))
        while len(lacking):
            drawn[lacking] = self._batches.integers(0, self.count, size=len(lacking))
            lacking = lacking[~keeps(drawn[lacking])]
        return drawn

    def state(self) -> dict[str, Any]:
        """Return the state of the generators, as plain values and tensors."""
        return {"batches": self._batches.bit_generator.state, "numbers": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the generators to a state that :meth:`state` returned."""
        self._batches.bit_generator.state = state["batches"]
        self.generator.set_state(state["numbers"])
