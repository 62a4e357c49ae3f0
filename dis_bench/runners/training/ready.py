"""A cell that is ready to train: its objective, its networks with their first weights, and its dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dis_bench.datasets.dataset import Dataset
from dis_bench.models import build_model
from dis_bench.models.autoencoder import Autoencoder
from dis_bench.models.model import Model
from dis_bench.records.cell import Cell
from dis_bench.runners.training.loop import Progress, train


@dataclass(frozen=True)
class ReadyCell:
    """What training a cell needs.

    Attributes:
        cell: which.
        model: its objective.
        networks: on the device that trains.
        dataset: on the same device.
    """

    cell: Cell
    model: Model
    networks: Autoencoder
    dataset: Dataset

    def train(self, log: Path, watch: Callable[[Progress], None], steps: int | None = None) -> float:
        """Train it alone; see :func:`dis_bench.runners.training.loop.train`.

        Args:
            log: the CSV file to write.
            watch: called after each step.
            steps: the cell's own where None.

        Returns:
            The seconds it took.
        """
        return train(
            self.model,
            self.networks,
            self.dataset,
            steps=self.cell.steps if steps is None else steps,
            batch_size=self.cell.batch_size,
            lr=self.cell.lr,
            seed=self.cell.seed,
            precision=self.cell.precision,
            kernels=self.cell.kernels,
            log=log,
            watch=watch,
        )


def prepare(
    cell: Cell,
    models: Mapping[str, str],
    datasets: Mapping[str, Dataset],
    device: str,
    networks: Mapping[str, str] | None = None,
) -> ReadyCell:
    """Build a cell's objective and networks, and move them and the dataset to the device.

    Args:
        cell: which.
        models: what to load for each name that the cells use.
        datasets: by the name that the cells use.
        device: ``cpu`` or ``cuda``.
        networks: as for models; None where they are installed.
    """
    dataset = datasets[cell.dataset].to(device)
    model, built = build_model(
        models[cell.model],
        image_shape=dataset.image_shape,
        network=cell.network if networks is None else networks[cell.network],
        latent_size=cell.latent_size,
        likelihood=cell.likelihood,
        seed=cell.seed,
        **cell.hyperparameters,
    )
    return ReadyCell(cell, model, built.to(device), dataset)
