"""The contract of a model: hyperparameters, networks by player, and a loss per player.

A plug-in whose objective is a VAE with another loss is short::

    from dis_bench.models.vae import VAE

    class BetaVAE(VAE):
        name, dial = "betavae", "beta"
        hyperparameters = (Hyperparameter("beta", 4.0, "weight of the KL", low=0.0),)

        def loss(self, terms):
            return terms.reconstruction.mean() + self.beta * terms.kl.sum(1).mean()

Any other model subclasses :class:`Model`. All objectives share one convention: the reconstruction loss is
summed over pixels and channels, the KL is summed over latents, both are averaged over the batch, in nats.

This module does not import torch: plug-ins that import it only in their methods can be listed without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from dis_bench.errors import InputError, shown, unknown
from dis_bench.models.schedules import Schedule, read_schedule
from dis_bench.parameters import Parameter, Value

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.models.draws import Draws
    from dis_bench.models.given import Given


@dataclass(frozen=True)
class Hyperparameter(Parameter):
    """A number, switch or word of an objective that a study can vary.

    Attributes:
        name: the name that users type: ``--set model.name=value``.
        default: the value if none is given; its type is the type of the hyperparameter.
        summary: one line for ``dis-bench list models``.
        low: the smallest value allowed, for numbers.
        high: the largest value allowed, for numbers.
        words: the allowed texts; empty if any text is allowed.
        grid: the published values, for ``--grid published``; empty if there are none.
        optional: left out of a cell's identity at its default, so that declaring it later keeps finished
            cells; at the default, the model must train as if it did not exist.
    """

    WORD = "hyperparameter"

    grid: tuple[Value, ...] = ()
    optional: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_tuple("grid", self.grid)
        for value in self.grid:
            self.parse(value)

    def read(self, given: Any) -> Value | Schedule:
        """Return a value of this hyperparameter or, if it is a float, a schedule.

        Raises:
            InputError: as for :meth:`parse`, or there is no such schedule.
        """
        if self._kind is not float:
            return self.parse(given)
        read = read_schedule(self.name, given)
        if not isinstance(read, Schedule):
            return self.parse(read)
        start, end = (float(self.parse(value)) for value in (read.start, read.end))
        return replace(read, start=start, end=end)  # no other value is outside of these


@dataclass(frozen=True)
class Adam:
    """Adam's settings for a player that differ from the study's.

    Attributes:
        lr: learning rate; None takes the study's.
        betas: decay rates of the gradient's first and second moments.
        weight_decay: share of each weight subtracted per unit of learning rate, decoupled from the gradient
            (Loshchilov & Hutter 2019, alg. 2).
        clip_value: largest size of each element of the gradient, per pixel and channel of an image, since
            code that clips elements averages its loss over these; 0 does not clip.

    Raises:
        InputError: a value with which Adam takes no step.
    """

    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip_value: float = 0.0

    def __post_init__(self) -> None:
        if self.lr is not None and not (_is_finite(self.lr) and self.lr >= 0):
            raise InputError(f"lr of Adam must be a number of at least 0, but {shown(self.lr)} was given.")
        pair = self.betas if isinstance(self.betas, (tuple, list)) else ()
        if len(pair) != 2 or not all(_is_finite(beta) and 0 <= beta < 1 for beta in pair):
            raise InputError(
                f"betas of Adam must be two numbers from 0 to below 1, but {shown(self.betas)} was given."
            )
        for name in ("weight_decay", "clip_value"):
            value = getattr(self, name)
            if not (_is_finite(value) and value >= 0):
                raise InputError(
                    f"{name} of Adam must be a number of at least 0, but {shown(value)} was given."
                )


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


class Step(NamedTuple):
    """The result of a training step on one batch.

    Attributes:
        losses: a scalar by player, in nats per image if the objective has units; each updates the weights of
            its player only.
        measures: measures for training.csv by name: a scalar, one number per image [B], or one per image and
            latent [B, D]; the log keeps means over the batch.
    """

    losses: dict[str, Tensor]
    measures: dict[str, Tensor]


class Model:
    """A game of networks that each have a loss of their own; subclass it to add a model.

    No method changes the images or codes that it is given: others still read them.

    A model names its players in :meth:`build`, and gives each of them a loss in :meth:`step`. The gradient of
    a loss updates the weights of its player only, so no model holds an optimiser, a ``detach`` that separates
    players, or an order of updates. A VAE with another loss subclasses :class:`dis_bench.models.vae.VAE` and
    defines only ``loss(terms)``.

    Class attributes:
        name: the name that users type and tables show.
        hyperparameters: the values that a study can vary; each becomes an attribute of the instance.
        dial: the hyperparameter along which reports draw the model, such as ``gamma`` or ``capacity``; None
            means ``beta`` if there is one.
        needs: inputs from the dataset other than images: ``("factors",)``, which may be labels, or
            ``("grid",)``, an image for each combination of factors.
        note: text that legends of reports add in parentheses, if nothing of the model varies.
        baseline: whether the model is there to be beaten: reports say which scores it saturates. Like
            ``note``, it is not inherited.
        own_networks: whether the model builds networks that no family replaces; a study with another
            ``network`` than the default is then refused.
        reconstructs: whether ``decode`` returns the images that ``encode`` was given. False if it makes other
            images with the same codes: then a record has no reconstruction, and its pictures are samples.
        prior: distribution of the codes that training decodes, from which samples are drawn: ``uniform``
            from -1 to 1, or None. With a posterior it is a unit Gaussian, as the KL is measured from that.
        has_wide_codes: whether codes have as many numbers as images, instead of ``latent_size``. Then nothing
            in a cell is drawn or trained, a study has one of it, its codes are not kept, and only metrics
            that take so many codes score it.
        stackable: whether cells may be trained as one on a GPU, which turns float hyperparameters into
            tensors; False for a step that draws random numbers of its own, or has an ``if`` on a value.

    Args:
        values: hyperparameters by name; the others take their defaults. A float may be a schedule, as a text
            or as a :class:`dis_bench.models.schedules.Schedule`. Its attribute then has the value of each
            step in :meth:`step`, and the end value in all other methods.

    Attributes:
        values: all hyperparameters by name, with the end values of schedules.
        schedules: schedules by hyperparameter.

    Raises:
        InputError: a name is not declared, or a value is not allowed.
    """

    name: ClassVar[str]
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = ()
    dial: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ()
    own_networks: ClassVar[bool] = False
    reconstructs: ClassVar[bool] = True
    prior: ClassVar[str | None] = None
    has_wide_codes: ClassVar[bool] = False
    stackable: ClassVar[bool] = True
    note: ClassVar[str] = ""
    baseline: ClassVar[bool] = False

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if "note" not in vars(cls):  # that of another objective would be wrong
            cls.note = ""
        if "baseline" not in vars(cls):  # what extends a baseline may be meant to beat it
            cls.baseline = False

    def __init__(self, **values: Any) -> None:
        declared = {h.name: h for h in self.hyperparameters}
        for given in values:
            if given not in declared:
                raise unknown(f"hyperparameter of {self.name}", given, declared)
        read = {name: h.read(values.get(name, h.default)) for name, h in declared.items()}
        self.schedules = {name: value for name, value in read.items() if isinstance(value, Schedule)}
        self.values = {
            name: value.end if isinstance(value, Schedule) else value for name, value in read.items()
        }
        for name, value in self.values.items():
            setattr(self, name, value)

    @property
    def chosen(self) -> dict[str, Any]:
        """Values and schedules, without optional values that are at their default."""
        defaults = {h.name: h.default for h in self.hyperparameters if h.optional}
        given: dict[str, Any] = {**self.values, **self.schedules}
        return {n: value for n, value in given.items() if n not in defaults or value != defaults[n]}

    @property
    def reach(self) -> float:
        """The largest distance from 0 to which traversals move a latent.

        Codes of the prior go no further, or few of them do.
        """
        return 1.0 if self.prior == "uniform" else 3.0

    def build(self, given: Given) -> Any:
        """Build the networks: a module whose children are the players.

        Planning builds every model, so this must not use any data.

        Args:
            given: the study's choices: ``given.encoder(outputs)``, ``given.decoder(inputs)``,
                ``given.latents``, ``given.likelihood``, ``given.image_shape``.
        """
        raise NotImplementedError(f"{type(self).__name__} must define build(self, given)")

    def optimisers(self) -> dict[str, Adam]:
        """Return the settings of players that differ from the study's, equal in a stack."""
        return {}

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw the random numbers of one step, by name.

        Args:
            draws: the cell's own generators.

        Returns:
            Tensors by name; ``"images"`` must hold indices [B], which the step receives as images.
        """
        return {"images": draws.images()}

    def step(self, networks: Any, batch: dict[str, Tensor]) -> Step:
        """Compute each player's loss and the logged measures from one batch.

        It is written for one model. Hyperparameters such as ``self.beta`` may be tensors, so there must be no
        ``if`` on them if :attr:`stackable` is True. State that is kept between steps is a buffer of the
        networks, changed in place.

        Args:
            networks: the players from :meth:`build`.
            batch: the tensors from :meth:`draw`, with images [B, C, H, W] in [0, 1] in place of indices, and
                ``"progress"``, a scalar that runs from 0 at the first step to 1 at the last.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(self, networks, batch)")

    def fit(self, networks: Any, images: Callable[[int], Tensor]) -> None:
        """Fit buffers that steps do not train, once after the last step, if any.

        Args:
            networks: the players, whose buffers are filled in place.
            images: ``images(count)`` returns images [count, C, H, W] in [0, 1], drawn without replacement
                with the cell's seed; all images of a smaller dataset.
        """

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode images to the representation that is scored.

        Returns:
            Codes [B, D], which are the posterior means if there is a posterior, and the posterior's
            log-variances [B, D] or None. D is the number of latents, or that of pixels and channels with
            :attr:`has_wide_codes`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define encode(self, networks, images)")

    def decode(self, networks: Any, codes: Tensor) -> Tensor | None:
        """Decode codes [B, D] to logits [B, C, H, W]; return None without a decoder."""
        return None
