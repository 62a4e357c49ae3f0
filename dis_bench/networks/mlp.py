"""The fully-connected networks of the beta-VAE paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dis_bench.networks.family import Family, Shape

if TYPE_CHECKING:
    from torch import nn


class MLP(Family):
    """Two ReLU layers of 1,200 units, three tanh layers to decode (Higgins et al. 2017).

    The sizes are those of table 1 of the paper.
    """

    name = "mlp"
    sizes = None

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] to numbers [B, outputs]."""
        from torch import nn

        from dis_bench.nn.convolutions import Dense

        return nn.Sequential(
            nn.Flatten(),
            *(Dense(math.prod(image_shape), 1200), nn.ReLU()),
            *(Dense(1200, 1200), nn.ReLU()),
            Dense(1200, outputs),
        )

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        from torch import nn

        from dis_bench.nn.convolutions import Dense

        return nn.Sequential(
            *(Dense(inputs, 1200), nn.Tanh()),
            *(Dense(1200, 1200), nn.Tanh()),
            *(Dense(1200, 1200), nn.Tanh()),
            Dense(1200, math.prod(image_shape)),
            nn.Unflatten(1, image_shape),
        )
