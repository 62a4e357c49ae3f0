"""AE + ICA: an autoencoder whose codes are whitened and unmixed after training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dis_bench.models.ae import AE
from dis_bench.models.pca import count_sample

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.given import Given

BATCH = 64  # images a pass


class AEICA(AE):
    """Autoencoder whose codes FastICA unmixes after training (Nelson et al. 2026).

    The codes are whitened first. The loss is that of ``ae``. FastICA stops after 500 iterations, whether it
    has converged or not; no record says which.
    """

    name, dial = "ae_ica", "weight_decay"
    baseline = True

    def build(self, given: Given) -> Any:
        """Build ``autoencoder``, and ``unmixing`` with a mean, a matrix and its inverse."""
        import torch
        from torch import nn

        players, unmixing = super().build(given), nn.Module()
        unmixing.register_buffer("mean", torch.zeros(given.latents))
        unmixing.register_buffer("unmix", torch.eye(given.latents))
        unmixing.register_buffer("mix", torch.eye(given.latents))
        players.unmixing = unmixing
        return players

    def fit(self, networks: Any, images: Callable[[int], Tensor]) -> None:
        """Fit the matrix on codes of 10,000 images drawn with the seed, or of fewer.

        They are as many images as PCA is fitted on.
        """
        import torch

        from dis_bench.models.ica import find_independent
        from dis_bench.nn.precision import networks_in

        unmixing = networks.unmixing
        with networks_in("fp32"):  # in which images are encoded when they are scored
            sample = images(count_sample(images(1)[0].numel()))
            codes = torch.cat([networks.autoencoder.encoder(some) for some in sample.split(BATCH)])
        unmixing.mean.copy_(codes.mean(0))
        found = torch.as_tensor(find_independent((codes - unmixing.mean).cpu().numpy()))
        unmixing.unmix.copy_(found)
        unmixing.mix.copy_(torch.linalg.pinv(found))

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Encode images as unmixed codes [B, D]; there is no posterior."""
        unmixing = networks.unmixing
        return (networks.autoencoder.encoder(images) - unmixing.mean) @ unmixing.unmix, None

    def decode(self, networks: Any, codes: Tensor) -> Tensor:
        """Decode unmixed codes [B, D] to logits [B, C, H, W]."""
        unmixing = networks.unmixing
        logits: Tensor = networks.autoencoder.decoder(codes @ unmixing.mix + unmixing.mean)
        return logits
