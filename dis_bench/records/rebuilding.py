"""Trained models, built again from the record and the weights that a cell keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.records.cell import plain_name
from dis_bench.records.schema import Record

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dis_bench.models.model import Model


def build_again(
    record: Record, image_shape: tuple[int, int, int], model: Any = None, network: Any = None
) -> tuple[Model, nn.Module]:
    """Build the model of a cell and its networks as for its training.

    A record never names code to run: without a model or network, the installed one of the recorded name is
    taken.

    Args:
        record: the cell's record.
        image_shape: (channels, height, width).
        model, network: the plug-ins, in a form of :mod:`dis_bench.registry`, of a user.

    Returns:
        The model and its networks, with new weights, on the CPU.

    Raises:
        InputError: the model cannot be built.
    """
    from dis_bench.models.building import build_model

    cell = record["cell"]
    return build_model(
        plain_name(cell["model"]) if model is None else model,
        image_shape=image_shape,
        network=plain_name(cell["network"]) if network is None else network,
        latent_size=cell["latent_size"],
        likelihood=cell["likelihood"],
        seed=cell["seed"],
        **{**cell["hyperparameters"], **cell.get("schedules", {})},
    )


def fill(networks: nn.Module, weights: Mapping[str, Tensor], model: str) -> None:
    """Copy weights into networks that were built again.

    Args:
        networks: from :func:`build_again`.
        weights: by name.
        model: the model's name, for the message.

    Raises:
        InputError: names or shapes differ, because the code of the networks has changed.
    """
    wanted = {name: list(value.shape) for name, value in networks.state_dict().items()}
    there = {name: list(value.shape) for name, value in weights.items()}
    for name in [*wanted, *there]:
        if wanted.get(name) != there.get(name):
            raise InputError(
                f"the networks of model '{model}' have changed since this cell was trained: '{name}' is "
                f"{there.get(name, 'not')} in the weights, but {wanted.get(name, 'not')} in the networks."
            )
    networks.load_state_dict(dict(weights))
