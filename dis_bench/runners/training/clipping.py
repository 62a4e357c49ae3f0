"""Clipping of gradients, by their norm for each player and cell of a stack, or by element."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TINY = 1e-6  # as in torch.nn.utils.clip_grad_norm_; avoids a division by zero


@torch.no_grad()
def clip_values(weights: Sequence[Tensor], most: float) -> None:
    """Clamp each element of gradients in place to a limit on either side of zero."""
    for weight in weights:
        if weight.grad is not None:
            weight.grad.clamp_(-most, most)


@torch.no_grad()
def clip_norms(weights: Sequence[Tensor], most: float, stacked: bool) -> None:
    """Scale gradients in place so that their norm over all weights is at most a limit.

    Args:
        weights: weights of one player, [K, ...] each in a stack. Those without a gradient are left out.
        most: the largest norm allowed.
        stacked: True if the first dimension is that of cells, each of which has its own norm.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if not gradients:
        return
    rows = [gradient.reshape(len(gradient) if stacked else 1, -1) for gradient in gradients]
    norms = torch.stack([torch.linalg.vector_norm(row, dim=1) for row in rows])
    scale = (most / (torch.linalg.vector_norm(norms, dim=0) + TINY)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)) if stacked else scale[0])
