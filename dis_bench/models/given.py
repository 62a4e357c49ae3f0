"""The study's choices from which a model builds its networks."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from dis_bench.networks.chosen import ChosenNetworks
from dis_bench.networks.family import Shape
from dis_bench.nn.precision import Duty, Network


@dataclass
class Given:
    """The study's choices, which ``Model.build`` receives.

    Attributes:
        image_shape: (channels, height, width).
        latents: number of latents D.
        likelihood: ``bernoulli`` or ``gaussian``.
        family: the network family that the study chose.
    """

    image_shape: Shape
    latents: int
    likelihood: str
    family: ChosenNetworks
    _made: list[nn.Module] = field(default_factory=list, repr=False)

    def encoder(self, outputs: int) -> Network:
        """Build a network from images [B, C, H, W] in [0, 1] to numbers [B, outputs]."""
        layers = self.family.encoder(self.image_shape, outputs)
        return self._make(layers, Duty("encoder", tuple(self.image_shape), (outputs,)))

    def decoder(self, inputs: int) -> Network:
        """Build a network from codes [B, inputs] to logits [B, C, H, W]."""
        layers = self.family.decoder(self.image_shape, inputs)
        return self._make(layers, Duty("decoder", (inputs,), tuple(self.image_shape)))

    def network(self, layers: nn.Module) -> Network:
        """Wrap a network of the model's own, so that it computes in the study's precision.

        Its weights are not initialised again.
        """
        return Network(*layers) if type(layers) is nn.Sequential else Network(layers)

    def initialise(self) -> None:
        """Initialise the family's networks, in the order in which they were built."""
        self.family.initialise(*self._made)

    def _make(self, layers: nn.Module, duty: Duty) -> Network:
        network = self.network(layers)
        network.duty = duty
        self._made.append(network)
        return network
