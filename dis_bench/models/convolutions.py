"""The layers of the published networks, with torch's own parameters and results, by the fastest way there is.

On a CPU that are compiled kernels (:mod:`compiled`), where many models are trained as one what they were told
(:mod:`patches`), and elsewhere torch's own layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from dis_bench.models import compiled, patches


class Convolution(nn.Conv2d):
    """``nn.Conv2d`` with stride 2: half the height and width, by the way that :mod:`patches` was told.

    Args:
        wide_in: channels of the input.
        wide_out: channels of the output.
        kernel: 4 or 2.
    """

    def __init__(self, wide_in: int, wide_out: int, kernel: int) -> None:
        super().__init__(wide_in, wide_out, kernel, stride=2, padding=kernel // 2 - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, wide_in, 2 H, 2 W] to [B, wide_out, H, W]."""
        assert self.bias is not None
        if patches.by_patches():
            return patches.convolve(images, self.weight, self.bias)
        if patches.in_stack():
            images, weight = patches.as_autocast(patches.lay_out(images), self.weight)
            return patches.add_bias(self._conv_forward(images, weight, None), self.bias)
        return super().forward(images)


class Dense(nn.Linear):
    """``nn.Linear`` that stays in the type of autocast in a stack."""

    def forward(self, rows: Tensor) -> Tensor:
        """Rows [B, in_features] to [B, out_features]."""
        if patches.in_stack():
            rows, weight = patches.as_autocast(rows, self.weight)
            return patches.add_bias(F.linear(rows, weight), self.bias)
        return super().forward(rows)


class TransposedConvolution(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with kernel 4, stride 2 and padding 1: twice the height and width.

    Args:
        wide_in: channels of the input.
        wide_out: channels of the output.
    """

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__(wide_in, wide_out, kernel_size=4, stride=2, padding=1)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Images [B, wide_in, H, W] to [B, wide_out, 2 H, 2 W]."""
        assert self.bias is not None
        if patches.by_patches():
            return patches.convolve_transposed(images, self.weight, self.bias)
        if patches.in_stack():
            images, weight = patches.as_autocast(patches.lay_out(images), self.weight)
            wide = F.conv_transpose2d(images, weight, stride=2, padding=1)
            return patches.add_bias(wide, self.bias)
        return super().forward(images, output_size)


class Convolutions(nn.Sequential):
    """Convolutions of stride 2, each with ReLU: by the compiled kernels where they serve.

    Args:
        widths: channels of the input, and of what comes out of each layer.
        kernels: 4 or 2, of each layer.
    """

    def __init__(self, widths: Sequence[int], kernels: Sequence[int]) -> None:
        super().__init__()
        for (wide_in, wide_out), kernel in zip(pairwise(widths), kernels, strict=True):
            self.extend([Convolution(wide_in, wide_out, kernel), nn.ReLU(inplace=True)])

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, widths[0], H, W] to [B, widths[-1], H / 2^layers, W / 2^layers]."""
        layers = [layer for layer in self if isinstance(layer, Convolution)]
        if not patches.in_stack() and compiled.serves(images, layers):
            return compiled.convolve(images, layers)
        result: Tensor = super().forward(images)
        return result


class TransposedConvolutions(nn.Sequential):
    """Transposed convolutions, with ReLU between them: by the compiled kernels where they serve.

    Args:
        widths: channels of the input, and of what comes out of each layer.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for wide_in, wide_out in pairwise(widths):
            self.extend([TransposedConvolution(wide_in, wide_out), nn.ReLU(inplace=True)])
        del self[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, widths[0], H, W] to [B, widths[-1], H * 2^layers, W * 2^layers]."""
        layers = [layer for layer in self if isinstance(layer, TransposedConvolution)]
        if not patches.in_stack() and compiled.serves(images, layers):
            return compiled.convolve_transposed(images, layers)
        result: Tensor = super().forward(images)
        return result
