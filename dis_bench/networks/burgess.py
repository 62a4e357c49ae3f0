"""The networks of Burgess et al. 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape

if TYPE_CHECKING:
    from torch import nn


class Burgess(Family):
    """Four 4x4 convolutions of 32 channels, two layers of 256 (Burgess et al. 2018, A.1)."""

    name = "burgess"

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, 64, 64] to numbers [B, outputs]."""
        from torch import nn

        from dis_bench.nn.convolutions import Convolutions, Dense

        return nn.Sequential(
            Convolutions([image_shape[0], 32, 32, 32, 32], kernels=[4, 4, 4, 4]),
            nn.Flatten(),
            *(Dense(32 * 4 * 4, 256), nn.ReLU()),
            *(Dense(256, 256), nn.ReLU()),
            Dense(256, outputs),
        )

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, 64, 64]."""
        from torch import nn

        from dis_bench.nn.convolutions import Dense, TransposedConvolutions

        return nn.Sequential(
            *(Dense(inputs, 256), nn.ReLU()),
            *(Dense(256, 256), nn.ReLU()),
            *(Dense(256, 32 * 4 * 4), nn.ReLU()),
            nn.Unflatten(1, (32, 4, 4)),
            TransposedConvolutions([32, 32, 32, 32, image_shape[0]]),
        )
