"""Encoding a dataset once per model: the representation that is scored, and how well images come back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dis_bench.models.autoencoder import gaussian_kl
from dis_bench.models.likelihoods import LIKELIHOODS
from dis_bench.neutral import neutral
from dis_bench.runners.scoring.rows import ROWS, SEED, draw_rows
from dis_bench.runners.training.trainee import Trainee

BATCH = {"cpu": 64, "cuda": 2048}  # images a pass: on a CPU as many as stay in its caches

ACTIVE_VARIANCE = 0.01  # a latent is active when its posterior mean varies more (Burda et al. 2016, sec. 5.2)


@dataclass(frozen=True)
class Evaluation:
    """What a trained model makes of a sample of its dataset.

    Attributes:
        codes: [N, D], float32: posterior means, where there is a posterior.
        log_variances: of the posteriors [N, D], float32; None where there are none.
        factors: class indices [N, F] of the same rows, int64.
        measures: by name, as far as the model has them: ``reconstruction``, ``mse``, ``kl``, ``elbo``,
            ``active_latents``, ``kl_per_latent``; docs/results.md says what each is.
    """

    codes: np.ndarray
    log_variances: np.ndarray | None
    factors: np.ndarray
    measures: dict[str, Any]


@neutral()
@torch.no_grad()
def evaluate(trained: Trainee, rows: int = ROWS) -> Evaluation:
    """Encode and reconstruct a random sample of a dataset, by a model's ``encode`` and ``decode``.

    Reconstruction is that of one posterior sample, as in training, so that ELBO = -(reconstruction + KL).
    Where there is no posterior it is that of the code itself, and there is no KL; a model that makes no
    images has no reconstruction.

    Args:
        trained: a cell whose networks are in evaluation mode.
        rows: the size of the sample; the whole dataset where it is smaller.
    """
    indices = draw_rows(trained.dataset, rows)
    generator = torch.Generator().manual_seed(SEED)  # on the CPU: the same noise on every device
    noise = torch.randn(len(indices), trained.cell.latent_size, generator=generator)
    size = BATCH[trained.device.type]
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for some, draw in zip(torch.from_numpy(indices).split(size), noise.split(size), strict=True):
        for name, part in _judge(trained, trained.pixels(some), draw.to(trained.device)).items():
            parts[name].append(part.cpu())
    found = {name: torch.cat(some) for name, some in parts.items()}
    logvar = found.get("log_variances")
    return Evaluation(
        codes=found["codes"].float().numpy(),
        log_variances=None if logvar is None else logvar.float().numpy(),
        factors=np.asarray(trained.dataset.factors(indices)),
        measures=_average(found),
    )


def _judge(trained: Trainee, images: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """Compute codes [B, D] of images, and by name what they lose: numbers [B], or per latent [B, D]."""
    model, networks = trained.model, trained.networks
    mean, logvar = model.encode(networks, images)
    judged = {"codes": mean}
    if logvar is not None:
        judged |= {"log_variances": logvar, "kl": gaussian_kl(mean, logvar).double()}
    logits = model.decode(networks, mean if logvar is None else mean + (0.5 * logvar).exp() * noise)
    if logits is not None:
        reconstruction = LIKELIHOODS[trained.cell.likelihood](logits, images)
        mse = (torch.sigmoid(logits) - images).square().flatten(1).mean(1)
        judged["losses"] = torch.stack([reconstruction, mse], dim=1).double()
    return judged


def _average(found: dict[str, Tensor]) -> dict[str, Any]:
    """Average over images; the ELBO where there are both reconstruction and KL."""
    measures: dict[str, Any] = {}
    if "losses" in found:
        measures["reconstruction"], measures["mse"] = found["losses"].mean(0).tolist()
    if "kl" in found:
        measures["kl"] = sum(found["kl"].mean(0).tolist())
    if "losses" in found and "kl" in found:
        measures["elbo"] = -(measures["reconstruction"] + measures["kl"])
    measures["active_latents"] = int((found["codes"].float().numpy().var(0) > ACTIVE_VARIANCE).sum())
    if "kl" in found:
        measures["kl_per_latent"] = found["kl"].mean(0).tolist()
    return measures
