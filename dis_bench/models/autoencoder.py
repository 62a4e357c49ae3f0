"""The variational autoencoder that objectives train: encoder, decoder, likelihood, and their terms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dis_bench.errors import unknown
from dis_bench.models.likelihoods import LIKELIHOODS
from dis_bench.networks.chosen import choose_networks


@dataclass(frozen=True)
class Terms:
    """What one forward pass of one batch gives to an objective.

    Attributes:
        images: [B, C, H, W], in [0, 1].
        mean: posterior means [B, D].
        logvar: posterior log-variances [B, D].
        codes: one sample of the posterior [B, D].
        logits: the decoder's output for these codes [B, C, H, W]; sigmoid gives the mean image.
        reconstruction: negative log-likelihood [B], summed over pixels and channels, nats.
        kl: KL of the posterior from the unit Gaussian [B, D], nats.
    """

    images: Tensor
    mean: Tensor
    logvar: Tensor
    codes: Tensor
    logits: Tensor
    reconstruction: Tensor
    kl: Tensor


class Autoencoder(nn.Module):
    """An encoder with a Gaussian posterior and a decoder with a likelihood.

    Args:
        image_shape: (channels, height, width), of a size that the networks take.
        network: an installed family, ``module:Class`` or ``path/file.py:Class``.
        latent_size: number of latents D.
        likelihood: one of ``bernoulli``, ``gaussian``.

    Raises:
        InputError: an unknown name, or images of a size that the networks do not take.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        network: str = "burgess",
        latent_size: int = 10,
        likelihood: str = "bernoulli",
    ) -> None:
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise unknown("likelihood", likelihood, LIKELIHOODS)
        self.latent_size = latent_size
        networks = choose_networks(network)
        self.encoder = networks.encoder(image_shape, outputs=2 * latent_size)
        self.decoder = networks.decoder(image_shape, inputs=latent_size)
        networks.initialise(self.encoder, self.decoder)
        self.negative_log_likelihood = LIKELIHOODS[likelihood]

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior means [B, D] and log-variances [B, D] of images [B, C, H, W] in [0, 1]."""
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        return mean, logvar

    def decode(self, codes: Tensor) -> Tensor:
        """Mean images [B, C, H, W] in [0, 1] of codes [B, D]."""
        return torch.sigmoid(self.decoder(codes))

    def forward(self, images: Tensor, noise: Tensor) -> Terms:
        """One pass with the reparametrised sample mean + std * noise (Kingma & Welling 2014, sec. 2.4).

        Args:
            images: [B, C, H, W] in [0, 1].
            noise: [B, D], unit Gaussian.
        """
        mean, logvar = (
            half.float() for half in self.encode(images)
        )  # networks may run in bf16, terms do not
        codes = mean + torch.exp(0.5 * logvar) * noise
        logits = self.decoder(codes).float()
        return Terms(
            images=images,
            mean=mean,
            logvar=logvar,
            codes=codes,
            logits=logits,
            reconstruction=self.negative_log_likelihood(logits, images),
            kl=gaussian_kl(mean, logvar),
        )


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL [B, D] from N(mean, exp(logvar)) to N(0, 1), nats (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
