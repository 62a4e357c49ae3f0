"""VAE: the evidence lower bound with an unweighted KL, and the base of most objectives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.models.model import Hyperparameter, Model, Step

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.given import Given


FREE_BITS = Hyperparameter(
    "free_bits", 0.0, "floor on the KL of each latent, in nats; 0 is none", low=0.0, optional=True
)


@dataclass(frozen=True)
class Terms:
    """The terms of one batch, from which an objective is computed.

    Attributes:
        images: [B, C, H, W], in [0, 1].
        mean: posterior means [B, D].
        logvar: posterior log-variances [B, D].
        codes: one sample of the posterior [B, D].
        logits: the decoder's output for these codes [B, C, H, W]; sigmoid gives the mean image.
        reconstruction: negative log-likelihood [B], summed over pixels and channels, nats.
        kl: KL of the posterior from the unit Gaussian [B, D], nats.
        progress: a scalar from 0 at the first step to 1 at the last.
        batch: everything that ``draw`` drew for this step.
    """

    images: Tensor
    mean: Tensor
    logvar: Tensor
    codes: Tensor
    logits: Tensor
    reconstruction: Tensor
    kl: Tensor
    progress: Tensor
    batch: dict[str, Tensor]


class VAE(Model):
    """Variational autoencoder: reconstruction + KL (Kingma & Welling 2014, eq. 10)."""

    name = "vae"
    note = "its objective: β = 1"
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (FREE_BITS,)

    free_bits: float

    def loss(self, terms: Terms) -> Tensor:
        """Compute the negative ELBO, in nats per image; other objectives override this."""
        return terms.reconstruction.mean() + terms.kl.sum(1).mean()

    def build(self, given: Given) -> Any:
        """Build one player: ``autoencoder``, with ``encoder`` and ``decoder``."""
        from dis_bench.models.autoencoder import Autoencoder
        from dis_bench.models.players import Players

        return Players(autoencoder=Autoencoder(given))

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images [B] and unit Gaussian noise [B, D]."""
        return {"images": draws.images(), "noise": draws.gaussian(draws.latents)}

    def posterior(self, networks: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the posterior means and log-variances [B, D] that training samples."""
        mean, logvar = networks.autoencoder.posterior(images)
        return mean, logvar

    def sample(self, networks: Any, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute posterior means, log-variances and a sample, mean + std * noise.

        Kingma & Welling 2014, section 2.4.
        """
        mean, logvar = self.posterior(networks, images)
        return mean, logvar, mean + (0.5 * logvar).exp() * noise

    def terms(self, networks: Any, batch: dict[str, Tensor]) -> Terms:
        """Pass a batch through the networks.

        Args:
            networks: players that :meth:`build` returned.
            batch: ``images`` [B, C, H, W], ``noise`` [B, D] for the sample, ``progress``, and all else that
                ``draw`` drew.
        """
        mean, logvar, codes = self.sample(networks, batch["images"], batch["noise"])
        return self.complete(networks, batch, mean, logvar, codes)

    def complete(
        self, networks: Any, batch: dict[str, Tensor], mean: Tensor, logvar: Tensor, codes: Tensor
    ) -> Terms:
        """Decode a sample of posteriors, and complete the terms."""
        from dis_bench.models.autoencoder import gaussian_kl

        images = batch["images"]
        logits = networks.autoencoder.decoder(codes)
        return Terms(
            images=images,
            mean=mean,
            logvar=logvar,
            codes=codes,
            logits=logits,
            reconstruction=networks.autoencoder.negative_log_likelihood(logits, images),
            kl=gaussian_kl(mean, logvar),
            progress=batch["progress"],
            batch=batch,
        )

    def measures(self, terms: Terms, loss: Tensor) -> dict[str, Tensor]:
        """Return the measures to log: reconstruction, KL, and loss minus reconstruction."""
        weighted_kl = loss - terms.reconstruction.mean().double()  # a difference of large numbers
        return {"reconstruction": terms.reconstruction, "kl": terms.kl, "weighted_kl": weighted_kl}

    def bounded_loss(self, terms: Terms) -> Tensor:
        """Compute the loss with ``free_bits`` as a floor on the KL of each latent.

        A latent whose mean KL over the batch is below the floor counts as the floor, and its KL has no
        gradient. Above the floor, all of its KL counts (Kingma et al. 2016). A floor of 0 changes no bit of
        the loss, so cells with and without a floor can share a stack.
        """
        if "free_bits" not in self.values:  # the model does not declare them
            return self.loss(terms)
        floor = terms.kl.new_zeros(()) + self.free_bits
        counts = (terms.kl.mean(0) > floor) | (floor <= 0)  # a KL of 0 may be rounded to less
        return self.loss(replace(terms, kl=terms.kl.where(counts, self.free_bits)))

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the loss of the only player."""
        terms = self.terms(networks, batch)
        loss = self.bounded_loss(terms)
        return Step({"autoencoder": loss}, self.measures(terms, loss))

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute posterior means [B, D] and log-variances [B, D] of single images."""
        mean, logvar = networks.autoencoder.posterior(images)
        return mean, logvar

    def decode(self, networks: Any, codes: Tensor) -> Tensor | None:
        """Decode codes [B, D] to logits [B, C, H, W]."""
        logits: Tensor = networks.autoencoder.decoder(codes)
        return logits
