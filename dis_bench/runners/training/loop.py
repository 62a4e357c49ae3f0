"""Training one model: draw a batch, one step of Adam, and a log of where the loss went."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dis_bench.datasets.dataset import Dataset
from dis_bench.models.autoencoder import Autoencoder, Terms
from dis_bench.models.model import Model
from dis_bench.neutral import neutral
from dis_bench.nn.compiled import check_available
from dis_bench.runners.device import computing
from dis_bench.runners.training.draws import Draws, drawing

LOG_ROWS = 200  # rows of training.csv; each is the mean over the steps since the row before


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite; the message says at which step, and which term."""


@dataclass(frozen=True)
class Progress:
    """What one step tells whoever watches: the step just done (from 1), and its losses in nats per image."""

    step: int
    loss: float
    reconstruction: float
    kl: float


@neutral()
def train(
    model: Model,
    networks: Autoencoder,
    dataset: Dataset,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    precision: str,
    kernels: str = "auto",
    log: Path,
    watch: Callable[[Progress], None],
) -> float:
    """Train networks in place by Adam (0.9, 0.999, 1e-8) on batches drawn uniformly from the dataset.

    Args:
        model: the objective.
        networks: on the device that trains; left in evaluation mode.
        dataset: on the same device.
        steps: optimiser steps.
        batch_size: images per step, drawn with replacement.
        lr: learning rate.
        seed: decides the batches and the noise.
        precision: ``fp32``, ``tf32`` for a GPU's products of fp32 numbers, or ``bf16`` for the networks'
            passes; weights and losses are fp32 in all.
        kernels: ``compiled`` or ``torch``, which compute the convolutions of a CPU; ``auto`` takes
            compiled ones where they can be used.
        log: the CSV file to write, with :data:`LOG_ROWS` rows at most.
        watch: called after each step.

    Returns:
        The seconds it took.

    Raises:
        TrainingDiverged: the loss became NaN or infinite; the log ends there.
        KernelsFailed: the compiled kernels were asked for, and cannot be compiled.
    """
    check_available(kernels, precision)
    device = next(networks.parameters()).device
    optimiser = torch.optim.Adam(networks.parameters(), lr=lr, fused=True)
    draws = Draws(len(dataset), batch_size, networks.latent_size, seed)
    rows = TrainingLog(log, networks.latent_size, steps)
    networks.train()
    start = time.perf_counter()
    with drawing(seed, device), computing(precision, kernels):
        for step in range(1, steps + 1):
            indices, noise = draws.next()
            images = dataset.images(indices).float() / dataset.pixel_max
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                terms = networks(images, noise.to(device))
            loss = model.loss(terms)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            watch(rows.add(step, measure(loss, terms).double().cpu().numpy()))
    networks.eval()
    return time.perf_counter() - start


def measure(loss: Tensor, terms: Terms) -> Tensor:
    """What the log keeps of a step: loss, reconstruction, KL of each latent [2 + D], means over the batch."""
    reconstruction = terms.reconstruction.mean()
    return torch.cat([loss.reshape(1), reconstruction.reshape(1), terms.kl.mean(0)]).detach()


class TrainingLog:
    """training.csv: step, loss, reconstruction, kl, weighted_kl, kl_0 .. kl_D-1, in nats per image.

    Each row is the mean over the steps since the row before. ``weighted_kl`` is what the objective adds
    to the reconstruction: beta times the KL for a beta-VAE.

    Args:
        path: the file to write.
        latent_size: number of latents D.
        steps: of the whole training.
    """

    def __init__(self, path: Path, latent_size: int, steps: int) -> None:
        self.path = path
        self.steps = steps
        self.every = -(-steps // LOG_ROWS)
        names = ["step", "loss", "reconstruction", "kl", "weighted_kl"]
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(names + [f"kl_{latent}" for latent in range(latent_size)])
        self._sums = np.zeros(2 + latent_size)
        self._count = 0

    def is_due(self, step: int) -> bool:
        """Whether a row ends with this step."""
        return step % self.every == 0 or step == self.steps

    def add(self, step: int, values: np.ndarray) -> Progress:
        """Take in what :func:`measure` gave of one step; write a row when one is due.

        Raises:
            TrainingDiverged: a value is NaN or infinite.
        """
        broken = not np.isfinite(values).all()
        if not broken:
            self._sums += values
            self._count += 1
        if broken or self.is_due(step):
            self.write(step, self._sums, self._count)
            self._sums[:] = 0
            self._count = 0
        if broken:
            raise diverged(step, values)
        return progress_of(step, values)

    def write(self, step: int, sums: np.ndarray, count: int) -> None:
        """Write a row from the sums of :func:`measure` over some steps, if there were any."""
        if count:
            loss, reconstruction, *kl = (sums / count).tolist()
            row = [loss, reconstruction, sum(kl), loss - reconstruction, *kl]
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([step, *(f"{value:.6g}" for value in row)])


def progress_of(step: int, values: np.ndarray) -> Progress:
    """What a watcher is told of a step, from what :func:`measure` gave."""
    return Progress(step, float(values[0]), float(values[1]), float(values[2:].sum()))


def diverged(step: int, values: np.ndarray) -> TrainingDiverged:
    """The error for a step that gave values [2 + D] of which some are not finite."""
    names = ["loss", "reconstruction", *(f"KL of latent {latent}" for latent in range(len(values) - 2))]
    bad = [f"{name} = {value}" for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return TrainingDiverged(f"the loss is not finite at step {step}: {', '.join(bad[:3])}{more}")
