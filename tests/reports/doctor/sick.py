"""Datasets that make a healthy model sick."""

import torch

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
