"""Clipping of gradients by their global norm: of one player, and of each cell apart in a stack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TINY = 1e-6  # as in torch.nn.utils.clip_grad_norm_, so that a norm of 0 can be divided by


@torch.no_grad()
def clip_norms(weights: Sequence[Tensor], most: float, stacked: bool) -> None:
    """Scale gradients whose norm over all weights is above a limit down to it, in place.

    Args:
        weights: of one player; [K, ...] each where stacked. One that its loss does not reach has no gradient.
        most: the largest norm that is left as it is.
        stacked: whether the first dimension is that of cells, each of which has a norm of its own.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if not gradients:
        return
    rows = [gradient.reshape(len(gradient) if stacked else 1, -1) for gradient in gradients]
    norms = torch.stack([torch.linalg.vector_norm(row, dim=1) for row in rows])
    scale = (most / (torch.linalg.vector_norm(norms, dim=0) + TINY)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)) if stacked else scale[0])
