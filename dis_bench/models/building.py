"""Building a model by its name, with its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.neutral import neutral, own_streams
from dis_bench.requirements import names_missing_packages

if TYPE_CHECKING:
    from dis_bench.models.autoencoder import Autoencoder
    from dis_bench.models.model import Model


@names_missing_packages
def build_model(
    name: str,
    *,
    image_shape: tuple[int, int, int] = (1, 64, 64),
    network: str = "burgess",
    latent_size: int = 10,
    likelihood: str = "bernoulli",
    seed: int = 0,
    **hyperparameters: Any,
) -> tuple[Model, Autoencoder]:
    """An objective and its networks, freshly initialised.

    Args:
        name: an installed model, ``module:Class`` or ``path/file.py:Class``.
        image_shape: (channels, height, width).
        network: an installed family of networks, ``module:Class`` or ``path/file.py:Class``.
        latent_size: number of latents.
        likelihood: ``bernoulli`` or ``gaussian``.
        seed: decides the initial weights.
        hyperparameters: the model's own, such as ``beta=4.0``.

    Returns:
        The objective, with ``loss(terms)``, and the networks, with ``encode(images)``.

    Raises:
        InputError: an unknown name or a value that is not allowed.

    >>> model, networks = build_model("betavae", latent_size=6, beta=4.0)
    >>> model.beta, sum(weights.numel() for weights in networks.parameters())
    (4.0, 498925)
    """
    import torch  # noqa: F401 -- before its stream is seeded

    model = registry.find("models", name).load()(**hyperparameters)
    registry.find("networks", network).load()  # before weights are drawn: importing it may draw, too
    with neutral(), own_streams(seed):
        networks = model.build(image_shape, network=network, latent_size=latent_size, likelihood=likelihood)
    return model, networks
