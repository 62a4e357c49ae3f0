"""QLAE: an autoencoder in which each latent takes one of a few learned values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.ae import AE
from dis_bench.models.model import Adam, Hyperparameter, Step

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.given import Given


class QLAE(AE):
    """Autoencoder whose latents take the nearest of a few learned values (Hsu et al. 2023).

    The decoder is given the nearest values, and its gradient passes straight through to the encoder. Values
    are pulled towards codes and codes towards values, with weights for a reconstruction averaged over pixels,
    as published. These weights are 0.01 in the authors' settings for 3DShapes, MPI3D, Falcor3D and Isaac3D,
    and 0.001 in their file for dSprites; the weight decay is 0.001 for MPI3D and 0.1 for the others. Their
    rate is 0.001, and they have two latents per factor.

    The values are a player of their own, with neither decay nor clipping. The authors' code spares biases,
    too; here these decay and are clipped like other weights of the networks.
    """

    name, dial = "qlae", "weight_decay"
    hyperparameters = (
        Hyperparameter(
            "weight_decay",
            0.1,
            "share of each weight taken off per unit of learning rate",
            low=0.0,
            grid=(0.001, 0.1),  # of the authors' code: for MPI3D, and for the other datasets
        ),
        Hyperparameter("levels", 10, "values that each latent can take", low=2, high=1000),
        Hyperparameter("quantisation", 0.01, "pull of values towards codes, per pixel", low=0.0),
        Hyperparameter("commitment", 0.01, "pull of codes towards values, per pixel", low=0.0),
        Hyperparameter(
            "clip", 1.0, "largest size of each element of a gradient, per pixel; 0 does not clip", low=0.0
        ),
    )

    levels: int
    quantisation: float
    commitment: float
    clip: float

    def build(self, given: Given) -> Any:
        """Build ``autoencoder``, and ``codebook`` with values [D, levels] in even steps."""
        import torch
        from torch import nn

        players, codebook = super().build(given), nn.Module()
        start = torch.linspace(-0.5, 0.5, self.levels).repeat(given.latents, 1)
        codebook.register_parameter("values", nn.Parameter(start))
        players.codebook = codebook
        return players

    def optimisers(self) -> dict[str, Adam]:
        """Return Adam, with weight decay and clipping for the networks alone."""
        return {
            "autoencoder": Adam(weight_decay=self.weight_decay, clip_value=self.clip),
            "codebook": Adam(),
        }

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the loss of the autoencoder, and that of the values."""
        images, autoencoder = batch["images"], networks.autoencoder
        codes = autoencoder.encoder(images)
        values = find_nearest(codes, networks.codebook.values)
        logits = autoencoder.decoder(codes + (values - codes).detach())
        reconstruction = autoencoder.negative_log_likelihood(logits, images)
        error = (codes - values).square().mean()
        pixels = images[0].numel()
        losses = {
            "autoencoder": reconstruction.mean() + self.commitment * pixels * error,
            "codebook": self.quantisation * pixels * error,
        }
        return Step(losses, {"reconstruction": reconstruction, "quantisation_error": error})

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Encode images as the nearest values [B, D]; there is no posterior."""
        return find_nearest(networks.autoencoder.encoder(images), networks.codebook.values), None


def find_nearest(codes: Tensor, values: Tensor) -> Tensor:
    """Return the value [B, D] nearest to each code [B, D], among values [D, levels]."""
    places = (codes.detach()[:, :, None] - values.detach()).abs().argmin(2)
    return values.gather(1, places.T).T
