"""Encode a dataset once per model: the scored representation, and reconstruction losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dis_bench.neutral import neutral
from dis_bench.records.codes import round_log_variances
from dis_bench.records.columns import join_images
from dis_bench.records.schema import ACTIVE_VARIANCE
from dis_bench.runners import passes
from dis_bench.runners.passes import BATCH
from dis_bench.runners.scoring.rows import ROWS, SEED, draw_rows, read_factors
from dis_bench.runners.training.image_losses import measure_images, name_losses
from dis_bench.runners.training.trainee import Trainee


@dataclass(frozen=True)
class Evaluation:
    """A trained model's codes and losses on a sample of its dataset.

    Attributes:
        codes: [N, D], float32: posterior means if there is a posterior.
        log_variances: log-variances of the posteriors [N, D], float32, or None.
        factors: class indices [N, F] of the same rows, int64, or None.
        measures: measures by name, as far as the model has them: ``reconstruction``, ``mse``, ``kl``,
            ``elbo``, ``active_latents``, ``kl_per_latent``; docs/results.md describes each.
    """

    codes: np.ndarray
    log_variances: np.ndarray | None
    factors: np.ndarray | None
    measures: dict[str, Any]


@neutral()
@torch.no_grad()
def evaluate(trained: Trainee, rows: int = ROWS) -> Evaluation:
    """Encode and reconstruct a random sample of a dataset.

    Reconstruction is that of one posterior sample, as in training, so that ELBO = -(reconstruction + KL).
    Without a posterior it is that of the code itself, and there is no KL; a model without a decoder has no
    reconstruction.

    Args:
        trained: a cell whose networks are in evaluation mode.
        rows: size of the sample; a smaller dataset is used as a whole.
    """
    indices = draw_rows(trained.dataset, rows)
    found = _measure(trained, indices)
    measures = _average(found)
    measures["active_latents"] = int((found["codes"].float().numpy().var(0) > ACTIVE_VARIANCE).sum())
    if "kl" in found:
        measures["kl_per_latent"] = found["kl"].mean(0).tolist()
    return _gather(trained, indices, found, measures)


@neutral()
@torch.no_grad()
def evaluate_others(trained: Trainee, rows: int = ROWS) -> dict[str, Evaluation]:
    """Evaluate images other than the study's sample, if the cell has any to look at.

    These are images that are held out, drawn without replacement, and images whose factors are correlated as
    in training, drawn by weight with replacement.

    Args:
        trained: a cell whose networks are in evaluation mode.
        rows: number of images; all held-out images if there are fewer, and no more than the dataset has.

    Returns:
        By images (a key of :data:`dis_bench.records.columns.OTHER_IMAGES`), codes and factors as of
        :func:`evaluate`, with reconstruction, MSE, KL and ELBO under their names on these images.
    """
    drawn = {}
    if trained.holdout is not None:
        drawn["heldout"] = trained.holdout.draw(rows, SEED)
    if trained.correlation is not None:
        count = min(rows, len(trained.dataset))
        drawn["correlated"] = trained.correlation.draw(np.random.default_rng(SEED), count)
    others = {}
    for images, indices in drawn.items():
        found = _measure(trained, indices)
        measures = {join_images(name, images): value for name, value in _average(found).items()}
        others[images] = _gather(trained, indices, found, measures)
    return others


@neutral()
@torch.no_grad()
def encode(trained: Trainee, look: Callable[[], None]) -> Evaluation:
    """Encode the sample of :func:`evaluate`, without measures.

    Args:
        trained: a cell whose networks are in evaluation mode.
        look: called between batches; an exception that it raises ends the encoding.
    """
    indices = draw_rows(trained.dataset)
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for some in torch.from_numpy(indices).split(BATCH[trained.device.type]):
        look()
        codes, logvar = passes.encode(trained.model, trained.networks, trained.pixels(some))
        parts["codes"].append(codes.cpu())
        if logvar is not None:
            parts["log_variances"].append(logvar.cpu())
    return _gather(trained, indices, {name: torch.cat(some) for name, some in parts.items()}, {})


def _measure(trained: Trainee, indices: np.ndarray) -> dict[str, Tensor]:
    """Measure images at indices [N], in batches, with noise by seed 0."""
    generator = torch.Generator().manual_seed(SEED)  # on the CPU: the same noise on every device
    noise = torch.randn(len(indices), trained.cell.latent_size, generator=generator)
    size, likelihood = BATCH[trained.device.type], trained.cell.likelihood
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for some, draw in zip(torch.from_numpy(indices).split(size), noise.split(size), strict=True):
        images, own = trained.pixels(some), draw.to(trained.device)
        for name, part in measure_images(trained.model, trained.networks, likelihood, images, own).items():
            parts[name].append(part.cpu())
    return {name: torch.cat(some) for name, some in parts.items()}


def _average(found: dict[str, Tensor]) -> dict[str, Any]:
    """Average losses and KL over images."""
    losses, kl = found.get("losses"), found.get("kl")
    return name_losses(
        None if losses is None else losses.mean(0).tolist(), None if kl is None else sum(kl.mean(0).tolist())
    )


def _gather(
    trained: Trainee, indices: np.ndarray, found: dict[str, Tensor], measures: dict[str, Any]
) -> Evaluation:
    logvar = found.get("log_variances")
    return Evaluation(
        codes=found["codes"].float().numpy(),
        log_variances=None if logvar is None else round_log_variances(logvar.float().numpy()),
        factors=read_factors(trained.dataset, indices),
        measures=measures,
    )
