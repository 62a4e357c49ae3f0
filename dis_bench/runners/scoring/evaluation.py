"""Encoding a dataset once per model: the representation that is scored, and how well images come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dis_bench.datasets.dataset import Dataset
from dis_bench.models.autoencoder import Autoencoder, Terms
from dis_bench.neutral import neutral
from dis_bench.runners.scoring.rows import ROWS, SEED, draw_rows

BATCH = {"cpu": 64, "cuda": 2048}  # images a pass: on a CPU as many as stay in its caches

ACTIVE_VARIANCE = 0.01  # a latent is active when its posterior mean varies more (Burda et al. 2016, sec. 5.2)


@dataclass(frozen=True)
class Evaluation:
    """What a trained model makes of a sample of its dataset.

    Attributes:
        codes: posterior means [N, D], float32.
        log_variances: of the posteriors [N, D], float32.
        factors: class indices [N, F] of the same rows, int64.
        measures: by name: ``reconstruction``, ``mse``, ``kl``, ``elbo``, ``active_latents``,
            ``kl_per_latent``; docs/results.md says what each is.
    """

    codes: np.ndarray
    log_variances: np.ndarray
    factors: np.ndarray
    measures: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write codes, log-variances and factors as an npz file that ``numpy.load`` reads without pickle."""
        factors = self.factors.astype(np.int32)
        np.savez_compressed(path, codes=self.codes, log_variances=self.log_variances, factors=factors)


@neutral()
@torch.no_grad()
def evaluate(networks: Autoencoder, dataset: Dataset, rows: int = ROWS) -> Evaluation:
    """Encode and reconstruct a random sample of a dataset.

    Reconstruction is that of one posterior sample, as in training, so that ELBO = -(reconstruction + KL).

    Args:
        networks: in evaluation mode, on the dataset's device.
        rows: the size of the sample; the whole dataset where it is smaller.
    """
    indices = draw_rows(dataset, rows)
    codes, log_variances, losses, kls = [], [], [], []
    for images, terms in _forward(networks, dataset, torch.from_numpy(indices)):
        squared_error = (torch.sigmoid(terms.logits) - images).square().flatten(1).mean(1)
        codes.append(terms.mean.cpu())
        log_variances.append(terms.logvar.cpu())
        losses.append(torch.stack([terms.reconstruction, squared_error], dim=1).double().cpu())
        kls.append(terms.kl.double().cpu())
    means = torch.cat(codes).float().numpy()
    reconstruction, mse = torch.cat(losses).mean(0).tolist()
    kl_per_latent = torch.cat(kls).mean(0).tolist()
    kl = sum(kl_per_latent)
    return Evaluation(
        codes=means,
        log_variances=torch.cat(log_variances).float().numpy(),
        factors=np.asarray(dataset.factors(indices)),
        measures={
            "reconstruction": reconstruction,
            "mse": mse,
            "kl": kl,
            "elbo": -(reconstruction + kl),
            "active_latents": int((means.var(0) > ACTIVE_VARIANCE).sum()),
            "kl_per_latent": kl_per_latent,
        },
    )


def _forward(networks: Autoencoder, dataset: Dataset, indices: Tensor) -> Iterator[tuple[Tensor, Terms]]:
    device = next(networks.parameters()).device
    generator = torch.Generator().manual_seed(SEED)  # on the CPU: the same noise on every device
    noise = torch.randn(len(indices), networks.latent_size, generator=generator)
    size = BATCH[device.type]
    for some, draw in zip(indices.split(size), noise.split(size), strict=True):
        images = dataset.images(some).float() / dataset.pixel_max
        yield images, networks(images, draw.to(device))
