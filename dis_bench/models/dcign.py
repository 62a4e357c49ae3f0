"""DC-IGN: a VAE on batches in which one factor varies, with clamped latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.merged import MergedVAE, Posterior, assign_latents
from dis_bench.models.model import Hyperparameter, Step
from dis_bench.models.vae import FREE_BITS

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws


class DCIGN(MergedVAE):
    """VAE on batches in which one factor varies, with clamped latents (Kulkarni et al. 2015).

    Each factor that takes more than one value has a latent, in their order. In a batch where its factor
    varies a latent is active; all images take the posterior that the first image has for the other latents.
    Inactive latents get no gradient, neither from the reconstruction nor from the KL. With ``strength`` above
    0 their gradient is strength * (value - mean over the batch) instead, for means and log-variances: the
    pull to what the batch shares that the paper describes. The authors' code, whose strength is 0 by default,
    substitutes the same difference into gradients that its optimiser ascends, which by our reading pushes
    values away from the mean; and it does so in the pass back from the reconstruction and in that from the
    KL, so that its strength counts twice. It also has more latents than factors, and trains the rest of them
    together with the last factor. Here they are never active.

    The pulls of a batch sum to zero, so those on the biases of the last layer are rounding alone, which Adam
    scales up to steps of its usual size: with a strength, these biases wander by about 0.01, and a cell in a
    stack is not exactly the cell alone.
    """

    name, dial = "dcign", "strength"
    hyperparameters = (
        Hyperparameter("strength", 0.0, "pull of inactive latents to their batch's mean", low=0.0),
        Hyperparameter("beta", 1.0, "weight of the KL", low=0.0),
        FREE_BITS,
    )

    strength: float

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images that differ in one factor, its latent as bool [D], and noise."""
        from torch.nn.functional import one_hot

        images, varying = draws.sharing()
        active = one_hot(varying, len(draws.varying.places)).bool()
        return {
            "images": images,
            "active": assign_latents(active, draws.latents),
            "noise": draws.gaussian(draws.latents),
        }

    def merge(self, mean: Tensor, logvar: Tensor, batch: dict[str, Tensor]) -> Posterior:
        """Clamp inactive latents to the first image's posterior, without a gradient."""
        import torch

        active = batch["active"]
        return (
            torch.where(active, mean, mean[:1].detach()),
            torch.where(active, logvar, logvar[:1].detach()),
        )

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the loss of the only player."""
        mean, logvar = self.posterior(networks, batch["images"])
        terms = self.complete_merged(networks, mean, logvar, batch)
        loss = self.bounded_loss(terms)
        spread = measure_spread(mean, ~batch["active"]) + measure_spread(logvar, ~batch["active"])
        measures = {**self.measures(terms, loss), "inactive_spread": spread}
        return Step({"autoencoder": loss + self.strength * spread.mean()}, measures)


def measure_spread(values: Tensor, inactive: Tensor) -> Tensor:
    """Compute half the squared distance [B] of inactive latents from their mean.

    Args:
        values: of a batch [B, D]; their mean over the batch has no gradient.
        inactive: bool [D].
    """
    return (values - values.mean(0).detach()).square().mul(inactive).sum(1) / 2
