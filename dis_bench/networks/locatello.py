"""The networks of Locatello et al. 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape, count_halvings

if TYPE_CHECKING:
    from torch import nn


class Locatello(Family):
    """Convolutions of 32, 32, 64, 64 channels, one layer of 256 (Locatello et al. 2019).

    The layers are those of table 1 of the paper, for 64x64 pixels. Images of 32x32 do without the last
    convolution of 64 channels, and without its counterpart in the decoder; those of 128x128 have another.
    """

    name = "locatello"
    sizes = (32, 64, 128)

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] to numbers [B, outputs]."""
        from torch import nn

        from dis_bench.nn.convolutions import Convolutions, Dense

        wide = count_halvings(image_shape) - 2  # layers of 64 channels
        return nn.Sequential(
            Convolutions([image_shape[0], 32, 32, *[64] * wide], kernels=[4, 4, *[2] * wide]),
            nn.Flatten(),
            *(Dense(64 * 4 * 4, 256), nn.ReLU()),
            Dense(256, outputs),
        )

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        from torch import nn

        from dis_bench.nn.convolutions import Dense, TransposedConvolutions

        wide = count_halvings(image_shape) - 2
        return nn.Sequential(
            *(Dense(inputs, 256), nn.ReLU()),
            *(Dense(256, 64 * 4 * 4), nn.ReLU()),
            nn.Unflatten(1, (64, 4, 4)),
            TransposedConvolutions([*[64] * wide, 32, 32, image_shape[0]]),
        )
