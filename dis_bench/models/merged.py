"""Posteriors merged between images that are known, or found, to share factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.models.betavae import BetaVAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.vae import Terms

Posterior = tuple["Tensor", "Tensor"]  # means [B, D] and log-variances [B, D]


class MergedVAE(BetaVAE):
    """Beta-VAE whose posteriors are merged between images of a batch, in training alone.

    A subclass draws such images, and overrides :meth:`merge`. Sample, KL and reconstruction of a step are
    those of merged posteriors; ``encode``, and so all that is scored and recorded, sees single images.
    """

    needs = ("grid",)

    def merge(self, mean: Tensor, logvar: Tensor, batch: dict[str, Tensor]) -> Posterior:
        """Merge the posteriors of a batch: means and log-variances, of the same shape."""
        raise NotImplementedError(f"{type(self).__name__} must define merge(self, mean, logvar, batch)")

    def terms(self, networks: Any, batch: dict[str, Tensor]) -> Terms:
        """Pass a batch through the networks, with merged posteriors."""
        return self.complete_merged(networks, *self.posterior(networks, batch["images"]), batch)

    def complete_merged(self, networks: Any, mean: Tensor, logvar: Tensor, batch: dict[str, Tensor]) -> Terms:
        """Merge the posteriors of a batch, decode a sample, and complete the terms."""
        mean, logvar = self.merge(mean, logvar, batch)
        codes = mean + (0.5 * logvar).exp() * batch["noise"]
        return self.complete(networks, batch, mean, logvar, codes)


def average_mean(first: Posterior, second: Posterior) -> Posterior:
    """Average means, and variances (GVAE: Hosoya 2019)."""
    import torch

    (mean, logvar), (other, of_other) = first, second
    return (mean + other) / 2, torch.logaddexp(logvar, of_other) - torch.log(mean.new_tensor(2.0))


def average_product(first: Posterior, second: Posterior) -> Posterior:
    """Average precisions, and means by precision (ML-VAE: Bouchacourt et al. 2018).

    The variance is twice that of the product of the two Gaussians, as in the code of Locatello et al. 2020,
    so that the average of two equal posteriors is itself.
    """
    import torch

    (mean, logvar), (other, of_other) = first, second
    share = torch.sigmoid(of_other - logvar)  # of the first in the precision of both
    total = torch.logaddexp(logvar, of_other)
    merged = logvar + of_other - total + torch.log(mean.new_tensor(2.0))
    return share * mean + (1 - share) * other, merged


AVERAGES: dict[str, Callable[[Posterior, Posterior], Posterior]] = {
    "mean": average_mean,
    "product": average_product,
}


def share_latents(
    mean: Tensor, logvar: Tensor, changed: Tensor, average: Callable[[Posterior, Posterior], Posterior]
) -> Posterior:
    """Average the posteriors of both images of each pair where latents did not change.

    Args:
        mean: [2 * B, D], the first image of each pair and then their partners.
        logvar: likewise.
        changed: bool [B, D].
        average: of two posteriors.
    """
    import torch

    means, logvars = mean.chunk(2), logvar.chunk(2)
    shared = average((means[0], logvars[0]), (means[1], logvars[1]))
    merged = [
        torch.cat([torch.where(changed, own, both) for own in of_images])
        for of_images, both in zip((means, logvars), shared, strict=True)
    ]
    return merged[0], merged[1]


def compare_posteriors(mean: Tensor, logvar: Tensor) -> Tensor:
    """Compute twice the KL [B, D] of the posteriors of each pair, latent by latent.

    Args:
        mean: [2 * B, D], the first image of each pair and then their partners.
        logvar: likewise.
    """
    (mean, other), (logvar, of_other) = mean.chunk(2), logvar.chunk(2)
    difference = logvar - of_other
    return difference.exp() + (mean - other).square() * (-of_other).exp() - 1 - difference


def assign_latents(changed: Tensor, latents: int) -> Tensor:
    """Assign factors to the first latents: bool [..., V] to bool [..., D].

    The other latents are False.

    Raises:
        InputError: there are fewer latents than factors.
    """
    import torch

    factors = changed.shape[-1]
    if factors > latents:
        raise InputError(
            f"each factor takes a latent of its own, so latent_size must be at least {factors} (the factors "
            f"with more than one value), but {latents} was given."
        )
    return torch.nn.functional.pad(changed, (0, latents - factors))
