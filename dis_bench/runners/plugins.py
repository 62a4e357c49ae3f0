"""Validate a study's plug-ins before anything starts: declared whole, and no name that hides a column."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, blaming, check_line, shown
from dis_bench.neutral import neutral, own_streams
from dis_bench.records.cell import Cell
from dis_bench.registry import Plugin

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dis_bench.datasets.dataset import Dataset
    from dis_bench.metrics.metric import Metric
    from dis_bench.models.autoencoder import Autoencoder
    from dis_bench.models.model import Model
    from dis_bench.networks.chosen import ChosenNetworks

# Columns that every table has; a score or hyperparameter of that name would hide one.
_MEASURED = (
    *(
        "reconstruction",
        "mse",
        "kl",
        "elbo",
        "active_latents",
        "beta_norm",
        "hash",
        "folder",
        "status",
        "failure",
    ),
    *("train_seconds", "score_seconds", "images_per_second"),
    # and of the record and the report
    *("optimiser", "recipe", "kl_per_latent", "series", "label", "model_name", "row", "dial", "level"),
)
RESERVED = {field.name for field in dataclasses.fields(Cell)} | set(_MEASURED)
_KL_OF_A_LATENT = re.compile(r"kl_\d+")


def check_models(models: dict[str, Plugin]) -> None:
    """Check that each is a subclass of Model that is declared whole, and hides no column.

    Raises:
        InputError: the first one that is not, or does.
    """
    for name, plugin in models.items():
        with blaming(f"model '{name}'", refusals=False):
            _check_model(f"model '{name}'", plugin.load())


def _check_model(whose: str, model: Any) -> None:
    from dis_bench.models.model import Hyperparameter, Model

    if not (inspect.isclass(model) and issubclass(model, Model)):
        raise InputError(
            f"{whose} must be a subclass of dis_bench.models.model.Model, but is {shown(model)}."
        )
    _check_text(whose, "name", getattr(model, "name", None))
    declared = model.hyperparameters
    if not isinstance(declared, Sequence) or not all(isinstance(h, Hyperparameter) for h in declared):
        raise InputError(
            f"{whose}: hyperparameters must be a tuple of Hyperparameter, but is {shown(declared)}."
        )
    names = [hyperparameter.name for hyperparameter in declared]
    for hyperparameter in names:
        _check_free("hyperparameter", hyperparameter, whose)
        if names.count(hyperparameter) > 1:
            raise InputError(f"{whose} declares the hyperparameter '{hyperparameter}' twice.")
    check_line(f"{whose}: note", model.note)
    if model.loss is Model.loss:
        raise InputError(f"{whose} must define loss(self, terms).")


def check_metrics(metrics: Mapping[str, Metric], protocols: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no metric hides a column, and that their protocols can stand in a record.

    Raises:
        InputError: the first one that does, or cannot.
    """
    for name, metric in metrics.items():
        for column in (name, *(metric.outputs or ())):
            _check_free("metric", column, "the study")
        try:
            json.dumps(protocols[name], allow_nan=False)
        except (TypeError, ValueError):
            raise InputError(
                f"metric '{name}' has a default that no record can hold; use numbers, texts or lists: "
                f"{shown(protocols[name])}."
            ) from None


def check_dataset(name: str, dataset: Any) -> None:
    """Check that it is a Dataset whose attributes are what they must be.

    Raises:
        InputError: it is not.
    """
    with blaming(f"dataset '{name}'", refusals=False):
        _check_dataset(f"dataset '{name}'", dataset)


def _check_dataset(whose: str, dataset: Any) -> None:
    from dis_bench.datasets.dataset import Dataset
    from dis_bench.datasets.grid import FactorGrid

    if not isinstance(dataset, Dataset):
        raise InputError(
            f"{whose} must be a subclass of dis_bench.datasets.dataset.Dataset, but is a "
            f"{type(dataset).__name__}."
        )
    for attribute in ("name", "fingerprint", "source"):
        _check_text(whose, attribute, getattr(dataset, attribute, None))
    grid, shape = getattr(dataset, "grid", None), getattr(dataset, "image_shape", None)
    if not isinstance(grid, FactorGrid):
        raise InputError(f"{whose}: grid must be a FactorGrid, but is {shown(grid)}.")
    if not _is_shape(shape):
        raise InputError(f"{whose}: image_shape must be (C, H, W), but is {shown(shape)}.")
    if not isinstance(dataset.pixel_max, (int, float)) or not dataset.pixel_max > 0:
        raise InputError(f"{whose}: pixel_max must be above 0, but is {shown(dataset.pixel_max)}.")
    _check_caveat(whose, type(dataset).caveat)
    if len(dataset) < 2:
        raise InputError(f"{whose} must have at least 2 images, but has {len(dataset)}.")


def check_images(name: str, dataset: Dataset) -> None:
    """Draw the first and the last image of a dataset, to check them before training.

    Raises:
        InputError: the dataset fails, or draws something other than uint8 images of its shape.
    """
    import torch

    whose = f"dataset '{name}'"
    indices = [0, len(dataset) - 1]
    with blaming(f"{whose} cannot draw its images"):
        images = dataset.images(indices)
    wanted = f"a uint8 tensor {[len(indices), *dataset.image_shape]}"
    if not isinstance(images, torch.Tensor):
        raise InputError(f"{whose} must draw {wanted}, but draws a {type(images).__name__}.")
    if images.dtype != torch.uint8 or list(images.shape) != [len(indices), *dataset.image_shape]:
        kind = str(images.dtype).removeprefix("torch.")
        raise InputError(f"{whose} must draw {wanted}, but draws a {kind} tensor {list(images.shape)}.")


def check_batch(family: ChosenNetworks, batch_size: int) -> None:
    """Check that training batches are as long as the networks need them.

    Raises:
        InputError: they are shorter.
    """
    if batch_size < family.least_batch:
        raise InputError(
            f"network '{family.name}' needs batches of {family.least_batch} images or more, so batch_size "
            f"must be at least {family.least_batch}, but {batch_size} was given."
        )


def check_networks(whose: str, networks: Autoencoder, image_shape: tuple[int, int, int], images: int) -> None:
    """Run encoder and decoder once in training mode, on made-up images and codes, by torch's layers.

    Args:
        whose: for the error.
        networks: freshly built; the pass may change their buffers.
        image_shape: (channels, height, width).
        images: in the batch.

    Raises:
        InputError: one fails, or gives something other than numbers of the right shape.
    """
    import torch

    from dis_bench.runners.device import computing

    latents = networks.latent_size
    with neutral(), own_streams(0), torch.no_grad(), computing("fp32", "torch"):
        pixels, codes = torch.rand(images, *image_shape), torch.randn(images, latents)
        _check_pass(f"the encoder of {whose}", networks.encoder, pixels, [images, 2 * latents])
        _check_pass(f"the decoder of {whose}", networks.decoder, codes, [images, *image_shape])


def _check_pass(whose: str, network: nn.Module, inputs: Tensor, shape: list[int]) -> None:
    import torch

    with blaming(f"{whose} fails on a tensor {list(inputs.shape)}"):
        given = network(inputs)
    wanted = f"{whose} must give a tensor {shape} of floats for a tensor {list(inputs.shape)}"
    if not isinstance(given, torch.Tensor):
        raise InputError(f"{wanted}, but gives a {type(given).__name__}.")
    if list(given.shape) != shape or not given.is_floating_point():
        kind = str(given.dtype).removeprefix("torch.")
        raise InputError(f"{wanted}, but gives a {kind} tensor {list(given.shape)}.")


def check_loss(whose: str, model: Model, image_shape: tuple[int, int, int], latent_size: int) -> None:
    """Compute a model's loss once, of made-up terms of two images.

    Raises:
        InputError: the loss fails, or is no scalar tensor with a gradient.
    """
    import torch

    from dis_bench.models.autoencoder import Terms, gaussian_kl

    with neutral(), own_streams(0):
        images = torch.rand(2, *image_shape)
        mean, logvar, codes = (torch.randn(2, latent_size, requires_grad=True) for _ in range(3))
        logits = torch.randn(2, *image_shape, requires_grad=True)
        terms = Terms(
            images, mean, logvar, codes, logits, logits.square().flatten(1).sum(1), gaussian_kl(mean, logvar)
        )
        with blaming(f"the loss of {whose} fails"):
            loss = model.loss(terms)
    wanted = "a tensor of one number with a gradient"
    if not isinstance(loss, torch.Tensor):
        raise InputError(f"the loss of {whose} must be {wanted}, but is {shown(loss)}.")
    if loss.numel() != 1 or not loss.requires_grad:
        lack = f"of shape {list(loss.shape)}" if loss.numel() != 1 else "without a gradient"
        raise InputError(f"the loss of {whose} must be {wanted}, but is one {lack}.")


def _check_free(kind: str, name: Any, whose: str) -> None:
    _check_text(whose, f"the name of a {kind}", name)
    if name in RESERVED or _KL_OF_A_LATENT.fullmatch(name):
        raise InputError(f"{whose} has a {kind} called '{name}', which is the name of a column; rename it.")


def _check_text(whose: str, what: str, given: Any) -> None:
    if not isinstance(given, str) or not given:
        raise InputError(f"{whose}: {what} must be a text, but is {shown(given)}.")


def _check_caveat(whose: str, caveat: Any) -> None:
    if not isinstance(caveat, (str, Mapping)):
        raise InputError(f"{whose}: caveat must be a text, or a text by source, but is {shown(caveat)}.")
    for text in [caveat] if isinstance(caveat, str) else caveat.values():
        check_line(f"{whose}: caveat", text)


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) != 3:
        return False
    return all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape)
