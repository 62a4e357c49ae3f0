"""Networks on trial: encoders and decoders of several sizes, and made-up inputs for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dis_bench.findings import Broken, breaking
from dis_bench.networks.chosen import choose_networks
from dis_bench.networks.family import Shape
from dis_bench.neutral import neutral, own_streams

IMAGES = 5  # in a batch, or more where the family needs them
NUMBERS = 7  # that an encoder gives, and a decoder takes
CHANNELS = (1, 3)
ANY_SIZE = ((28, 28), (64, 64), (32, 48))  # of the images of a family that takes any


@dataclass(frozen=True)
class Built:
    """An encoder or a decoder.

    Attributes:
        what: in words, with its sizes.
        network: with its first weights.
        inputs: made up, [B, ...].
        outputs: the shape that it should give, [B, ...].
    """

    what: str
    network: nn.Module
    inputs: Tensor
    outputs: tuple[int, ...]

    def run(self, network: nn.Module | None = None, inputs: Tensor | None = None) -> Tensor:
        """Run the network, or another one, on its inputs, or on others.

        Raises:
            Broken: it fails, or gives no finite floats of the right shape.
        """
        inputs = self.inputs if inputs is None else inputs
        with breaking(f"{self.what}, given a tensor {list(inputs.shape)},"):
            given = (network or self.network)(inputs)
        shape = [len(inputs), *self.outputs[1:]]
        if not isinstance(given, Tensor) or list(given.shape) != shape or not given.is_floating_point():
            kind = type(given).__name__
            if isinstance(given, Tensor):
                kind = f"{str(given.dtype).removeprefix('torch.')} tensor {list(given.shape)}"
            raise Broken(f"{self.what} gives a {kind}; expected a tensor {shape} of floats")
        if not given.isfinite().all():
            raise Broken(f"{self.what} gives numbers that are not finite; expected finite ones")
        return given


class NetworkTrial:
    """A family of networks, and the encoders and decoders that the properties compare.

    Args:
        name: an installed family, ``module:Class`` or ``path/file.py:Class``.
    """

    def __init__(self, name: str) -> None:
        with neutral():
            self.family = choose_networks(name)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """List the heights and widths of images that are tried."""
        return [(size, size) for size in self.family.sizes] if self.family.sizes else [*ANY_SIZE]

    def each(self) -> Iterator[Built]:
        """Build an encoder and a decoder for each size, in one channel and in three."""
        for size in self.sizes:
            for channels in CHANNELS:
                yield self.encoder((channels, *size))
                yield self.decoder((channels, *size))

    def pair(self, seed: int = 0, images: int | None = None) -> list[Built]:
        """Build the encoder and the decoder of the first size, in one channel."""
        shape = (1, *self.sizes[0])
        return [self.encoder(shape, seed, images), self.decoder(shape, seed, images)]

    def encoder(self, shape: Shape, seed: int = 0, images: int | None = None) -> Built:
        """Build an encoder with the first weights of a seed."""
        what, count = f"the encoder of images {list(shape)}", self._count(images)
        inputs = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))
        with breaking(f"building {what}"), neutral(), own_streams(seed):
            network = self.family.encoder(shape, NUMBERS)
            self.family.initialise(network)
        return Built(what, network, inputs, (count, NUMBERS))

    def decoder(self, shape: Shape, seed: int = 0, images: int | None = None) -> Built:
        """Build a decoder with the first weights of a seed."""
        what, count = f"the decoder to images {list(shape)}", self._count(images)
        inputs = torch.randn(count, NUMBERS, generator=torch.Generator().manual_seed(0))
        with breaking(f"building {what}"), neutral(), own_streams(seed):
            network = self.family.decoder(shape, NUMBERS)
            self.family.initialise(network)
        return Built(what, network, inputs, (count, *shape))

    def _count(self, images: int | None) -> int:
        return images or max(IMAGES, self.family.least_batch)
