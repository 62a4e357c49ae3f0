"""An encoder and a decoder with a likelihood: the player of every VAE and autoencoder."""

from __future__ import annotations

from torch import Tensor, nn

from dis_bench.models.given import Given
from dis_bench.models.likelihoods import LIKELIHOODS


class Autoencoder(nn.Module):
    """An encoder to the posterior's mean and log-variance, and a decoder to logits.

    Args:
        given: the study's choices.
        outputs: number of outputs of the encoder; None means two per latent, which :meth:`posterior` splits.
    """

    def __init__(self, given: Given, outputs: int | None = None) -> None:
        super().__init__()
        self.encoder = given.encoder(2 * given.latents if outputs is None else outputs)
        self.decoder = given.decoder(given.latents)
        self.negative_log_likelihood = LIKELIHOODS[given.likelihood]

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute posterior means and log-variances [B, D] of images [B, C, H, W]."""
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        return mean, logvar


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Compute the KL [B, D] of N(mean, exp(logvar)) from N(0, 1), in nats.

    Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
