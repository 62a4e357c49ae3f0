"""Build a model by its name, and initialise its networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.neutral import neutral, own_streams
from dis_bench.requirements import names_missing_packages

if TYPE_CHECKING:
    from torch import nn

    from dis_bench.models.model import Model


@names_missing_packages
def build_model(
    name: str | type[Model],
    *,
    image_shape: tuple[int, int, int] = (1, 64, 64),
    network: str | type = "burgess",
    latent_size: int = 10,
    likelihood: str = "bernoulli",
    seed: int = 0,
    **hyperparameters: Any,
) -> tuple[Model, nn.Module]:
    """Build a model and its networks, freshly initialised.

    Args:
        name: an installed model, ``module:Class``, ``path/file.py:Class`` or a class.
        image_shape: (channels, height, width).
        network: an installed family of networks, ``module:Class`` or ``path/file.py:Class``.
        latent_size: number of latents.
        likelihood: ``bernoulli`` or ``gaussian``.
        seed: seed of the initial weights.
        hyperparameters: the model's own, such as ``beta=4.0``.

    Returns:
        The model, with ``encode(networks, images)`` and ``decode(networks, codes)``, and its networks.

    Raises:
        InputError: the name is unknown, a value is not allowed, or the networks do not take images of this
            size.

    >>> model, networks = build_model("betavae", latent_size=6, beta=4.0)
    >>> model.beta, sum(weights.numel() for weights in networks.parameters())
    (4.0, 498925)
    """
    import torch  # noqa: F401 -- imported before its random stream is seeded

    from dis_bench.errors import unknown
    from dis_bench.models.given import Given
    from dis_bench.models.likelihoods import LIKELIHOODS
    from dis_bench.networks.chosen import choose_networks

    if likelihood not in LIKELIHOODS:
        raise unknown("likelihood", likelihood, LIKELIHOODS)
    model = registry.find("models", name).load()(**hyperparameters)
    family = choose_networks(network)  # before weights are drawn, since importing it may draw too
    given = Given(image_shape, latent_size, likelihood, family)
    with neutral(), own_streams(seed):
        networks = model.build(given)
        given.initialise()
    return model, networks


def count_codes(model: Model, latents: int, image_shape: tuple[int, ...]) -> int:
    """Return the numbers in a code of a model: latents, or pixels and channels."""
    return math.prod(image_shape) if model.has_wide_codes else latents


def takes_steps(networks: nn.Module) -> bool:
    """Return True if networks have weights to train, not only buffers for ``fit``."""
    return any(weight.requires_grad for weight in networks.parameters())
