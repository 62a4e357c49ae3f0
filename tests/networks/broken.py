"""Families of networks with one fault each, as a stranger would hand them in; and some without."""

import math

import numpy as np
import torch
from torch import nn


class Sound:
    """One layer each way."""

    name = "sound"

    def encoder(self, image_shape, outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), outputs))

    def decoder(self, image_shape, inputs):
        return nn.Sequential(nn.Linear(inputs, math.prod(image_shape)), nn.Unflatten(1, image_shape))


class SaysThatItDrops(Sound):
    """Dropout, declared."""

    stackable = False

    def encoder(self, image_shape, outputs):
        return nn.Sequential(nn.Dropout(0.5), super().encoder(image_shape, outputs))


class SaysThatItNormalises(Sound):
    """BatchNorm over one number per image, declared."""

    least_batch = 2

    def encoder(self, image_shape, outputs):
        return super().encoder(image_shape, outputs).append(nn.BatchNorm1d(outputs))


class OneNumberTooMany(Sound):
    """A constant besides."""

    def encoder(self, image_shape, outputs):
        return super().encoder(image_shape, outputs + 1)


class GreyOnly(Sound):
    """Images of one channel."""

    def encoder(self, image_shape, outputs):
        return super().encoder((1, *image_shape[1:]), outputs)


class SquaresOnly(Sound):
    """A size that it does not declare."""

    def encoder(self, image_shape, outputs):
        return nn.Sequential(nn.Conv2d(image_shape[0], outputs, 64), nn.Flatten())


class Infinite(Sound):
    """Logarithms of pixels that may be 0."""

    def decoder(self, image_shape, inputs):
        return super().decoder(image_shape, inputs).append(Log())


class Log(nn.Module):
    def forward(self, numbers):
        return numbers.clamp(min=0).log()


class Normalises(Sound):
    """BatchNorm over one number per image, not declared."""

    def encoder(self, image_shape, outputs):
        return super().encoder(image_shape, outputs).append(nn.BatchNorm1d(outputs))


class UnusedLayer(Sound):
    """A layer that nothing passes through."""

    def encoder(self, image_shape, outputs):
        network = super().encoder(image_shape, outputs)
        network[0].head = nn.Linear(3, 3)
        return network


class Unseeded(Sound):
    """First weights from a generator that nobody seeded."""

    def initialise(self, network):
        generator = torch.Generator()
        generator.seed()
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.01, generator=generator)


class AlwaysTheSame(Sound):
    """First weights of a seed of its own."""

    def initialise(self, network):
        generator = torch.Generator().manual_seed(0)
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.01, generator=generator)


class NormalisesAlways(Sound):
    """Numbers that are centred over the batch, in evaluation too."""

    def encoder(self, image_shape, outputs):
        return super().encoder(image_shape, outputs).append(Centre())


class Centre(nn.Module):
    def forward(self, numbers):
        return numbers - numbers.mean(0)


class DropsAlways(Sound):
    """Dropout that does not end with training."""

    stackable = False

    def encoder(self, image_shape, outputs):
        return nn.Sequential(DropAlways(), super().encoder(image_shape, outputs))


class DropAlways(nn.Module):
    def forward(self, images):
        return nn.functional.dropout(images, 0.5, training=True)


class Drops(Sound):
    """Dropout, not declared."""

    def encoder(self, image_shape, outputs):
        return nn.Sequential(nn.Dropout(0.5), super().encoder(image_shape, outputs))


class AssignsItsBuffer(Sound):
    """A running mean that is assigned, and that evaluation takes off."""

    def encoder(self, image_shape, outputs):
        return super().encoder(image_shape, outputs).append(Running(outputs))


class Running(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))

    def forward(self, numbers):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * numbers.detach().mean(0)
        return numbers - self.mean


class SilencesNumpy(Sound):
    """Divisions by 0 that nobody hears of, in the whole process."""

    def encoder(self, image_shape, outputs):
        np.seterr(divide="ignore")
        return super().encoder(image_shape, outputs)
