"""InfoVAE: a VAE whose codes, taken together, are pulled towards the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.vae import Terms

KERNELS = ("gaussian", "imq")


class InfoVAE(VAE):
    """VAE with a discrepancy of its codes from the prior (Zhao et al. 2019).

    The loss is reconstruction + (1 - alpha) * KL + (alpha + lambda_mmd - 1) * MMD. With alpha 0 and
    lambda_mmd 1 it is the VAE; with alpha 1 it is the MMD-VAE, which has no KL. The squared maximum mean
    discrepancy (MMD, Gretton et al. 2012) compares the codes of a batch with as many samples of the prior, as
    a V-statistic, which is never negative. Its kernel is that of the authors' code, or an inverse
    multiquadric (Tolstikhin et al. 2018).

    Both defaults are ours. The authors' code is an MMD-VAE without noise: alpha is 1, and the MMD has a
    weight of 1 beside a squared error averaged over pixels. The Gaussian likelihood is half of a summed
    squared error, so for 64x64 in one channel that is a lambda_mmd of 2048 here; for a Bernoulli likelihood
    there is no equal. With our alpha of 0 the KL keeps the variance of posteriors, as in the other VAEs, and
    our lambda_mmd of 1000 is a round number of the same order.
    """

    name, dial = "infovae", "lambda_mmd"
    hyperparameters = (
        Hyperparameter("lambda_mmd", 1000.0, "weight of the MMD, to which alpha - 1 is added", low=0.0),
        Hyperparameter("alpha", 0.0, "share of the KL that is left out", high=1.0),
        Hyperparameter(
            "kernel",
            "gaussian",
            "kernel of the MMD: exp(-|a - b|^2 / D^2), or an inverse multiquadric",
            words=KERNELS,
        ),
        FREE_BITS,
    )

    lambda_mmd: float
    alpha: float
    kernel: str

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        starts = {name: schedule.start for name, schedule in self.schedules.items()}
        alpha = min(self.alpha, starts.get("alpha", self.alpha))
        weight = min(self.lambda_mmd, starts.get("lambda_mmd", self.lambda_mmd))
        if alpha + weight < 1:
            raise InputError(
                "alpha + lambda_mmd must be at least 1, as a negative weight of the MMD would reward codes "
                f"far from the prior, but alpha {alpha:g} and lambda_mmd {weight:g} were given."
            )

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images, noise, and samples of the prior [B, D]."""
        return {**super().draw(draws), "prior": draws.gaussian(draws.latents)}

    def loss(self, terms: Terms) -> Tensor:
        """Compute the objective, in nats per image plus the weighted MMD."""
        return (
            terms.reconstruction.mean()
            + (1 - self.alpha) * terms.kl.sum(1).mean()
            + (self.alpha + self.lambda_mmd - 1) * squared_mmd(terms.codes, terms.batch["prior"], self.kernel)
        )


def squared_mmd(codes: Tensor, prior: Tensor, kernel: str = "gaussian") -> Tensor:
    """Compute the squared MMD of samples [B, D] and [M, D] (Gretton et al. 2012).

    It is the V-statistic, in which each code is also compared with itself.
    """
    within = similarities(codes, codes, kernel).mean() + similarities(prior, prior, kernel).mean()
    return within - 2 * similarities(codes, prior, kernel).mean()


def similarities(ones: Tensor, others: Tensor, kernel: str) -> Tensor:
    """Compute the kernel [B, M] between codes [B, D] and [M, D].

    ``gaussian`` is that of the authors' code, exp(-|a - b|^2 / D^2); ``imq`` is C / (C + |a - b|^2) with C =
    2 D (Tolstikhin et al. 2018).
    """
    latents = ones.shape[1]
    distances = (ones[:, None] - others).square().sum(2)
    if kernel == "gaussian":
        return (-distances / latents**2).exp()
    return 2 * latents / (2 * latents + distances)
