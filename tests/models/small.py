"""A network family so small that training costs nothing."""

import math

from torch import nn


class Small:
    """One hidden layer of 16, smooth, so that finite differences are derivatives."""

    name = "small"

    def encoder(self, image_shape, outputs):
        layers = [nn.Linear(math.prod(image_shape), 16), nn.Tanh(), nn.Linear(16, outputs)]
        return nn.Sequential(nn.Flatten(), *layers)

    def decoder(self, image_shape, inputs):
        layers = [nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, math.prod(image_shape))]
        return nn.Sequential(*layers, nn.Unflatten(1, image_shape))
