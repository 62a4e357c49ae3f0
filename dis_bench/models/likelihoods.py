"""What the decoder's output says about pixels: a likelihood, in nats.

Images are in [0, 1]; the decoder gives logits, and sigmoid(logits) is the mean of either likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def bernoulli(logits: Tensor, images: Tensor) -> Tensor:
    """Negative log-likelihood [B] of pixels as independent Bernoulli draws, in nats per image.

    For pixels between 0 and 1 it is the cross-entropy, which cannot reach 0 (the field's usual choice
    all the same: Locatello et al. 2019).
    """
    return F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)


def gaussian(logits: Tensor, images: Tensor) -> Tensor:
    """Negative log-likelihood [B] of pixels as Gaussians of variance 1, in nats per image.

    A true density: the constant log(2 pi) / 2 per pixel is in it, so a perfect reconstruction of a
    64x64x1 image has 3,764 nats. Half the squared error is what varies.
    """
    error = (torch.sigmoid(logits) - images).square().flatten(1)
    return 0.5 * error.sum(1) + 0.5 * math.log(2 * math.pi) * error.shape[1]


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"bernoulli": bernoulli, "gaussian": gaussian}
