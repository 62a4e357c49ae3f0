"""Held-out images during training: a fixed sample, measured at some rows of the log."""

from __future__ import annotations

import numpy as np
import torch

from dis_bench.records.columns import join_images
from dis_bench.runners.training.ahead import drawing
from dis_bench.runners.training.image_losses import name_losses
from dis_bench.runners.training.log import count_row_steps
from dis_bench.runners.training.steps import Training

SEED = 0  # of the sample and its noise, which are the same for every cell of a study
EVERY = 10  # rows of the log from one measurement to the next
SHARE = 0.01  # approximate share of the training time
DECIDING_EVERY, DECIDING_SHARE = 2, 0.05  # likewise, where measurements decide about rates or the end
FEWEST, MOST = 16, 512  # images
PASSES = 3  # through the networks in a step: forward, and backward for activations and for weights


def count_steps_between(steps: int) -> int:
    """Return the steps between two measurements that decide, for a number of steps."""
    return DECIDING_EVERY * count_row_steps(steps)


class HeldoutSample:
    """A sample of held-out images, and its measures by the cells of a training.

    Args:
        training: the training, whose cells hold out images.
        row_steps: steps between two rows of the log.

    Attributes:
        every: rows of the log between two measurements.
        names: names of the measures, with the prefix ``heldout_``.
    """

    def __init__(self, training: Training, row_steps: int) -> None:
        first, self._training = training.trainees[0], training
        assert first.holdout is not None
        self._adaptation = training.adaptation
        self.every, share = (EVERY, SHARE) if self._adaptation is None else (DECIDING_EVERY, DECIDING_SHARE)
        affordable = int(share * PASSES * first.cell.batch_size * row_steps * self.every)
        indices = first.holdout.draw(min(max(affordable, FEWEST), MOST), SEED)
        self._indices = torch.from_numpy(indices).to(training.device)
        generator = torch.Generator().manual_seed(SEED)
        noise = torch.randn(len(indices), first.cell.latent_size, generator=generator)
        self._noise = noise.to(training.device)
        self.names = [join_images(name, "heldout") for name in self._measure()]  # also a trial run in a stack

    def measure(self) -> np.ndarray:
        """Measure the images with the current networks: [K, len(names)].

        A training that adapts decides here, so that it has decided before anything may stop it.
        """
        measured = self._measure()
        if self._adaptation is not None:
            self._adaptation.consider(self._training.done, float(measured["reconstruction"][0]))
        return np.stack([*measured.values()], axis=1)

    def _measure(self) -> dict[str, np.ndarray]:
        """Compute means [K] over the images by name, without using any random stream."""
        first = self._training.trainees[0]
        sums: dict[str, torch.Tensor] = {}
        with drawing(first.cell.seed, self._training.device):
            size = first.cell.batch_size  # the memory of a step suffices for it
            for some, noise in zip(self._indices.split(size), self._noise.split(size), strict=True):
                found = self._training.measure_images(first.pixels(some), noise)
                for name in ("losses", "kl"):
                    if name in found:
                        sums[name] = sums.get(name, 0) + found[name].sum(1)
        means = {name: (total / len(self._indices)).cpu().numpy() for name, total in sums.items()}
        losses, kl = means.get("losses"), means.get("kl")
        return name_losses(None if losses is None else losses.T, None if kl is None else kl.sum(1))
