"""Datasets that make a healthy model sick."""

import torch

from tests.tiny import Tiny


class Dark(Tiny):
    """Images of 0 and 1 that say that white is 255."""

    name = "dark"
    pixel_max = 255
    fingerprint = "dark-1"


class Shuffled(Tiny):
    """The images of Tiny in an order that its factors know nothing of."""

    name = "shuffled"
    fingerprint = "shuffled-1"

    def draw(self, indices):
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))
        return super().draw(order[indices])
