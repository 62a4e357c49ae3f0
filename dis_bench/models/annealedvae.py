"""AnnealedVAE: a VAE whose KL is pulled towards a capacity that grows during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.vae import Terms


class AnnealedVAE(VAE):
    """VAE whose KL follows a growing capacity C (Burgess et al. 2018, eq. 8).

    The loss is reconstruction + gamma * |KL - C|, where KL is the mean over the batch. C grows linearly from
    0, and reaches the capacity after a share of the training: a third, as in Locatello et al. 2019 (100,000
    of 300,000 steps). With a capacity of 0 it is the beta-VAE whose beta is gamma.

    In a short training C can rise before the networks have learned anything. The KL then follows it by
    latents that say nothing, if gamma is as high as the default, and the reconstruction stays where it was:
    a larger share leaves more time.
    """

    name, dial = "annealedvae", "capacity"
    hyperparameters = (
        Hyperparameter(
            "capacity",
            25.0,
            "nats of KL at the end",
            low=0.0,
            grid=(5.0, 10.0, 25.0, 50.0, 75.0, 100.0),  # Locatello et al. 2019, table 2
        ),
        Hyperparameter("gamma", 1000.0, "weight of the distance of the KL from the capacity", low=0.0),
        Hyperparameter(
            "share", 1 / 3, "share of training after which the capacity is reached", low=1e-6, high=1.0
        ),
    )

    capacity: float
    gamma: float
    share: float

    def loss(self, terms: Terms) -> Tensor:
        """Compute reconstruction + gamma * |KL - C|, in nats per image."""
        capacity = self.capacity * (terms.progress / self.share).clamp(max=1.0)
        return terms.reconstruction.mean() + self.gamma * (terms.kl.sum(1).mean() - capacity).abs()
