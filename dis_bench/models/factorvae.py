"""FactorVAE: a VAE with a penalty on the total correlation, which a critic estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.models.model import Adam, Hyperparameter, Step
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.given import Given


class FactorVAE(VAE):
    """VAE that adds gamma times the total correlation of codes (Kim & Mnih 2018, eq. 2).

    A critic learns to distinguish codes of one batch from codes of a second batch whose latents are shuffled
    between images; the difference of its two logits estimates the total correlation (ibid., algorithm 2).
    The grid is that of Locatello et al. 2019.
    """

    name, dial = "factorvae", "gamma"
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (
        Hyperparameter(
            "gamma",
            10.0,
            "weight of the total correlation; 0 is the VAE",
            low=0.0,
            grid=(10.0, 20.0, 30.0, 40.0, 50.0, 100.0),  # Locatello et al. 2019, table 2
        ),
        FREE_BITS,
    )

    gamma: float

    def build(self, given: Given) -> Any:
        """Build ``autoencoder`` and ``critic``."""
        from dis_bench.networks.critics import factorvae_critic

        players = super().build(given)
        players.critic = given.network(factorvae_critic(given.latents))
        return players

    def optimisers(self) -> dict[str, Adam]:
        """Return the critic's Adam, with a faster first moment (ibid., appendix A)."""
        return {"critic": Adam(lr=1e-4, betas=(0.5, 0.9))}

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw two batches of images, their noise, and a permutation per latent.

        The permutations shuffle the latents of the second batch between its images.
        """
        return {
            "images": draws.images(rows=2),
            "noise": draws.gaussian(draws.latents, rows=2),
            "orders": draws.orders(draws.latents),
        }

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the losses of the autoencoder and of the critic in one pass."""
        import torch.nn.functional as F

        (images, others), (noise, more) = batch["images"].chunk(2), batch["noise"].chunk(2)
        terms = self.terms(networks, {**batch, "images": images, "noise": noise})
        shuffled = self.sample(networks, others, more)[2].gather(0, batch["orders"])
        joint, product = networks.critic(terms.codes), networks.critic(shuffled)
        correlation = (joint[:, 0] - joint[:, 1]).mean()
        told_apart = -(F.log_softmax(joint, 1)[:, 0] + F.log_softmax(product, 1)[:, 1]).mean() / 2
        loss = self.bounded_loss(terms)
        measures = {**self.measures(terms, loss), "total_correlation": correlation}
        return Step({"autoencoder": loss + self.gamma * correlation, "critic": told_apart}, measures)
