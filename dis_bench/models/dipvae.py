"""DIP-VAE: VAEs whose codes, over all images, have little covariance and unit variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.models.model import Hyperparameter
from dis_bench.models.vae import FREE_BITS, VAE

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.vae import Terms

GRID = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # Locatello et al. 2019, table 2


class DIPVAE1(VAE):
    """DIP-VAE-I: a VAE with a penalty on correlations of means (Kumar et al. 2018, eq. 6).

    The penalty is lambda_od * sum of C_ij^2 over ordered pairs i != j, plus ratio * lambda_od * sum of
    (C_ii - 1)^2, where C is the covariance of the means over the batch, divided by B. The grid and the ratio
    are those of Locatello et al. 2019.
    """

    name, dial = "dipvae1", "lambda_od"
    hyperparameters = (
        Hyperparameter("lambda_od", 10.0, "weight of the covariances; 0 is the VAE", low=0.0, grid=GRID),
        Hyperparameter("ratio", 10.0, "weight of the variances, in units of lambda_od", low=0.0),
        FREE_BITS,
    )

    lambda_od: float
    ratio: float

    def loss(self, terms: Terms) -> Tensor:
        """Compute minus the ELBO plus the penalty, in nats per image."""
        off_diagonal, diagonal = deviate_from_identity(self.covariance(terms))
        return super().loss(terms) + self.lambda_od * (off_diagonal + self.ratio * diagonal)

    def covariance(self, terms: Terms) -> Tensor:
        """Compute the covariance [D, D] that is penalised."""
        return covariance(terms.mean)


class DIPVAE2(DIPVAE1):
    """DIP-VAE-II: a VAE with a penalty on correlations of codes (Kumar et al. 2018, eq. 7).

    The penalty is that of DIP-VAE-I, with the mean variances of the posteriors added to the diagonal of C.
    The grid and the ratio are those of Locatello et al. 2019.
    """

    name, dial = "dipvae2", "lambda_od"
    hyperparameters = (
        Hyperparameter("lambda_od", 10.0, "weight of the covariances; 0 is the VAE", low=0.0, grid=GRID),
        Hyperparameter("ratio", 1.0, "weight of the variances, in units of lambda_od", low=0.0),
        FREE_BITS,
    )

    def covariance(self, terms: Terms) -> Tensor:
        """Compute the covariance [D, D] of codes: of their means, plus the mean variances."""
        return covariance(terms.mean) + terms.logvar.exp().mean(0).diag()


def covariance(values: Tensor) -> Tensor:
    """Compute the covariance [D, D] of values [B, D] over the batch, divided by B."""
    centred = values - values.mean(0)
    return centred.T @ centred / len(values)


def deviate_from_identity(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the sums of C_ij^2 over ordered pairs i != j, and of (C_ii - 1)^2."""
    diagonal = covariance.diagonal()
    off_diagonal = covariance - diagonal.diag()
    return off_diagonal.square().sum(), (diagonal - 1).square().sum()
