"""Validate a study's plug-ins: complete declarations, no name that hides a column."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.errors import STUDY, InputError, Option, blaming, check_line, shown, worded_for
from dis_bench.records.arrays import MOST_PIXELS
from dis_bench.records.columns import is_taken, split_images
from dis_bench.registry import Plugin

if TYPE_CHECKING:
    from dis_bench.datasets.dataset import Dataset
    from dis_bench.metrics.metric import Metric
    from dis_bench.models.model import Model
    from dis_bench.networks.chosen import ChosenNetworks


CHANNELS = (1, 3)  # grey, or red, green and blue
NEEDS = ("factors", "grid")  # of a dataset beside images, which a model may declare


def check_models(models: dict[str, Plugin]) -> None:
    """Check that models are subclasses of Model, fully declared, and hide no column.

    Raises:
        InputError: the first invalid model.
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
        if _is_of_contract(model, hyperparameter):
            raise InputError(
                f"{whose} has a hyperparameter called '{hyperparameter}', which is the name of another part "
                "of a model; rename it."
            )
        if names.count(hyperparameter) > 1:
            raise InputError(f"{whose} declares the hyperparameter '{hyperparameter}' twice.")
    check_line(f"{whose}: note", model.note)
    if not isinstance(model.baseline, bool):
        raise InputError(f"{whose}: baseline must be True or False, but is {shown(model.baseline)}.")
    if not isinstance(model.needs, tuple) or not set(model.needs) <= set(NEEDS):
        raise InputError(f"{whose}: needs must be () or some of {NEEDS}, but is {shown(model.needs)}.")
    dial = vars(model).get("dial")  # an inherited dial may name a hyperparameter that the subclass lacks
    if dial is not None and dial not in names:
        raise InputError(f"{whose}: dial must be one of its hyperparameters, but is {shown(dial)}.")
    _check_methods(whose, model, Model)


def _is_of_contract(model: Any, name: str) -> bool:
    """Return True if a hyperparameter of this name would replace part of a model."""
    from dis_bench.models.model import Model

    member = inspect.getattr_static(model, name, None)
    is_used = callable(member) or hasattr(member, "__get__")  # a method, a property
    return is_used or name in dir(Model()) or name in Model.__annotations__


def _check_methods(whose: str, model: Any, base: Any) -> None:
    lacking = [name for name in ("build", "encode") if getattr(model, name) is getattr(base, name)]
    if not lacking:
        return
    if hasattr(model, "loss"):
        raise InputError(
            f"{whose} defines a loss of a VAE's terms, so it must subclass dis_bench.models.vae.VAE, "
            "which builds and encodes, and not Model."
        )
    wanted = {"build": "build(self, given)", "encode": "encode(self, networks, images)"}
    raise InputError(
        f"{whose} must define {' and '.join(wanted[name] for name in lacking)}, or subclass "
        "dis_bench.models.vae.VAE and define loss(self, terms)."
    )


def check_schedules(model: Model) -> None:
    """Check that a model's schedules give it only values that its steps can use.

    Raises:
        InputError: the model refuses some values, or one is a setting of its optimiser, which is read once.
    """
    names = [*model.schedules]
    if not names:
        return
    ends = ([schedule.start, schedule.end] for schedule in model.schedules.values())
    for values in itertools.product(*ends):  # all other values are between these
        other = type(model)(**{**model.values, **dict(zip(names, values, strict=True))})
        if other.optimisers() != model.optimisers():
            raise InputError(
                f"{' and '.join(names)} cannot follow a schedule, because the optimiser reads it only once; "
                "give a value."
            )


def check_metrics(
    metrics: Mapping[str, Metric],
    protocols: Mapping[str, Mapping[str, Any]],
    hyperparameters: Mapping[str, Collection[str]],
) -> None:
    """Check that metrics hide no column, and that records can hold their protocols.

    Args:
        metrics: by name.
        protocols: of each metric.
        hyperparameters: names of those that are columns of the study, by model.

    Raises:
        InputError: the first invalid metric.
    """
    for name, metric in metrics.items():
        for column in (name, *(metric.outputs or ())):
            _check_free("metric", column, "the study")
            for model, taken in hyperparameters.items():
                if column in taken:
                    raise InputError(
                        f"the study has a metric called '{column}', as a hyperparameter of model '{model}' "
                        "is; rename the metric."
                    )
        try:
            json.dumps(protocols[name], allow_nan=False)
        except (TypeError, ValueError):
            raise InputError(
                f"metric '{name}' has a default that no record can hold; use numbers, texts or lists: "
                f"{shown(protocols[name])}."
            ) from None


def check_dataset(name: str, dataset: Any) -> None:
    """Check that a dataset is a Dataset with valid attributes.

    Raises:
        InputError: the first fault found.
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
    if grid is not None and not isinstance(grid, FactorGrid):
        raise InputError(f"{whose}: grid must be a FactorGrid or None, but is {shown(grid)}.")
    if grid is None:
        _check_without_grid(whose, dataset)
    if shape is None or not _is_shape(shape):
        raise InputError(f"{whose}: image_shape must be (C, H, W), but is {shown(shape)}.")
    if shape[0] not in CHANNELS or max(shape[1:]) > MOST_PIXELS:
        raise InputError(
            f"{whose} must have images of 1 or 3 channels, and of {MOST_PIXELS} pixels to a side at most, "
            f"but its image_shape is {shown(tuple(shape))}."
        )
    if not isinstance(dataset.pixel_max, (int, float)) or not dataset.pixel_max > 0:
        raise InputError(f"{whose}: pixel_max must be above 0, but is {shown(dataset.pixel_max)}.")
    _check_caveat(whose, type(dataset).caveat)
    if len(dataset) < 2:
        raise InputError(f"{whose} must have at least 2 images, but has {len(dataset)}.")


def _check_without_grid(whose: str, dataset: Dataset) -> None:
    """Check the number of images of a dataset without a grid, and its labels."""
    from dis_bench.datasets.labels import Labels

    count, labels = getattr(dataset, "count", None), dataset.labels
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(
            f"{whose} has no grid, so count must be its number of images, but is {shown(count)}."
        )
    if labels is not None and not isinstance(labels, Labels):
        raise InputError(f"{whose}: labels must be Labels or None, but is {shown(labels)}.")
    if labels is not None and len(labels) != count:
        raise InputError(f"{whose} has {count:,} images, but labels of {len(labels):,}.")


def check_needs(model: str, needs: Sequence[str], name: str, dataset: Dataset) -> None:
    """Check that a dataset has what a model needs of it beside images.

    Args:
        model: its name.
        needs: as the model declares them.
        name: of the dataset.
        dataset: which may have no grid.

    Raises:
        InputError: it lacks something.
    """
    if "factors" in needs and dataset.known_factors is None:
        raise InputError(
            f"model '{model}' needs factors, by which it draws pairs or labels, but dataset '{name}' has "
            "none."
        )
    if "grid" in needs and dataset.grid is None:
        has = "none" if dataset.known_factors is None else "labels alone"
        raise InputError(
            f"model '{model}' needs a grid of factors, an image for each combination, by which it draws "
            f"pairs, but dataset '{name}' has {has}."
        )


def check_own_networks(model: str, has_own: bool, network: str | type, default: str) -> None:
    """Check that a model with networks of its own is not to take others.

    Raises:
        InputError: another network than the default was given.
    """
    if has_own and network != default:
        raise InputError(
            f"model '{model}' has networks of its own, but network '{network}' was given: train it in a "
            "study without ",
            Option("network", network),
            ".",
        )


def check_adaptation(whose: str, model: Model, networks: Any, latents: int) -> None:
    """Check that a model reconstructs images, on which a training that adapts depends.

    Args:
        whose: name of the model, for the message.
        model: the model.
        networks: its networks, in evaluation mode.
        latents: number of latents.

    Raises:
        InputError: it does not.
    """
    import torch

    with torch.no_grad():
        reconstructs = model.reconstructs and model.decode(networks, torch.zeros(1, latents)) is not None
    if not reconstructs:
        raise InputError(
            f"{whose} does not reconstruct images, on which lr_schedule and early_stop depend; train it in a "
            "study without them."
        )


def check_images(name: str, dataset: Dataset) -> None:
    """Draw the first and the last image of a dataset, to check them before training.

    Raises:
        InputError: the dataset fails, or draws something other than uint8 images of its shape, or pixels
            above its ``pixel_max``.
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
    if int(images.max()) > dataset.pixel_max:
        raise InputError(
            f"{whose} has a pixel of {int(images.max())}, above its pixel_max of {dataset.pixel_max:g}."
        )


def check_batch(family: ChosenNetworks, batch_size: int) -> None:
    """Check that training batches are large enough for the networks.

    Raises:
        InputError: they are too small.
    """
    if batch_size < family.least_batch:
        raise InputError(
            f"network '{family.name}' needs batches of {family.least_batch} images or more, so batch_size "
            f"must be at least {family.least_batch}, but {batch_size} was given."
        )


def _check_free(kind: str, name: Any, whose: str) -> None:
    _check_text(whose, f"the name of a {kind}", name)
    if is_taken(name):
        raise InputError(f"{whose} has a {kind} called '{name}', which is the name of a column; rename it.")
    if split_images(name)[1]:
        raise InputError(f"{whose} has a {kind} called '{name}', as scores on other images are; rename it.")


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


def check_all_images(datasets: Mapping[str, Dataset]) -> None:
    """Draw images of each dataset of a study, to report faults before training starts.

    Raises:
        InputError: a dataset cannot draw its images, or draws something else.
    """
    with worded_for(STUDY):
        for name, dataset in datasets.items():
            check_images(name, dataset)
