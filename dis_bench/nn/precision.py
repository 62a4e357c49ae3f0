"""The precision of networks: chosen for a block of code, and heeded by each network in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor, nn

_precision: ContextVar[str] = ContextVar("precision", default="fp32")


@contextmanager
def networks_in(precision: str) -> Iterator[None]:
    """Run the passes of all networks in this block in bf16, if that is the precision."""
    token = _precision.set(precision)
    try:
        yield
    finally:
        _precision.reset(token)


class Duty(NamedTuple):
    """The task of a family's network: its part and its shapes.

    Attributes:
        part: ``encoder`` or ``decoder``.
        takes: the shape of an input, without the batch.
        gives: likewise, of an output.
    """

    part: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]


class Network(nn.Sequential):
    """A network whose pass runs in the chosen precision, and whose output is not in bf16.

    Autocast surrounds the network and not the objective: losses, covariances and the like stay in fp32.

    Attributes:
        duty: of a network that a family built; None of others.
    """

    duty: Duty | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the network's output [B, ...]: fp32 where the pass was in bf16."""
        has_bf16 = _precision.get() == "bf16"
        # A weight is used once in a pass: there is nothing for autocast to keep.
        with torch.autocast(inputs.device.type, torch.bfloat16, has_bf16, cache_enabled=False):
            output: Tensor = super().forward(inputs)
        return output.float() if has_bf16 else output
