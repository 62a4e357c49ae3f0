"""Likelihoods of pixels given the decoder's output, in nats.

Images are in [0, 1]; the decoder returns logits, and sigmoid(logits) is the mean of either likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def bernoulli(logits: Tensor, images: Tensor) -> Tensor:
    """Compute the Bernoulli negative log-likelihood [B] of pixels, in nats per image.

    For pixels between 0 and 1 it is the cross-entropy, which cannot reach 0. It is the usual choice of the
    field nonetheless (Locatello et al. 2019).
    """
    import torch.nn.functional as F

    return F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)


def gaussian(logits: Tensor, images: Tensor) -> Tensor:
    """Compute the negative log-likelihood [B] under unit Gaussians, in nats per image.

    It is a true density: it includes the constant log(2 pi) / 2 per pixel, so a perfect reconstruction of a
    64x64x1 image has 3,764 nats. The varying part is half the squared error.
    """
    import torch

    error = (torch.sigmoid(logits) - images).square().flatten(1)
    return 0.5 * error.sum(1) + 0.5 * math.log(2 * math.pi) * error.shape[1]


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"bernoulli": bernoulli, "gaussian": gaussian}
