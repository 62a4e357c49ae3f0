"""The networks of Hsu et al. 2023: instance normalisation, and a decoder of styles."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape

if TYPE_CHECKING:
    from torch import nn

KERNELS, STRIDES = (3, 3, 4) * 4, (1, 1, 2) * 4
SLOPE = 0.2  # of leaky ReLUs


class Hsu(Family):
    """12 convolutions of 32 to 256 channels, InstanceNorm; a style decoder (Hsu et al. 2023)."""

    name = "hsu"
    sizes = (32, 64, 128)

    # torch's own layers: the compiled kernels know none of these.

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] to numbers [B, outputs]."""
        from torch import nn

        widths = [image_shape[0], *[32] * 3, *[64] * 3, *[128] * 3, *[256] * 3]
        layers = nn.Sequential()
        for (wide_in, wide_out), kernel, stride in zip(pairwise(widths), KERNELS, STRIDES, strict=True):
            layers.append(nn.Conv2d(wide_in, wide_out, kernel, stride, padding=1, bias=False))
            layers.extend([nn.InstanceNorm2d(wide_out, eps=1e-6, affine=True), nn.LeakyReLU(SLOPE)])
        features = 256 * (image_shape[1] // 16) * (image_shape[2] // 16)
        layers.append(nn.Flatten())
        layers.extend([nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()])
        return layers.append(nn.Linear(256, outputs))

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        from dis_bench.networks.styles import StyleDecoder

        widths = [*[256] * 4, *[128] * 3, *[64] * 3, *[32] * 3]
        return StyleDecoder(image_shape, inputs, widths, KERNELS, STRIDES, SLOPE)
