"""Transposed convolutions by ways that train faster on a CPU, with torch's own parameters and results.

What oneDNN does well is convolution; its transposed convolution is slow with a bias, and with a single output
channel, while its gradients are fast.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dis_bench.models import patches


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
        """Images [B, wide_in, H, W] to [B, wide_out, 2 H, 2 W]; on a GPU as torch does it, or by patches."""
        assert self.bias is not None
        if patches.by_patches():
            return patches.convolve_transposed(images, self.weight, self.bias)
        if patches.in_stack():
            images, weight = patches.as_autocast(patches.lay_out(images), self.weight)
            wide = F.conv_transpose2d(images, weight, stride=2, padding=1)
            return patches.add_bias(wide, self.bias)
        if images.device.type != "cpu":
            return super().forward(images, output_size)
        images, weight, bias = patches.as_autocast(images, self.weight, self.bias)
        return _ByPhases.apply(images, weight, bias)


# As torch asks for it: stride, padding, dilation, whether it is transposed, padding of its output, groups.
GEOMETRY = [2, 2], [1, 1], [1, 1], True, [0, 0], 1


class _ByPhases(torch.autograd.Function):
    """The transposed convolution as one convolution with four times the channels, and oneDNN's own gradients.

    The output pixels of one phase (even or odd row, even or odd column) are a 2x2 convolution of the input
    with the kernel's taps of that phase. Their gradients would be strided copies of what oneDNN computes from
    the whole; only its gradient of the bias is slow, and a plain sum.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        wide_in, wide_out = weight.shape[:2]
        # [in, out, y tap, y phase, x tap, x phase]
        taps = weight.reshape(wide_in, wide_out, 2, 2, 2, 2).flip(2, 4)
        kernels = taps.permute(3, 5, 1, 0, 2, 4).reshape(4 * wide_out, wide_in, 2, 2)
        phases = F.conv2d(images, kernels, bias.repeat(4), padding=1).permute(0, 2, 3, 1)
        count, height, width, _ = phases.shape
        pixels = phases.reshape(count, height, width, 2, 2, wide_out).permute(0, 1, 3, 2, 4, 5)
        # The frame around the result is what padding 1 cuts off.
        framed = pixels.reshape(count, 2 * height, 2 * width, wide_out)
        return framed[:, 1:-1, 1:-1].permute(0, 3, 1, 2).clone()  # dense, and still channels_last

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        images, weight, _ = inputs
        ctx.save_for_backward(images, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        of_images, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient, images, weight, None, *GEOMETRY, [True, True, False]
        )
        return of_images, of_weight, gradient.sum((0, 2, 3))
