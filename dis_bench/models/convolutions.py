"""Transposed convolutions by ways that train faster on a CPU, with torch's own parameters and results.

What oneDNN does well is convolution; its transposed convolution is slow with a bias, and with a single output
channel. Without these two, a training step of the burgess networks took 53 ms where it takes 46 (one core,
fp32, two-core AMD EPYC).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TransposedConvolution(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with kernel 4, stride 2 and padding 1: twice the height and width.

    Args:
        wide_in: channels of the input.
        wide_out: channels of the output.
    """

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__(wide_in, wide_out, kernel_size=4, stride=2, padding=1)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Images [B, wide_in, H, W] to [B, wide_out, 2 H, 2 W]; on a GPU as torch does it."""
        if images.device.type != "cpu":
            return super().forward(images, output_size)
        assert self.bias is not None
        if self.out_channels == 1:
            without_bias = _by_phases(images, self.weight)
        else:
            without_bias = F.conv_transpose2d(images, self.weight, stride=2, padding=1)
        return without_bias + self.bias.view(1, -1, 1, 1)


def _by_phases(images: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution as one convolution with four times the channels.

    The output pixels of one phase (even or odd row, even or odd column) are a 2x2 convolution of the input
    with the kernel's taps of that phase; pixel_shuffle puts the four phases in their places. The frame
    around the result is what padding 1 cuts off.
    """
    wide_in, wide_out = weight.shape[:2]
    taps = weight.view(wide_in, wide_out, 2, 2, 2, 2).flip(2, 4)  # [in, out, y tap, y phase, x tap, x phase]
    kernels = taps.permute(1, 3, 5, 0, 2, 4).reshape(4 * wide_out, wide_in, 2, 2)
    return F.pixel_shuffle(F.conv2d(images, kernels, padding=1), 2)[:, :, 1:-1, 1:-1]
