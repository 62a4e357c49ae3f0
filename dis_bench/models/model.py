"""The contract of a model: hyperparameters that are declared, and the loss of ONE model.

A plug-in is a subclass of :class:`Model` that declares its hyperparameters and writes its objective in
plain tensor arithmetic::

    class BetaVAE(Model):
        name = "betavae"
        hyperparameters = (Hyperparameter("beta", 4.0, "weight of the KL", low=0.0),)

        def loss(self, terms):
            return terms.reconstruction.mean() + self.beta * terms.kl.sum(1).mean()

The trainer does the rest. One convention holds for every objective: the reconstruction loss is summed
over pixels and channels, the KL is summed over latents, both are averaged over the batch, in nats.

This module costs no torch: plug-ins that keep torch out of their top level can be listed without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.errors import InputError, shown, unknown
from dis_bench.printing import as_utf8

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.autoencoder import Autoencoder, Terms


_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
LARGEST_WHOLE = 2**63 - 1


@dataclass(frozen=True)
class Hyperparameter:
    """A number, switch or word of an objective that a study can vary.

    Attributes:
        name: what users type: ``--set model.name=value``.
        default: used where nothing is said; its type is the type of the hyperparameter.
        summary: one line for ``dis-bench list models``.
        low: the smallest value allowed, for numbers.
        high: the largest value allowed, for numbers.
    """

    name: str
    default: float | int | bool | str
    summary: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InputError(f"a hyperparameter's name must be a Python name, but is {shown(self.name)}.")
        if not isinstance(self.default, tuple(_KINDS)):
            raise InputError(
                f"the default of hyperparameter '{self.name}' must be a number, a text, True or False, "
                f"but is {shown(self.default)}."
            )
        for bound in (self.low, self.high):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
                raise InputError(
                    f"the bounds of hyperparameter '{self.name}' must be numbers, but {shown(bound)} is one."
                )

    def parse(self, given: Any) -> float | int | bool | str:
        """``given``, a text or a value, as this hyperparameter's type.

        Raises:
            InputError: it is not of that type, not finite, or out of bounds.
        """
        value = self._convert(given)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{self.name} must be finite, but {shown(given)} was given.")
        if isinstance(value, str) and as_utf8(value) != value:
            raise InputError(f"{self.name} must be text in UTF-8, but {shown(value)} was given.")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            below = self.low is not None and value < self.low
            above = self.high is not None and value > self.high
            if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
                raise InputError(f"{self.name} must be below 2^63, but {shown(given)} was given.")
            if below or above:
                raise InputError(f"{self.name} must be {self._bounds()}, but {shown(given)} was given.")
        return value

    def _convert(self, given: Any) -> float | int | bool | str:
        kind = self._kind
        try:
            if kind is bool:
                return {"true": True, "false": False, "1": True, "0": False}[str(given).lower()]
            if isinstance(given, str) or kind is not str:
                value = kind(given)
                # int(1.5) is no reading of 1.5, and True is no number.
                wrong = isinstance(given, bool) or (kind is int and value != given)
                if isinstance(given, str) or not wrong:
                    return value
        except (TypeError, ValueError, OverflowError, KeyError):
            pass
        raise InputError(f"{self.name} must be {_KINDS[kind]}, but {shown(given)} was given.")

    @property
    def _kind(self) -> type:
        return next(kind for kind in _KINDS if isinstance(self.default, kind))

    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f"from {self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else f"at most {self.high:g}"


class Model:
    """An objective with its hyperparameters; subclass it to add a model.

    Class attributes:
        name: what users type and what tables show.
        hyperparameters: what a study can vary; each becomes an attribute of the instance.
        stackable: whether cells may be trained as one on a GPU, where hyperparameters that are floats
            become tensors; a loss that draws random numbers, or has an ``if`` on a value, says False.
        note: what legends of reports add in parentheses, where nothing of the model varies.

    Args:
        values: hyperparameters by name; the others take their defaults.

    Raises:
        InputError: a name that is not declared, or a value that is not allowed.
    """

    name: ClassVar[str]
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = ()
    stackable: ClassVar[bool] = True
    note: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        declared = {h.name: h for h in self.hyperparameters}
        for given in values:
            if given not in declared:
                raise unknown(f"hyperparameter of {self.name}", given, declared)
        self.values = {name: h.parse(values.get(name, h.default)) for name, h in declared.items()}
        for name, value in self.values.items():
            setattr(self, name, value)

    def build(self, image_shape: tuple[int, int, int], **architecture: Any) -> Autoencoder:
        """The networks that this objective trains; override it for other than an encoder and a decoder.

        Args:
            image_shape: (channels, height, width).
            architecture: ``network``, ``latent_size`` and ``likelihood``, as the user chose them.
        """
        from dis_bench.models.autoencoder import Autoencoder

        return Autoencoder(image_shape, **architecture)

    def loss(self, terms: Terms) -> Tensor:
        """The scalar to minimise, in nats per image, from what one forward pass of one batch gave.

        Written for one model. ``self.beta`` and its like may be tensors, so no ``if`` on them where
        :attr:`stackable` is True.
        """
        raise NotImplementedError(f"{type(self).__name__} must define loss(self, terms)")
