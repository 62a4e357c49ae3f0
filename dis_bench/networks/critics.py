"""Critics: networks that classify codes by the distribution they come from."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def factorvae_critic(inputs: int) -> nn.Sequential:
    """Build six hidden layers of 1,000 with LeakyReLU 0.2 (Kim & Mnih 2018, app. A).

    Its two logits classify codes as drawn from the posterior, or from the product of its marginals.

    Args:
        inputs: numbers per code.
    """
    from torch import nn

    from dis_bench.nn.convolutions import Dense

    layers = nn.Sequential()
    for wide_in, wide_out in pairwise([inputs, *[1000] * 6]):
        layers.extend([Dense(wide_in, wide_out), nn.LeakyReLU(0.2)])
    return layers.append(Dense(1000, 2))
