"""Models of four kinds for kills.py, which count the steps that are drawn for each cell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from dis_bench.models.adavae import AdaGVAE
from dis_bench.models.betavae import BetaVAE
from dis_bench.models.factorvae import FactorVAE
from dis_bench.models.pca import PCA

FOLDER = "KILLS_DRAWS"  # environment variable that names the folder of the counts
BATCH = 16  # of the study; the trial steps of planning have smaller ones


def count(name: str, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add a byte to the file of a model for each step that is drawn."""
    folder = os.environ.get(FOLDER)
    if folder and len(drawn["images"]) >= BATCH:
        with open(Path(folder, name), "ab", buffering=0) as file:
            file.write(b".")
    return drawn


class Steps(BetaVAE):
    """A model with one player."""

    name = "steps"

    def draw(self, draws: Any) -> dict[str, Tensor]:
        """Draw as a beta-VAE does."""
        return count(f"{self.name}-{self.beta:g}", super().draw(draws))


class Players(FactorVAE):
    """A model with two players."""

    name = "players"

    def draw(self, draws: Any) -> dict[str, Tensor]:
        """Draw as FactorVAE does."""
        return count(self.name, super().draw(draws))


class Pairs(AdaGVAE):
    """A model on pairs of images."""

    name = "pairs"

    def draw(self, draws: Any) -> dict[str, Tensor]:
        """Draw as Ada-GVAE does."""
        return count(self.name, super().draw(draws))


class Fitted(PCA):
    """A model without steps."""

    name = "fitted"
