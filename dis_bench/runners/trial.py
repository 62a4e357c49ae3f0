"""Try a model before its study starts: one step and one encoding of made-up images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, blaming, shown
from dis_bench.models.schedules import Schedule
from dis_bench.neutral import neutral, own_streams

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dis_bench.models.draws import Draws
    from dis_bench.models.model import Model

MOST_TRIED = 16  # combinations of hyperparameters of a model, at about 0.1 s each


def choose_tried(combinations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choose the combinations of a model's hyperparameters to try.

    Words, switches and whole numbers may decide what a model draws or builds: a law of pairs, a number of
    labelled images. Combinations that differ only in floats are tried once, and if others are too many, those
    with values that were not tried before come first.

    Args:
        combinations: hyperparameters by name, of a model.

    Returns:
        At most :data:`MOST_TRIED` of them, with the first.
    """
    distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in combinations:
        key = tuple((name, value) for name, value in one.items() if not isinstance(value, (float, Schedule)))
        distinct.setdefault(key, one)
    seen: set[Any] = set()
    fresh: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for key, one in distinct.items():
        (others if fresh and seen.issuperset(key) else fresh).append(one)
        seen.update(key)
    return [*fresh, *others][:MOST_TRIED]


def try_model(
    whose: str, model: Model, networks: Any, draws: Draws, image_shape: tuple[int, ...], family: str
) -> None:
    """Run each network, a step, ``encode`` and ``decode`` once with torch's layers.

    Args:
        whose: name of the model, for the message.
        model: the model to try.
        networks: the networks from its ``build``; their buffers may change.
        draws: draws of a small batch; its images are made up.
        image_shape: (C, H, W).
        family: name of the network family that the study chose.

    Raises:
        InputError: the first violation of the contract.
    """
    import torch

    from dis_bench.models.building import takes_steps
    from dis_bench.runners.device import computing

    if not isinstance(networks, torch.nn.Module):
        raise InputError(f"{whose} must build a torch.nn.Module, but builds a {type(networks).__name__}.")
    images = draws.batch_size
    with neutral(), own_streams(0), computing("fp32", "torch"):
        with torch.no_grad():
            _try_networks(f"{whose} with network '{family}'", networks.train(), images)
        if takes_steps(networks):
            _try_step(whose, model, networks, draws, image_shape)
        with torch.no_grad():
            try_codes(whose, model, networks.eval(), torch.rand(images, *image_shape), draws.latents)


def _try_networks(whose: str, networks: nn.Module, images: int) -> None:
    """Run each network that a family built on made-up inputs."""
    import torch

    from dis_bench.nn.precision import Network

    for network in networks.modules():
        if not isinstance(network, Network) or network.duty is None:
            continue
        part, takes, gives = network.duty
        given, shape = [images, *takes], [images, *gives]
        with blaming(f"the {part} of {whose} fails on a tensor {given}"):
            made = network(torch.rand(given))
        wanted = f"the {part} of {whose} must give a tensor {shape} of floats for a tensor {given}"
        if not isinstance(made, torch.Tensor):
            raise InputError(f"{wanted}, but gives a {type(made).__name__}.")
        if list(made.shape) != shape or not made.is_floating_point():
            kind = str(made.dtype).removeprefix("torch.")
            raise InputError(f"{wanted}, but gives a {kind} tensor {list(made.shape)}.")


def _try_step(
    whose: str, model: Model, networks: nn.Module, draws: Draws, image_shape: tuple[int, ...]
) -> None:
    import torch

    with blaming(f"the batch that {whose} draws fails"):
        batch = dict(model.draw(draws))
    indices = batch.get("images")
    if not isinstance(indices, torch.Tensor) or indices.dtype != torch.int64 or indices.dim() != 1:
        raise InputError(f"{whose} must draw 'images' as int64 indices [B], but draws {shown(indices)}.")
    batch["images"] = torch.rand(len(indices), *image_shape)
    batch["progress"] = torch.zeros(())
    with blaming(f"a step of {whose} fails"):
        losses, measures = model.step(networks, batch)
    check_step(whose, networks, losses, measures)


def try_batch(whose: str, model: Model, draws: Draws) -> None:
    """Draw a batch of a study's size, as one for the trial is smaller.

    Args:
        whose: name of the model, for the message.
        model: the model to try.
        draws: draws of batches of the study's size.

    Raises:
        InputError: it cannot be drawn.
    """
    with neutral(), own_streams(0), blaming(f"the batch that {whose} draws fails"):
        model.draw(draws)


def check_step(whose: str, networks: nn.Module, losses: Any, measures: dict[str, Any]) -> None:
    """Check that a step gave a loss to each player, and measures that can be logged.

    Raises:
        InputError: it did not.
    """
    import torch

    players = {name.partition(".")[0] for name, weight in networks.named_parameters() if weight.requires_grad}
    if not isinstance(losses, dict) or losses.keys() != players:
        given = ", ".join(map(str, losses)) if isinstance(losses, dict) else shown(losses)
        raise InputError(
            f"a step of {whose} must give a loss to each of its players ({', '.join(sorted(players))}), but "
            f"gives them to: {given or 'none'}."
        )
    for player, loss in losses.items():
        _check_loss(f"the loss of {whose}" if len(losses) == 1 else f"the loss '{player}' of {whose}", loss)
    for name, value in measures.items():
        if not isinstance(value, torch.Tensor) or value.dim() > 2:
            raise InputError(
                f"measure '{name}' of {whose} must be a tensor of one number, [B] or [B, D], but is "
                f"{shown(value)}."
            )


def _check_loss(what: str, loss: Tensor) -> None:
    import torch

    wanted = "a tensor of one number with a gradient"
    if not isinstance(loss, torch.Tensor):
        raise InputError(f"{what} must be {wanted}, but is {shown(loss)}.")
    if loss.dim() or not loss.requires_grad:
        lack = f"of shape {list(loss.shape)}" if loss.dim() else "without a gradient"
        raise InputError(f"{what} must be {wanted}, but is one {lack}.")


def try_codes(whose: str, model: Model, networks: nn.Module, images: Tensor, latents: int) -> None:
    """Encode images [B, C, H, W] and decode their codes, to check the shapes.

    Raises:
        InputError: they are not as the contract says.
    """
    with blaming(f"{whose} cannot encode images"):
        codes, logvar = model.encode(networks, images)
    for what, given in (("codes", codes), ("log-variances", logvar)):
        if what == "codes" or given is not None:
            _check_shape(f"the {what} of {whose}", given, (len(images), latents))
    with blaming(f"{whose} cannot decode codes"):
        logits = model.decode(networks, codes)
    if logits is not None:
        _check_shape(f"the images that {whose} decodes", logits, tuple(images.shape))


def _check_shape(what: str, given: Any, wanted: tuple[int, ...]) -> None:
    import torch

    if not isinstance(given, torch.Tensor):
        raise InputError(f"{what} must be a tensor {list(wanted)}, but are {shown(given)}.")
    if tuple(given.shape) != wanted:
        raise InputError(f"{what} must be a tensor {list(wanted)}, but are one {list(given.shape)}.")
