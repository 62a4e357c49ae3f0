"""Beta-TCVAE: a VAE whose KL is split into three parts, one of them the total correlation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from dis_bench.errors import InputError
from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.vae import Terms

ESTIMATORS = ("mws", "mss", "mss_as_published")


class BetaTCVAE(VAE):
    """VAE with the total correlation of its codes weighted by beta (Chen et al. 2018, eq. 4).

    The KL is the mutual information of images and codes, plus the total correlation of the codes, plus the KL
    of each latent's marginal. The loss is reconstruction + KL + (alpha - 1) * information + (beta - 1) *
    correlation + (gamma - 1) * KL of the marginals, with the KL in closed form: with all weights 1 it is the
    VAE exactly.

    The parts are estimated from the batch: ``mws`` weights all of its images equally (minibatch-weighted
    sampling), ``mss`` is stratified. The authors' code, and others that followed it, fill the matrix
    of stratified weights wrongly in all rows but the first; ``mss_as_published`` reproduces them. All three
    use the number N of images that are trained on, without those held out. To ``mws`` it is a constant, which
    changes no gradient: the loss contains (beta - 1) * (D - 1) * log N for D latents, 608 nats by default on
    dSprites, and the log's ``weighted_kl`` does not. Stratified weights need at least B - 1 images for
    batches of B. The grid is that of Locatello et al. 2019.
    """

    name, dial = "betatcvae", "beta"
    hyperparameters = (
        Hyperparameter(
            "beta",
            6.0,
            "weight of the total correlation; 1 is the VAE",
            low=0.0,
            grid=(1.0, 2.0, 4.0, 6.0, 8.0, 10.0),  # Locatello et al. 2019, table 2
        ),
        Hyperparameter("alpha", 1.0, "weight of the mutual information of images and codes"),
        Hyperparameter("gamma", 1.0, "weight of the KL of each latent's marginal", low=0.0),
        Hyperparameter("estimator", "mws", "estimator of the parts of the KL", words=ESTIMATORS),
        FREE_BITS,
    )

    alpha: float
    beta: float
    gamma: float
    estimator: str

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw images and noise; add the number of images to train on.

        Raises:
            InputError: there are too few for stratified weights, one of which would be negative.
        """
        import torch

        if self.estimator != "mws" and draws.available < draws.batch_size - 1:
            raise InputError(
                f"estimator {self.estimator} needs at least batch_size - 1 images to train on, but there are "
                f"{draws.available:,} for a batch_size of {draws.batch_size:,}; give a smaller batch_size "
                "or estimator mws."
            )
        return {**super().draw(draws), "dataset_size": torch.tensor(float(draws.available))}

    def loss(self, terms: Terms) -> Tensor:
        """Compute the weighted decomposition, in nats per image."""
        parts = decompose_kl(
            terms.codes, terms.mean, terms.logvar, terms.batch["dataset_size"], self.estimator
        )
        return (
            terms.reconstruction.mean()
            + terms.kl.sum(1).mean()
            + (self.alpha - 1) * parts.mutual_information
            + (self.beta - 1) * parts.total_correlation
            + (self.gamma - 1) * parts.dimension_wise_kl
        )

    def measures(self, terms: Terms, loss: Tensor) -> dict[str, Tensor]:
        """Return the measures to log, with the KL's part of the loss without log N."""
        if self.estimator != "mws":
            return super().measures(terms, loss)
        latents = terms.codes.shape[1]
        times = self.alpha - 1 + (self.beta - 1) * (latents - 1) - (self.gamma - 1) * latents
        return super().measures(terms, loss.double() - times * terms.batch["dataset_size"].double().log())


class Decomposition(NamedTuple):
    """Parts of the KL in nats, averaged over a batch; their sum is log q(z|x) - log p(z)."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_wise_kl: Tensor


def decompose_kl(
    codes: Tensor, mean: Tensor, logvar: Tensor, dataset_size: Tensor, estimator: str = "mws"
) -> Decomposition:
    """Estimate the parts of the KL from one batch (Chen et al. 2018, appendix C).

    Args:
        codes: one sample of each posterior [B, D].
        mean: posterior means [B, D].
        logvar: posterior log-variances [B, D].
        dataset_size: number of images that batches are drawn from, a scalar.
        estimator: one of :data:`ESTIMATORS`.
    """
    # Latents come first, so that the sums over posteriors run along contiguous memory.
    densities = log_density(codes.T[:, :, None], mean.T[:, None], logvar.T[:, None])  # [D, B codes, B]
    if estimator == "mws":
        weights = -(dataset_size * len(codes)).log()
    else:
        weights = stratified_weights(len(codes), dataset_size, estimator == "mss_as_published").log()
    joint = (weights + densities.sum(0)).logsumexp(1)
    product = (weights + densities).logsumexp(2).sum(0)
    conditional = log_density(codes, mean, logvar).sum(1)
    prior = -0.5 * (math.log(2 * math.pi) + codes.square()).sum(1)
    return Decomposition((conditional - joint).mean(), (joint - product).mean(), (product - prior).mean())


def log_density(codes: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Compute log N(codes; mean, exp(logvar)), element by element, in nats."""
    return -0.5 * (math.log(2 * math.pi) + logvar + (codes - mean).square() * (-logvar).exp())


def stratified_weights(size: int, dataset_size: Tensor, as_published: bool = False) -> Tensor:
    """Compute the weights [B, B] of minibatch-stratified sampling.

    In row i, posterior i has 1 / N, the next one has (N - M) / (N M), and the others have 1 / M, where N is
    the number of images to train on and M = B - 1; each row sums to 1. As published, the first two columns
    have the weights that belong on the diagonal and next to it.

    Args:
        size: of the batch, B; a batch of one image has the weight 1.
        dataset_size: N, a scalar of at least M.
        as_published: with the error of the authors' code.
    """
    import torch

    if size == 1:
        return torch.ones_like(dataset_size).expand(1, 1)
    others = size - 1
    own, stratum = 1 / dataset_size, (dataset_size - others) / (dataset_size * others)
    rows = torch.arange(size, device=dataset_size.device)
    columns = rows.expand(size, size)
    if as_published:
        at_own, at_stratum = columns == 0, columns == 1
        corner = (columns == 0) & (rows[:, None] == others - 1)
        at_own, at_stratum = at_own & ~corner, at_stratum | corner
    else:
        at_own, at_stratum = columns == rows[:, None], columns == (rows[:, None] + 1) % size
    rest = torch.full((), 1 / others, dtype=dataset_size.dtype, device=dataset_size.device)
    return torch.where(at_own, own, torch.where(at_stratum, stratum, rest))
