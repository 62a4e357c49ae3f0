"""The networks of the beta-VAE tutorials."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape

if TYPE_CHECKING:
    from torch import nn


class Tutorial(Family):
    """3x3 convolutions of 32 to 256 channels, BatchNorm, LeakyReLU (beta-VAE tutorials)."""

    name = "tutorial"
    least_batch = 2  # BatchNorm

    # torch's own layers: in a bf16 stack, vmap adds their fp32 biases, so BatchNorm gets fp32 inputs.

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, 64, 64] to numbers [B, outputs]."""
        from torch import nn

        layers = nn.Sequential()
        for wide_in, wide_out in pairwise([image_shape[0], 32, 64, 128, 256]):
            layers.append(nn.Conv2d(wide_in, wide_out, 3, stride=2, padding=1))
            layers.extend([nn.BatchNorm2d(wide_out), nn.LeakyReLU(0.01)])
        return layers.extend([nn.Flatten(), nn.Linear(256 * 4 * 4, outputs)])

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, 64, 64]."""
        from torch import nn

        layers = nn.Sequential(nn.Linear(inputs, 256 * 4 * 4), nn.Unflatten(1, (256, 4, 4)))
        for wide_in, wide_out in pairwise([256, 128, 64, 32]):
            layers.append(nn.ConvTranspose2d(wide_in, wide_out, 3, stride=2, padding=1, output_padding=1))
            layers.extend([nn.BatchNorm2d(wide_out), nn.LeakyReLU(0.01)])
        last = nn.ConvTranspose2d(32, image_shape[0], 3, stride=2, padding=1, output_padding=1)
        return layers.append(last)
