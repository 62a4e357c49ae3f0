"""Try a model before its study starts: one step, fit and encoding of made-up images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, blaming, shown
from dis_bench.models.schedules import Schedule
from dis_bench.neutral import neutral, own_streams
from dis_bench.runners.planning.returned import (
    check_drawn,
    check_numbers,
    check_optimisers,
    check_shapes,
    check_step,
    name_loss,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dis_bench.models.draws import Draws
    from dis_bench.models.model import Model

MOST_TRIED = 16  # combinations of hyperparameters of a model, at about 0.1 s each
LEAST_FITTED = 128  # made-up images, if the dataset has as many


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
    """Run each network and method of a model once, with torch's layers.

    Args:
        whose: name of the model, for the message.
        model: the model to try.
        networks: the networks from its ``build``, for the trial alone: their buffers change.
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
    check_shapes(whose, networks)
    images, most = draws.batch_size, max(LEAST_FITTED, 2 * draws.latents)
    with neutral(), own_streams(0), computing("fp32", "torch"):
        with torch.no_grad():
            _try_networks(f"{whose} with network '{family}'", networks.train(), images)
        if takes_steps(networks):
            check_optimisers(whose, model, networks)
            _try_step(whose, model, networks, draws, image_shape)
        with torch.no_grad():
            networks.eval()
            try_fit(whose, model, networks, min(draws.count, most), image_shape)
            try_codes(whose, model, networks, torch.rand(images, *image_shape), draws.latents)


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
        drawn = model.draw(draws)
    check_drawn(whose, drawn, draws.count)
    images = torch.rand(len(drawn["images"]), *image_shape)
    batch = {**drawn, "images": images.clone(), "progress": torch.zeros(())}
    with blaming(f"a step of {whose} fails"):
        step = model.step(networks, batch)
    check_step(whose, networks, step)
    _check_unchanged(f"a step of {whose}", "images", batch["images"], images)
    for player, loss in step.losses.items():
        weights = [w for name, w in networks.named_parameters() if name.partition(".")[0] == player]
        trained = [weight for weight in weights if weight.requires_grad]
        # A loss that is not finite is the failure of one cell, and perhaps due to made-up images.
        with blaming(f"{name_loss(whose, player, step)} has no gradient"):
            torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)


def try_batch(whose: str, model: Model, draws: Draws) -> None:
    """Draw a batch of a study's size, as one for the trial is smaller.

    Args:
        whose: name of the model, for the message.
        model: the model to try.
        draws: draws of batches of the study's size.

    Raises:
        InputError: it cannot be drawn.
    """
    with neutral(), own_streams(0):
        with blaming(f"the batch that {whose} draws fails"):
            drawn = model.draw(draws)
        check_drawn(whose, drawn, draws.count)


def try_fit(whose: str, model: Model, networks: nn.Module, count: int, image_shape: tuple[int, ...]) -> None:
    """Fit networks on made-up images; after a training it would fail too late.

    Args:
        whose: name of the model, for the message.
        model: the model to try.
        networks: its networks, whose buffers change.
        count: number of images to make up.
        image_shape: (C, H, W).

    Raises:
        InputError: it fails.
    """
    import torch

    with blaming(f"fit of {whose} fails"):
        model.fit(networks, lambda wanted: torch.rand(min(wanted, count), *image_shape))


def try_codes(whose: str, model: Model, networks: nn.Module, images: Tensor, latents: int) -> None:
    """Encode images [B, C, H, W] and decode their codes, to check what they are.

    Raises:
        InputError: they are not as the contract says.
    """
    given = images.clone()
    with blaming(f"{whose} cannot encode images"):
        encoded = model.encode(networks, given)
    if not isinstance(encoded, (tuple, list)) or len(encoded) != 2:
        raise InputError(
            f"{whose} must encode images to codes and log-variances, or codes and None, but gives "
            f"{shown(encoded)}."
        )
    codes, logvar = encoded
    for what, part in (("codes", codes), ("log-variances", logvar)):
        if what == "codes" or part is not None:
            check_numbers(f"the {what} of {whose}", part, (len(images), latents))
    _check_unchanged(f"encode of {whose}", "images", given, images)
    before = codes.clone()
    with blaming(f"{whose} cannot decode codes"):
        logits = model.decode(networks, codes)
    if logits is not None:
        check_numbers(f"the images that {whose} decodes", logits, tuple(images.shape))
    _check_unchanged(f"decode of {whose}", "codes", codes, before)


def _check_unchanged(what: str, given: str, now: Tensor, before: Tensor) -> None:
    """Check that a method left its argument as it was: others still read it."""
    import torch

    if not torch.equal(now, before):
        raise InputError(
            f"{what} changes the {given} that it is given: let it change a copy, {given}.clone()."
        )
