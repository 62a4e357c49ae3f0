"""The network family that a user chose, loaded by name and checked whenever it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dis_bench import registry
from dis_bench.errors import InputError, blaming, shown
from dis_bench.networks.family import Shape

if TYPE_CHECKING:
    from torch import nn

CONTRACT = (
    "something to call without arguments that gives an object with encoder(image_shape, outputs) and "
    "decoder(image_shape, inputs)"
)


@dataclass(frozen=True)
class ChosenNetworks:
    """A network family that builds networks only for the image sizes it takes.

    Attributes:
        name: name of the family, as tables show it.
        sizes, least_batch, stackable: as :class:`dis_bench.networks.family.Family` declares them; a class
            that declares none takes images of any size and batches of any length, and is stackable.
    """

    name: str
    sizes: tuple[int, ...] | None
    least_batch: int
    stackable: bool
    _family: Any

    def encoder(self, image_shape: Shape, outputs: int) -> nn.Module:
        """Build a network from images [B, C, H, W] in [0, 1] to numbers [B, outputs].

        Raises:
            InputError: the family does not take such images, fails, or builds no module.
        """
        return self._build("encoder", image_shape, outputs)

    def decoder(self, image_shape: Shape, inputs: int) -> nn.Module:
        """Build a network from codes [B, inputs] to logits [B, C, H, W].

        Raises:
            InputError: as for :meth:`encoder`.
        """
        return self._build("decoder", image_shape, inputs)

    def initialise(self, *networks: nn.Module) -> None:
        """Initialise the weights of networks, in their order, if the family defines it.

        If it does not, weights stay as the layers initialised them when they were built.
        """
        initialise = getattr(self._family, "initialise", None)
        if initialise is None:
            return
        with blaming(f"network '{self.name}' cannot be initialised", refusals=False):
            for network in networks:
                initialise(network)

    def _build(self, part: Literal["encoder", "decoder"], image_shape: Shape, numbers: int) -> nn.Module:
        from torch import nn

        self._check_size(image_shape)
        with blaming(f"the {part} of network '{self.name}' cannot be built"):
            built = getattr(self._family, part)(tuple(image_shape), numbers)
        if not isinstance(built, nn.Module):
            raise InputError(
                f"the {part} of network '{self.name}' must be a torch.nn.Module, but is {shown(built)}."
            )
        return built

    def _check_size(self, image_shape: Shape) -> None:
        given = tuple(image_shape[1:])
        if self.sizes is not None and given not in [(size, size) for size in self.sizes]:
            raise InputError(
                f"network '{self.name}' takes images of {describe_sizes(self.sizes)}, but these have "
                f"{'x'.join(map(str, given))}."
            )


def choose_networks(name: str | type) -> ChosenNetworks:
    """Load a network family: an installed name, ``module:Class`` or ``file.py:Class``.

    Raises:
        InputError: there is none, or its declaration is invalid.
    """
    plugin = registry.find("networks", name)
    whose = f"network '{plugin.name}'"
    make = plugin.load()
    if not callable(make):
        raise InputError(f"{whose} must be {CONTRACT}, but is {shown(make)}.")
    with blaming(f"{whose} cannot be made"):
        family = make()
    with blaming(whose, refusals=False):
        for method in ("encoder", "decoder"):
            if not callable(getattr(family, method, None)):
                raise InputError(
                    f"{whose} must be {CONTRACT}, but gives a {type(family).__name__} without {method}."
                )
        sizes = _check_sizes(whose, getattr(family, "sizes", None))
        least_batch = getattr(family, "least_batch", 1)
        stackable = getattr(family, "stackable", True)
    if not _is_count(least_batch):
        raise InputError(
            f"{whose}: least_batch must be a whole number of at least 1, but is {shown(least_batch)}."
        )
    if not isinstance(stackable, bool):
        raise InputError(f"{whose}: stackable must be True or False, but is {shown(stackable)}.")
    return ChosenNetworks(plugin.name, sizes, least_batch, stackable, family)


def describe_sizes(sizes: tuple[int, ...] | None) -> str:
    """Return ``32x32, 64x64 or 128x128 pixels``, or ``any size``."""
    if sizes is None:
        return "any size"
    *others, last = (f"{size}x{size}" for size in sizes)
    return f"{', '.join(others)} or {last} pixels" if others else f"{last} pixels"


def _check_sizes(whose: str, sizes: Any) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    if not isinstance(sizes, (tuple, list)) or not sizes or not all(map(_is_count, sizes)):
        raise InputError(
            f"{whose}: sizes must be a tuple of whole numbers, or None for any size, but is {shown(sizes)}."
        )
    return tuple(sizes)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
