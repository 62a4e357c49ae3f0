"""Datasets that make a healthy model sick, and what a healthy one needs to learn in a moment."""

import math

import torch
from torch import nn

from dis_bench.datasets.grid import Factor, FactorGrid
from tests.tiny import Tiny


class Little(Tiny):
    """The images of Tiny at half their size."""

    name = "little"
    image_shape = (1, 32, 32)
    fingerprint = "little-1"

    def draw(self, indices):
        return super().draw(indices)[..., ::2, ::2]


class Dark(Little):
    """Images of 0 and 1 that say that white is 255."""

    name = "dark"
    pixel_max = 255
    fingerprint = "dark-1"


class Shuffled(Little):
    """The images of Little in an order that its factors know nothing of."""

    name = "shuffled"
    fingerprint = "shuffled-1"

    def draw(self, indices):
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))
        return super().draw(order[indices])


class Positions(Tiny):
    """A square of one size at 8 x 8 places, in 16 x 16 pixels."""

    name = "positions"
    grid = FactorGrid(
        (Factor("x", 8, tuple(range(8)), "ordinal"), Factor("y", 8, tuple(range(8)), "ordinal"))
    )
    image_shape = (1, 16, 16)
    fingerprint = "positions-1"

    def draw(self, indices):
        return Tiny().draw(4 * indices + 1)[..., ::4, ::4]


class Wide:
    """One hidden layer of 128."""

    name = "wide"

    def encoder(self, image_shape, outputs):
        layers = [nn.Linear(math.prod(image_shape), 128), nn.ReLU(), nn.Linear(128, outputs)]
        return nn.Sequential(nn.Flatten(), *layers)

    def decoder(self, image_shape, inputs):
        layers = [nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, math.prod(image_shape))]
        return nn.Sequential(*layers, nn.Unflatten(1, image_shape))
