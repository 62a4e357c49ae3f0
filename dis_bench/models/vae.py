"""VAE: the evidence lower bound, with the KL unweighted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.models.model import Model

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.autoencoder import Terms


class VAE(Model):
    """Variational autoencoder: reconstruction + KL (Kingma & Welling 2014, eq. 10)."""

    name = "vae"
    note = "its objective: β = 1"

    def loss(self, terms: Terms) -> Tensor:
        """Minus the ELBO, in nats per image."""
        return terms.reconstruction.mean() + terms.kl.sum(1).mean()
