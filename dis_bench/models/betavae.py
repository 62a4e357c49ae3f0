"""Beta-VAE: a VAE whose KL is weighted with beta."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.vae import Terms


class BetaVAE(VAE):
    """VAE with weighted KL: reconstruction + beta * KL (Higgins et al. 2017, eq. 4).

    The grid is that of Locatello et al. 2019.
    """

    name, dial = "betavae", "beta"
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (
        Hyperparameter(
            "beta",
            4.0,
            "weight of the KL; 1 is the VAE, 0 an autoencoder",
            low=0.0,
            grid=(1.0, 2.0, 4.0, 6.0, 8.0, 16.0),  # Locatello et al. 2019, table 2
        ),
        FREE_BITS,
    )

    beta: float

    def loss(self, terms: Terms) -> Tensor:
        """Compute reconstruction + beta * KL, in nats per image."""
        return terms.reconstruction.mean() + self.beta * terms.kl.sum(1).mean()
