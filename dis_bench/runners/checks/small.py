"""Networks so small that a model can be trained several times in seconds."""

from __future__ import annotations

import math

from torch import nn

from dis_bench.networks.family import Family, Shape

POOLED = 4  # pixels to a side that the encoder averages over
HIDDEN = 64


class Small(Family):
    """One hidden layer each way, on images averaged over 4x4 pixels: for checks alone."""

    name = "small"
    sizes = None

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] to numbers [B, outputs]."""
        channels, height, width = image_shape
        pixels = channels * (height // POOLED) * (width // POOLED)
        return nn.Sequential(
            nn.AvgPool2d(POOLED),
            nn.Flatten(),
            *(nn.Linear(pixels, HIDDEN), nn.ReLU()),
            nn.Linear(HIDDEN, outputs),
        )

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        return nn.Sequential(
            *(nn.Linear(inputs, HIDDEN), nn.ReLU()),
            nn.Linear(HIDDEN, math.prod(image_shape)),
            nn.Unflatten(1, image_shape),
        )
