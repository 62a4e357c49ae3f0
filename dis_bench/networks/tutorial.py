"""The networks of the beta-VAE tutorials."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape, count_halvings

if TYPE_CHECKING:
    from torch import nn


class Tutorial(Family):
    """3x3 convolutions of 32 to 256 channels, BatchNorm, LeakyReLU (beta-VAE tutorials).

    They are published for 64x64 pixels. Each convolution has twice the channels of the one before: three for
    32x32 end with 128, five for 128x128 with 512.
    """

    name = "tutorial"
    sizes = (32, 64, 128)
    least_batch = 2  # BatchNorm

    # torch's own layers: in a bf16 stack, vmap adds their fp32 biases, so BatchNorm gets fp32 inputs.

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] to numbers [B, outputs]."""
        from torch import nn

        layers, widths = nn.Sequential(), _widths(image_shape)
        for wide_in, wide_out in pairwise([image_shape[0], *widths]):
            layers.append(nn.Conv2d(wide_in, wide_out, 3, stride=2, padding=1))
            layers.extend([nn.BatchNorm2d(wide_out), nn.LeakyReLU(0.01)])
        return layers.extend([nn.Flatten(), nn.Linear(widths[-1] * 4 * 4, outputs)])

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        from torch import nn

        widths = _widths(image_shape)
        layers = nn.Sequential(nn.Linear(inputs, widths[-1] * 4 * 4), nn.Unflatten(1, (widths[-1], 4, 4)))
        for wide_in, wide_out in pairwise(reversed(widths)):
            layers.append(nn.ConvTranspose2d(wide_in, wide_out, 3, stride=2, padding=1, output_padding=1))
            layers.extend([nn.BatchNorm2d(wide_out), nn.LeakyReLU(0.01)])
        last = nn.ConvTranspose2d(widths[0], image_shape[0], 3, stride=2, padding=1, output_padding=1)
        return layers.append(last)


def _widths(image_shape: Shape) -> list[int]:
    """Return the channels of each convolution."""
    return [32 * 2**layer for layer in range(count_halvings(image_shape))]
