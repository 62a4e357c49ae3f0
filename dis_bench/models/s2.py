"""S2: beta-VAE and FactorVAE whose codes are pulled to the labels of some images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.models.betavae import BetaVAE
from dis_bench.models.factorvae import FactorVAE
from dis_bench.models.labels import QUALITIES
from dis_bench.models.merged import assign_latents
from dis_bench.models.model import Hyperparameter, Step
from dis_bench.models.vae import VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws

LABELS = (
    Hyperparameter("labels", 100, "labelled images, a set that the seed draws", low=1, grid=(100, 1000)),
    Hyperparameter("quality", "perfect", "quality of the labels", words=tuple(QUALITIES)),
)
ERROR = Hyperparameter("error", "xent", "loss between codes and labels", words=("xent", "l2"))
SUPERVISION = (
    # 4 in the tests of the authors' code, which sums over a batch of 64 where we average
    Hyperparameter("supervision", 256.0, "weight of the error of labels; 0 is the model without", low=0.0),
    *LABELS,
    ERROR,
)


class SemiSupervised(VAE):
    """Mix-in that adds a batch of labelled images to an objective of the family."""

    needs = ("factors",)

    supervision: float
    labels: int
    quality: str
    error: str

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw what the base draws, and append labelled images to its images."""
        import torch

        drawn, labelled = super().draw(draws), draws.labelled(self.labels, self.quality)
        assign_latents(labelled.observed, draws.latents)  # refuses fewer latents than factors
        return {
            **drawn,
            "images": torch.cat([drawn["images"], labelled.images]),
            "targets": labelled.targets,
            "observed": labelled.observed,
        }

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute the losses of the base, and add the error of labels to one of them."""
        count = len(batch["targets"])
        images, labelled = batch["images"][:-count], batch["images"][-count:]
        losses, measures = super().step(networks, {**batch, "images": images})
        means, _ = networks.autoencoder.posterior(labelled)
        error = measure_labels(means, batch["targets"], batch["observed"], self.error)
        loss = losses["autoencoder"] + self.supervision * error
        return Step({**losses, "autoencoder": loss}, {**measures, "label_error": error})


class S2BetaVAE(SemiSupervised, BetaVAE):
    """Beta-VAE with some images labelled (Locatello et al. 2020).

    The loss is that of the beta-VAE + supervision * error. Each factor that takes more than one value has a
    latent, in their order; the error compares the posterior means of a batch of labelled images with its
    labels, which go from 0 to 1. It is the cross-entropy of sigmoid(mean), or with ``l2`` its squared
    difference, summed over factors and averaged over the batch. The authors' code sums it over the batch, and
    its labels end below 1. By default its squared difference has a learned scale, in place of the sigmoid;
    without, it compares each image with the labels of all. With ``partial`` labels, its two observed factors
    have the first two latents; here they keep their own.
    """

    name, dial = "s2_betavae", "supervision"
    hyperparameters = (*SUPERVISION, *BetaVAE.hyperparameters)


class S2FactorVAE(SemiSupervised, FactorVAE):
    """FactorVAE with some images labelled (Locatello et al. 2020).

    The loss of the autoencoder is that of FactorVAE + supervision * error, with the error of ``s2_betavae``.
    """

    name, dial = "s2_factorvae", "supervision"
    hyperparameters = (*SUPERVISION, *FactorVAE.hyperparameters)


def measure_labels(codes: Tensor, targets: Tensor, observed: Tensor, error: str) -> Tensor:
    """Compute the error of codes as logits of labels.

    It is summed over factors and averaged over the batch.

    Args:
        codes: [B, D]; latent j is compared with factor j.
        targets: [B, V], from 0 to 1, with V at most D.
        observed: bool [V]; the others do not count.
        error: ``xent`` or ``l2``.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits = codes[:, : targets.shape[1]]
    targets = targets.to(logits.dtype)
    if error == "xent":
        errors = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    else:
        errors = (logits.sigmoid() - targets).square()
    return (errors * observed).sum(1).mean()
