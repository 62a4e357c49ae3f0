"""Training one model: draw a batch, one step of Adam, and a log of where the loss went."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dis_bench.datasets.dataset import Dataset
from dis_bench.models.autoencoder import Autoencoder, Terms
from dis_bench.models.model import Model

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
        precision: ``fp32``, or ``bf16`` for the networks' passes; weights and losses are fp32 in both.
        log: the CSV file to write, with :data:`LOG_ROWS` rows at most.
        watch: called after each step.

    Returns:
        The seconds it took.

    Raises:
        TrainingDiverged: the loss became NaN or infinite; the log ends there.
    """
    device = next(networks.parameters()).device
    optimiser = torch.optim.Adam(networks.parameters(), lr=lr)
    noise = torch.Generator(device).manual_seed(seed)
    batches = draw_batches(dataset, batch_size, seed)
    networks.train()
    start = time.perf_counter()
    with torch.random.fork_rng(devices=[]), open(log, "w", newline="", encoding="utf-8") as file:
        torch.manual_seed(seed)  # for a loss that draws numbers of its own
        rows = TrainingLog(file, networks.latent_size, every=-(-steps // LOG_ROWS))
        for step in range(1, steps + 1):
            images = next(batches)
            draw = torch.randn(batch_size, networks.latent_size, device=device, generator=noise)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                terms = networks(images, draw)
            loss = model.loss(terms)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            progress = rows.add(step, loss.detach(), terms, last=step == steps)
            watch(progress)
    networks.eval()
    return time.perf_counter() - start


def draw_batches(dataset: Dataset, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches [B, C, H, W] of images in [0, 1], uniform over the whole grid, without end."""
    rng = np.random.default_rng(seed)
    while True:
        indices = torch.from_numpy(rng.integers(0, len(dataset), size=batch_size))
        yield dataset.images(indices).float() / dataset.pixel_max


class TrainingLog:
    """training.csv: step, loss, reconstruction, kl, weighted_kl, kl_0 .. kl_D-1, in nats per image.

    Each row is the mean over the steps since the row before. ``weighted_kl`` is what the objective adds
    to the reconstruction: beta times the KL for a beta-VAE.
    """

    def __init__(self, file, latent_size: int, every: int) -> None:
        self.writer = csv.writer(file)
        self.every = every
        names = ["step", "loss", "reconstruction", "kl", "weighted_kl"]
        self.writer.writerow(names + [f"kl_{latent}" for latent in range(latent_size)])
        self.sums = np.zeros(2 + latent_size)
        self.count = 0

    def add(self, step: int, loss: Tensor, terms: Terms, last: bool) -> Progress:
        """Take in one step; write a row when one is due.

        Raises:
            TrainingDiverged: a term is NaN or infinite.
        """
        means = torch.cat(
            [loss.reshape(1), terms.reconstruction.detach().mean().reshape(1), terms.kl.detach().mean(0)]
        )
        values = means.double().cpu().numpy()
        if not np.isfinite(values).all():
            self._write(step)
            raise TrainingDiverged(_where(step, values))
        self.sums += values
        self.count += 1
        if step % self.every == 0 or last:
            self._write(step)
        return Progress(step, float(values[0]), float(values[1]), float(values[2:].sum()))

    def _write(self, step: int) -> None:
        if self.count:
            loss, reconstruction, *kl = (self.sums / self.count).tolist()
            row = [loss, reconstruction, sum(kl), loss - reconstruction, *kl]
            self.writer.writerow([step, *(f"{value:.6g}" for value in row)])
        self.sums[:] = 0
        self.count = 0


def _where(step: int, values: np.ndarray) -> str:
    names = ["loss", "reconstruction", *(f"KL of latent {latent}" for latent in range(len(values) - 2))]
    bad = [f"{name} = {value}" for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return f"the loss is not finite at step {step}: {', '.join(bad[:3])}{more}"
