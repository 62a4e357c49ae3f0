"""Passes of a model whose results no later call can change.

A plug-in may return a buffer that its next call overwrites, or change its arguments, although it must not.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dis_bench.models.model import Model

BATCH = {"cpu": 64, "cuda": 2048}  # images per pass; on a CPU, as many as fit into its caches


def encode(model: Model, networks: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Encode images [B, C, H, W] to codes and any log-variances, both [B, D]."""
    codes, log_variances = model.encode(networks, images.clone())
    return codes.clone(), None if log_variances is None else log_variances.clone()


def decode(model: Model, networks: Any, codes: Tensor) -> Tensor | None:
    """Decode codes [B, D] to logits [B, C, H, W], or to None without a decoder."""
    logits = model.decode(networks, codes.clone())
    return None if logits is None else logits.clone()
