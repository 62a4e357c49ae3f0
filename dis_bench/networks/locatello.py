"""The networks of Locatello et al. 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape

if TYPE_CHECKING:
    from torch import nn


class Locatello(Family):
    """Convolutions of 32, 32, 64, 64 channels, one layer of 256 (Locatello et al. 2019).

    The sizes are those of table 1 of the paper.
    """

    name = "locatello"

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, 64, 64] to numbers [B, outputs]."""
        from torch import nn

        from dis_bench.nn.convolutions import Convolutions, Dense

        return nn.Sequential(
            Convolutions([image_shape[0], 32, 32, 64, 64], kernels=[4, 4, 2, 2]),
            nn.Flatten(),
            *(Dense(64 * 4 * 4, 256), nn.ReLU()),
            Dense(256, outputs),
        )

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, 64, 64]."""
        from torch import nn

        from dis_bench.nn.convolutions import Dense, TransposedConvolutions

        return nn.Sequential(
            *(Dense(inputs, 256), nn.ReLU()),
            *(Dense(256, 64 * 4 * 4), nn.ReLU()),
            nn.Unflatten(1, (64, 4, 4)),
            TransposedConvolutions([64, 64, 32, 32, image_shape[0]]),
        )
