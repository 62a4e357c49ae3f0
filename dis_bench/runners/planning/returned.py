"""Check what the methods of a model return, before a training depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, blaming, shown
from dis_bench.records.columns import split_images

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dis_bench.models.model import Model, Step

SEPARATORS = ",\"'"  # in a measure's name, they would break the header of training.csv


def check_shapes(whose: str, networks: nn.Module) -> None:
    """Check that all weights have a shape, as optimisers begin before the batches.

    Raises:
        InputError: a layer is lazy.
    """
    import torch

    for name, tensor in [*networks.named_parameters(), *networks.named_buffers()]:
        if torch.nn.parameter.is_lazy(tensor):
            raise InputError(
                f"{whose} has a lazy layer: '{name}' has no shape before the first batch; give it one."
            )


def check_optimisers(whose: str, model: Model, networks: nn.Module) -> None:
    """Check that a model gives Adam's settings to players that there are.

    Raises:
        InputError: it does not, or some settings are not allowed.
    """
    from dis_bench.models.model import Adam

    with blaming(f"optimisers() of {whose}"):
        given = model.optimisers()
    if not isinstance(given, dict) or not all(isinstance(adam, Adam) for adam in given.values()):
        raise InputError(f"optimisers() of {whose} must return Adams by player, but returns {shown(given)}.")
    players = {name.partition(".")[0] for name, _ in networks.named_parameters()}
    players |= {name for name, _ in networks.named_children()}
    for player in given:
        if player not in players:
            raise InputError(
                f"optimisers() of {whose} names player '{player}', but the players are "
                f"{', '.join(sorted(players))}."
            )


def check_drawn(whose: str, drawn: Any, count: int) -> None:
    """Check that a batch is tensors by name, one of which are indices of images.

    Args:
        whose: name of the model, for the message.
        drawn: what its ``draw`` returned.
        count: number of images in the dataset.

    Raises:
        InputError: it is not.
    """
    import torch

    if not isinstance(drawn, Mapping):
        raise InputError(f"{whose} must draw tensors by name, but draws {shown(drawn)}.")
    indices = drawn.get("images")
    wanted = f"{whose} must draw 'images' as int64 indices [B]"
    if not isinstance(indices, torch.Tensor) or indices.dtype != torch.int64 or indices.dim() != 1:
        raise InputError(f"{wanted}, but draws {shown(indices)}.")
    if not len(indices) or indices.min() < 0 or indices.max() >= count:
        raise InputError(f"{wanted} from 0 to {count - 1}, but draws {shown(indices)}.")
    for name, part in drawn.items():
        if not isinstance(part, torch.Tensor):
            raise InputError(f"{whose} must draw tensors by name, but draws '{name}' as {shown(part)}.")


def check_step(whose: str, networks: nn.Module, step: Any) -> None:
    """Check that a step gave a loss to each player, and measures that can be logged.

    Raises:
        InputError: it did not.
    """
    from dis_bench.models.model import Step

    if not isinstance(step, Step):
        raise InputError(
            f"a step of {whose} must return Step(losses, measures), but returns {_describe(step)}."
        )
    players = {name.partition(".")[0] for name, weight in networks.named_parameters() if weight.requires_grad}
    losses: Any = step.losses
    if not isinstance(losses, dict) or losses.keys() != players:
        given = ", ".join(map(str, losses)) if isinstance(losses, dict) else shown(losses)
        raise InputError(
            f"a step of {whose} must give a loss to each of its players ({', '.join(sorted(players))}), but "
            f"gives them to: {given or 'none'}."
        )
    for player, loss in losses.items():
        _check_loss(name_loss(whose, player, step), loss)
    _check_measures(whose, step)


def name_loss(whose: str, player: str, step: Step) -> str:
    """Return the loss of a player in words, for a message."""
    return f"the loss of {whose}" if len(step.losses) == 1 else f"the loss '{player}' of {whose}"


def _describe(given: Any) -> str:
    return "None" if given is None else f"a {type(given).__name__}"


def _check_loss(what: str, loss: Tensor) -> None:
    import torch

    wanted = "a tensor of one number with a gradient"
    if not isinstance(loss, torch.Tensor):
        raise InputError(f"{what} must be {wanted}, but is {shown(loss)}.")
    if loss.dim() or not loss.requires_grad:
        lack = f"of shape {list(loss.shape)}" if loss.dim() else "without a gradient"
        raise InputError(f"{what} must be {wanted}, but is one {lack}.")
    if not loss.is_floating_point():
        raise InputError(f"{what} must be {wanted}, but is one of {_name_kind(loss)}.")


def _check_measures(whose: str, step: Step) -> None:
    """Check that measures are tensors, under names that training.csv can have."""
    import torch

    measures: Any = step.measures
    if not isinstance(measures, dict):
        raise InputError(
            f"the measures of a step of {whose} must be a dict of tensors by name, but are {shown(measures)}."
        )
    for name, value in measures.items():
        if not isinstance(name, str) or not name.isprintable() or not name or set(name) & set(SEPARATORS):
            raise InputError(
                f"the measures of {whose} must have names of one line without commas and quotes, but one is "
                f"called {shown(name)}."
            )
        given = shown(value)
        if isinstance(value, torch.Tensor) and value.dim() < 3:
            has_mean = value.is_floating_point() or not (value.dim() or value.is_complex())
            if has_mean and value.layout == torch.strided and value.numel():
                continue
            given = f"a tensor {list(value.shape)} of {_name_kind(value)}"
        raise InputError(
            f"measure '{name}' of {whose} must be a tensor of one number, [B] or [B, D], but is {given}."
        )
    _check_columns(whose, step)


def _check_columns(whose: str, step: Step) -> None:
    """Check that each column of training.csv has another name."""
    from dis_bench.runners.training.log import Columns, flatten

    losses = flatten(step._replace(measures={}))
    for name in step.measures:
        if name in ("step", *losses) or split_images(name)[1] == "heldout":
            raise InputError(
                f"{whose} has a measure called '{name}', which is the name of another column of its "
                "training.csv; rename it."
            )
    names = Columns({name: value[None] for name, value in flatten(step).items()}).names
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the measures of {whose} give two columns of the name '{name}'; rename one.")


def check_numbers(what: str, given: Any, wanted: tuple[int, ...]) -> None:
    """Check that something is a tensor of finite floats of a shape.

    Args:
        what: the subject of the sentence, in the plural.
        given: what a method returned.
        wanted: the shape.

    Raises:
        InputError: it is not.
    """
    import torch

    if not isinstance(given, torch.Tensor):
        raise InputError(f"{what} must be a tensor {list(wanted)}, but are {shown(given)}.")
    if tuple(given.shape) != wanted:
        raise InputError(f"{what} must be a tensor {list(wanted)}, but are one {list(given.shape)}.")
    if given.layout != torch.strided or not given.is_floating_point():
        raise InputError(f"{what} must be a dense tensor of floats, but are one of {_name_kind(given)}.")
    finite = given.isfinite()
    if not finite.all():
        raise InputError(f"{what} must be finite, but some of them are {given[~finite][0].item()}.")


def _name_kind(given: Tensor) -> str:
    """Return ``int64``, or ``sparse_coo`` for a tensor that is not dense."""
    import torch

    return str(given.dtype if given.layout == torch.strided else given.layout).removeprefix("torch.")
