"""Critics: networks that tell codes of one kind from codes of another."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def factorvae_critic(inputs: int, outputs: int = 2) -> nn.Sequential:
    """Build six hidden layers of 1,000 with LeakyReLU 0.2 (Kim & Mnih 2018, appendix A).

    Args:
        inputs: numbers per code.
        outputs: logits; two tell codes of the posterior from codes of the product of its marginals.
    """
    from torch import nn

    from dis_bench.nn.convolutions import Dense

    layers = nn.Sequential()
    for wide_in, wide_out in pairwise([inputs, *[1000] * 6]):
        layers.extend([Dense(wide_in, wide_out), nn.LeakyReLU(0.2)])
    return layers.append(Dense(1000, outputs))
