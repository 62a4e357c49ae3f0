"""Untrained: a VAE with its first weights, a baseline that takes no steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.vae import VAE

if TYPE_CHECKING:
    from dis_bench.models.given import Given


class Untrained(VAE):
    """VAE with its first weights: posterior means of networks that are never trained."""

    name = "untrained"
    baseline = True
    hyperparameters = ()
    stackable = False

    def build(self, given: Given) -> Any:
        """Build ``autoencoder`` with nothing in it to train."""
        return super().build(given).requires_grad_(False)
