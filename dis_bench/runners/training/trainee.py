"""A cell that is ready to train: its model, its initialised networks and its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.holdout import HeldOut
from dis_bench.datasets.weighted import WeightedGrid
from dis_bench.models.building import build_model, takes_steps
from dis_bench.models.draws import Draws
from dis_bench.models.model import Model
from dis_bench.records.cell import Cell
from dis_bench.runners.training_images import TrainingImages

LARGEST_ORDER = 1 << 24  # images that are put in a random order; from larger datasets a few are drawn
DRAWN_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Trainee:
    """A cell with everything that its training needs.

    Attributes:
        cell: the settings.
        model: the objective.
        networks: the networks, on the training device.
        dataset: the dataset, on the same device.
    """

    cell: Cell
    model: Model
    networks: nn.Module
    dataset: Dataset

    @property
    def device(self) -> torch.device:
        """The training device."""
        return torch.device(self.dataset.device)

    @property
    def is_trained_by_steps(self) -> bool:
        """True if there are weights to train; other models fill their buffers in ``fit``."""
        return takes_steps(self.networks)

    @property
    def holdout(self) -> HeldOut | None:
        """The images that the cell is not trained on, or None."""
        return self._chosen.find_held_out(self.dataset)

    @property
    def correlation(self) -> WeightedGrid | None:
        """The weights of correlated factors, held-out images included, or None."""
        return self._chosen.find_correlation(self.dataset)

    @property
    def _chosen(self) -> TrainingImages:
        return TrainingImages(self.cell.holdout, self.cell.holdout_rule, self.cell.correlate)

    def draws(self) -> Draws:
        """Create the cell's own random generators."""
        cell = self.cell
        return self._chosen.make_draws(self.dataset, cell.batch_size, cell.latent_size, cell.seed)

    def images(self, count: int) -> Tensor:
        """Draw images [count, C, H, W] to train on, in [0, 1].

        They are drawn without replacement, and with replacement if factors are correlated.
        """
        if self.cell.correlate:
            batch = self._chosen.make_draws(self.dataset, count, self.cell.latent_size, self.cell.seed)
            return self.pixels(batch.images().to(self.device))
        if len(self.dataset) > LARGEST_ORDER:
            return self.pixels(torch.from_numpy(self._draw_few(count)).to(self.device))
        generator = torch.Generator().manual_seed(self.cell.seed)
        order = torch.randperm(len(self.dataset), generator=generator)
        if self.holdout is not None:
            order = order[torch.from_numpy(self.holdout.keeps(order.numpy()))]
        return self.pixels(order[:count].to(self.device))

    def _draw_few(self, count: int) -> np.ndarray:
        """Draw indices int64 [count] without replacement, without an order of all images."""
        held, total = self.holdout, len(self.dataset)
        count = min(count, total if held is None else total - held.size)
        rng, found = np.random.default_rng(self.cell.seed), np.empty(0, dtype=np.int64)
        while len(found) < count:
            drawn = rng.integers(0, total, size=max(count, DRAWN_AT_ONCE))
            kept = drawn if held is None else drawn[held.keeps(drawn)]
            found = np.concatenate([found, kept])
            _, places = np.unique(found, return_index=True)
            found = found[np.sort(places)]
        return found[:count]

    def pixels(self, indices: Tensor) -> Tensor:
        """Return the images [B, C, H, W] in [0, 1] at indices [B]."""
        return self.dataset.images(indices).float() / self.dataset.pixel_max


def prepare(
    cell: Cell,
    models: Mapping[str, str],
    datasets: Mapping[str, Dataset],
    device: str,
    networks: Mapping[str, str] | None = None,
) -> Trainee:
    """Build a cell's model and networks, and move them and the dataset to the device.

    Args:
        cell: the cell.
        models: specification of each model, by the name that the cells use.
        datasets: datasets, by the name that the cells use.
        device: ``cpu`` or ``cuda``.
        networks: specifications as for models; None if the networks are installed.
    """
    dataset = datasets[cell.dataset].to(device)
    model, built = build_model(
        models[cell.model],
        image_shape=dataset.image_shape,
        network=cell.network if networks is None else networks[cell.network],
        latent_size=cell.latent_size,
        likelihood=cell.likelihood,
        seed=cell.seed,
        **cell.given,
    )
    return Trainee(cell, model, built.to(device), dataset)
