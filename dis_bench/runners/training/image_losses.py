"""Codes and losses of single images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dis_bench.models.autoencoder import gaussian_kl
from dis_bench.models.likelihoods import LIKELIHOODS
from dis_bench.models.model import Model
from dis_bench.runners.passes import decode, encode


def measure_images(
    model: Model, networks: Any, likelihood: str, images: Tensor, noise: Tensor
) -> dict[str, Tensor]:
    """Encode images [B, C, H, W], and decode one sample of each posterior.

    Args:
        model: the model.
        networks: its networks, in evaluation mode.
        likelihood: ``bernoulli`` or ``gaussian``.
        images: in [0, 1].
        noise: unit Gaussian [B, D], for the sample.

    Returns:
        ``codes`` [B, D]; as far as the model has them ``log_variances`` and ``kl`` [B, D], and ``losses``
        [B, 2], which are reconstruction and MSE.
    """
    mean, logvar = encode(model, networks, images)
    measured = {"codes": mean}
    if logvar is not None:
        measured |= {"log_variances": logvar, "kl": gaussian_kl(mean, logvar).double()}
    if not model.reconstructs:
        return measured
    logits = decode(model, networks, mean if logvar is None else mean + (0.5 * logvar).exp() * noise)
    if logits is not None:
        reconstruction = LIKELIHOODS[likelihood](logits, images)
        mse = (torch.sigmoid(logits) - images).square().flatten(1).mean(1)
        measured["losses"] = torch.stack([reconstruction, mse], dim=1).double()
    return measured


def name_losses(losses: Any, kl: Any) -> dict[str, Any]:
    """Name means over images: ``reconstruction``, ``mse``, ``kl``, ``elbo``.

    Args:
        losses: reconstruction and MSE; None without a decoder.
        kl: KL summed over latents; None without a posterior.
    """
    named = {} if losses is None else {"reconstruction": losses[0], "mse": losses[1]}
    if kl is not None:
        named["kl"] = kl
    if losses is not None and kl is not None:
        named["elbo"] = -(losses[0] + kl)
    return named
