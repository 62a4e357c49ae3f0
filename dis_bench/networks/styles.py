"""A decoder in which the code scales and shifts the channels of a constant image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dis_bench.networks.family import Shape

EPSILON = 1e-6  # of the normalisation
CONSTANT = 0.1  # all pixels of the image that the decoder starts from


class StyleDecoder(nn.Module):
    """Transposed convolutions of a constant, normalised adaptively (Hsu et al. 2023).

    Args:
        image_shape: (channels, height, width).
        inputs: numbers per code.
        widths: channels of the constant, and after each transposed convolution.
        kernels, strides: of the transposed convolutions.
        slope: of the leaky ReLUs.
    """

    def __init__(
        self,
        image_shape: Shape,
        inputs: int,
        widths: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        slope: float,
    ) -> None:
        super().__init__()
        shrinks = 2 ** sum(stride == 2 for stride in strides)
        self.start = (widths[0], image_shape[1] // shrinks, image_shape[2] // shrinks)
        self.dense = nn.Sequential(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.blocks = nn.ModuleList(
            _StyledConvolution(wide_in, wide_out, kernel, stride, slope)
            for (wide_in, wide_out), kernel, stride in zip(pairwise(widths), kernels, strides, strict=True)
        )
        self.last = nn.Conv2d(widths[-1], image_shape[0], 3, padding=1, bias=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Compute logits [B, C, H, W] of codes [B, D]."""
        style = self.dense(codes)
        features = torch.full((len(codes), *self.start), CONSTANT, dtype=codes.dtype, device=codes.device)
        for block in self.blocks:
            features = block(features, style)
        logits: Tensor = self.last(features)
        return logits


class _StyledConvolution(nn.Module):
    """A transposed convolution whose normalised channels the style scales and shifts."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int, slope: float) -> None:
        super().__init__()
        self.convolve = nn.ConvTranspose2d(wide_in, wide_out, kernel, stride, padding=1, bias=False)
        self.condition = nn.Linear(256, 2 * wide_out)
        self.slope = slope

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        features = F.leaky_relu(self.convolve(features), self.slope)
        normal = F.instance_norm(features, eps=EPSILON)
        scale, shift = F.relu(self.condition(style))[:, :, None, None].chunk(2, dim=1)
        return normal * scale + shift
