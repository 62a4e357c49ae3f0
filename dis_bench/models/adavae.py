"""Ada-GVAE and Ada-ML-VAE: beta-VAEs on pairs, which find out what two images share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dis_bench.models.merged import (
    MergedVAE,
    Posterior,
    average_mean,
    average_product,
    compare_posteriors,
    share_latents,
)
from dis_bench.models.model import Hyperparameter
from dis_bench.models.pairs import LAWS
from dis_bench.models.vae import FREE_BITS

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws

BETA = Hyperparameter(
    "beta",
    1.0,
    "weight of the KL",
    low=0.0,
    grid=(1.0, 2.0, 4.0, 6.0, 8.0, 16.0),  # Locatello et al. 2020
)
PAIRS = Hyperparameter("pairs", "k=1", "law of the pairs", words=LAWS)


class AdaGVAE(MergedVAE):
    """Beta-VAE on pairs that average the latents they share (Locatello et al. 2020).

    A latent is taken to have changed where the KL between the posteriors of the two images is in the upper
    half of the range that the KLs of this pair's latents span. The others are shared: both images take the
    average of means and the average of variances. A pair of equal posteriors shares all latents.
    """

    name, dial = "adagvae", "beta"
    hyperparameters = (BETA, PAIRS, FREE_BITS)

    pairs: str
    average: Callable[[Posterior, Posterior], Posterior] = staticmethod(average_mean)

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw pairs of images, and noise for both images of each."""
        return {"images": draws.pairs(self.pairs).images, "noise": draws.gaussian(draws.latents, rows=2)}

    def merge(self, mean: Tensor, logvar: Tensor, batch: dict[str, Tensor]) -> Posterior:
        """Average what the images of each pair share."""
        return share_latents(mean, logvar, find_changed(mean, logvar), self.average)


class AdaMLVAE(AdaGVAE):
    """Ada-GVAE with a product for the shared posterior (Locatello et al. 2020).

    Both images of a pair take the average of precisions for the latents that they share, and the mean of
    means by precision.
    """

    name, dial = "adamlvae", "beta"
    average: Callable[[Posterior, Posterior], Posterior] = staticmethod(average_product)


def find_changed(mean: Tensor, logvar: Tensor) -> Tensor:
    """Find the latents that changed within each pair: bool [B, D].

    Args:
        mean: [2 * B, D], the first image of each pair and then their partners.
        logvar: likewise.
    """
    import torch

    apart = compare_posteriors(mean, logvar).detach()
    apart = apart.clamp(max=torch.finfo(apart.dtype).max / 2)  # one that overflowed is above the middle
    return apart > (apart.amax(1, keepdim=True) + apart.amin(1, keepdim=True)) / 2
