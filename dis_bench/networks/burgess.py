"""The networks of Burgess et al. 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape, count_halvings

if TYPE_CHECKING:
    from torch import nn


class Burgess(Family):
    """Four 4x4 convolutions of 32 channels, two layers of 256 (Burgess et al. 2018, A.1).

    They are published for 64x64 pixels. Images of 32x32 have three convolutions, as in the code of Dubois et
    al. 2019 (github.com/YannDubs/disentangling-vae); those of 128x128 have five.
    """

    name = "burgess"
    sizes = (32, 64, 128)

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] to numbers [B, outputs]."""
        from torch import nn

        from dis_bench.nn.convolutions import Convolutions, Dense

        depth = count_halvings(image_shape)
        return nn.Sequential(
            Convolutions([image_shape[0], *[32] * depth], kernels=[4] * depth),
            nn.Flatten(),
            *(Dense(32 * 4 * 4, 256), nn.ReLU()),
            *(Dense(256, 256), nn.ReLU()),
            Dense(256, outputs),
        )

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        from torch import nn

        from dis_bench.nn.convolutions import Dense, TransposedConvolutions

        return nn.Sequential(
            *(Dense(inputs, 256), nn.ReLU()),
            *(Dense(256, 256), nn.ReLU()),
            *(Dense(256, 32 * 4 * 4), nn.ReLU()),
            nn.Unflatten(1, (32, 4, 4)),
            TransposedConvolutions([*[32] * count_halvings(image_shape), image_shape[0]]),
        )
