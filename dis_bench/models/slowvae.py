"""SlowVAE: a VAE on pairs of images, between which most latents should hardly change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dis_bench.models.model import Hyperparameter
from dis_bench.models.pairs import LAWS
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.vae import Terms

FAINTEST = -30.0  # log-deviation, below which cross-entropies no longer change


class SlowVAE(VAE):
    """VAE on pairs with a Laplace prior on the steps of latents (Klindt et al. 2021).

    The loss is 2 * reconstruction + beta * KL + gamma * slowness, as in the authors' code. Slowness is the
    cross-entropy of each posterior under a Laplace distribution of the given rate around the partner's mean,
    summed over both directions, minus the entropy of one posterior. With gamma 0 the loss is twice that of a
    beta-VAE of half the beta. So the log's ``weighted_kl`` is beta / 2 * KL, what the KL costs beside
    one reconstruction, without the slowness.
    """

    name, dial = "slowvae", "gamma"
    needs = ("grid",)
    hyperparameters = (
        Hyperparameter("gamma", 10.0, "weight of the slowness", low=0.0),
        Hyperparameter("beta", 1.0, "weight of the KL", low=0.0),
        Hyperparameter("rate", 6.0, "rate of the Laplace prior on steps", low=1e-6),
        Hyperparameter("pairs", "LAP", "law of the pairs", words=LAWS),
        FREE_BITS,
    )

    gamma: float
    beta: float
    rate: float
    pairs: str

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw pairs of images, and noise for both images of each."""
        return {"images": draws.pairs(self.pairs).images, "noise": draws.gaussian(draws.latents, rows=2)}

    def loss(self, terms: Terms) -> Tensor:
        """Compute the objective, in nats per pair."""
        slowness = measure_slowness(terms.mean, terms.logvar, self.rate)
        return (
            2 * terms.reconstruction.mean()
            + self.beta * terms.kl.sum(1).mean()
            + self.gamma * slowness.sum(1).mean()
        )

    def measures(self, terms: Terms, loss: Tensor) -> dict[str, Tensor]:
        """Return the measures to log, with half the KL's part of the loss.

        That is what the KL costs beside one reconstruction, with a floor of ``free_bits`` if there is one.
        """
        slowness = self.gamma * measure_slowness(terms.mean, terms.logvar, self.rate).sum(1).mean()
        return super().measures(terms, (loss.double() - slowness.double()) / 2)


def measure_slowness(mean: Tensor, logvar: Tensor, rate: float | Tensor) -> Tensor:
    """Compute cross-entropies under the Laplace prior minus an entropy: [B, D].

    In nats: both directions of a pair, minus the mean entropy of its posteriors.

    Args:
        mean: [2 * B, D], the first image of each pair and then their partners.
        logvar: likewise.
        rate: of the Laplace prior.
    """
    (first, second), (of_first, of_second) = mean.chunk(2), logvar.chunk(2)
    entropy = 0.5 * ((of_first + of_second) / 2 + math.log(2 * math.pi * math.e))
    there, back = (
        laplace_cross_entropy(first - second, of_first, rate),
        laplace_cross_entropy(second - first, of_second, rate),
    )
    return there + back - entropy


def laplace_cross_entropy(mean: Tensor, logvar: Tensor, rate: float | Tensor) -> Tensor:
    """Compute the cross-entropy of Gaussians under a Laplace prior around 0, in nats."""
    import torch

    rate = torch.as_tensor(rate, dtype=mean.dtype, device=mean.device)
    deviation = (0.5 * logvar).clamp(min=FAINTEST).exp()
    ratio = mean / deviation
    tail = deviation * math.sqrt(2 / math.pi) * (-0.5 * ratio.square()).exp()
    return rate * (tail + mean * torch.erf(ratio / math.sqrt(2))) - torch.log(rate / 2)
