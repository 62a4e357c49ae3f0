"""Group-VAE: a beta-VAE on pairs of images that are known to share some factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.models.adavae import BETA, PAIRS
from dis_bench.models.merged import AVERAGES, MergedVAE, Posterior, assign_latents, share_latents
from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import FREE_BITS

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws


class GroupVAE(MergedVAE):
    """Beta-VAE on pairs, with given latents averaged (Hosoya 2019; Bouchacourt et al. 2018).

    Each factor that takes more than one value has a latent, in their order; a latent is shared unless its
    factor differs between the two images, and latents beyond the factors always are. ``average`` says which
    posterior both images take for it: ``mean`` averages means and variances (GVAE), ``product`` precisions
    (ML-VAE). The public code with given labels knows of one changed factor, the last that was drawn, even
    where more changed.
    """

    name, dial = "groupvae", "beta"
    hyperparameters = (
        BETA,
        PAIRS,
        Hyperparameter("average", "mean", "how the posteriors of a pair are averaged", words=tuple(AVERAGES)),
        FREE_BITS,
    )

    pairs: str
    average: str

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw pairs of images, which latents changed in each as bool [B, D], and noise."""
        pairs = draws.pairs(self.pairs)
        return {
            "images": pairs.images,
            "changed": assign_latents(pairs.changed, draws.latents),
            "noise": draws.gaussian(draws.latents, rows=2),
        }

    def merge(self, mean: Tensor, logvar: Tensor, batch: dict[str, Tensor]) -> Posterior:
        """Average the latents whose factors the images of each pair share."""
        return share_latents(mean, logvar, batch["changed"], AVERAGES[self.average])
