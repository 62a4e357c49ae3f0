"""Models of four kinds for kills.py, which count the steps of all cells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from dis_bench.models.adavae import AdaGVAE
from dis_bench.models.betavae import BetaVAE
from dis_bench.models.factorvae import FactorVAE
from dis_bench.models.model import Step
from dis_bench.models.pca import PCA

FOLDER = "KILLS_STEPS"  # environment variable that names the folder of the counts
BATCH = 16  # of the study; the trial steps of planning have smaller ones


def count(name: str, batch: dict[str, Tensor]) -> None:
    """Add a byte to the file of a model for a step, unless it is a trial."""
    folder = os.environ.get(FOLDER)
    if folder and len(batch["images"]) >= BATCH:
        with open(Path(folder, name), "ab", buffering=0) as file:
            file.write(b".")


class Steps(BetaVAE):
    """A model with one player."""

    name = "steps"

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Take a step as a beta-VAE does."""
        count(f"{self.name}-{self.beta:g}", batch)
        return super().step(networks, batch)


class Players(FactorVAE):
    """A model with two players."""

    name = "players"

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Take a step as FactorVAE does."""
        count(self.name, batch)
        return super().step(networks, batch)


class Pairs(AdaGVAE):
    """A model on pairs of images."""

    name = "pairs"

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Take a step as Ada-GVAE does."""
        count(self.name, batch)
        return super().step(networks, batch)


class Fitted(PCA):
    """A model without steps."""

    name = "fitted"
