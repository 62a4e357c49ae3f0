"""An encoder and a decoder with a likelihood: the player of every VAE and autoencoder."""

from __future__ import annotations

from torch import Tensor, nn

from dis_bench.models.given import Given
from dis_bench.models.likelihoods import LIKELIHOODS


class Autoencoder(nn.Module):
    """An encoder to the posterior's mean and log-variance, and a decoder to logits.

    Args:
        given: what the study chose.
        outputs: of the encoder; None for two per latent, from which :meth:`posterior` is made.
    """

    def __init__(self, given: Given, outputs: int | None = None) -> None:
        super().__init__()
        self.encoder = given.encoder(2 * given.latents if outputs is None else outputs)
        self.decoder = given.decoder(given.latents)
        self.negative_log_likelihood = LIKELIHOODS[given.likelihood]

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute posterior means [B, D] and log-variances [B, D] of images [B, C, H, W] in [0, 1]."""
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        return mean, logvar


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Compute the KL [B, D] from N(mean, exp(logvar)) to N(0, 1), in nats (Kingma & Welling 2014, app. B)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
