"""The datasets of a study: found by name or given as objects, with their parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from dis_bench import registry
from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.loading import load_dataset
from dis_bench.errors import InputError, Option, blaming, shown
from dis_bench.parameters import Parameter, write_values
from dis_bench.registry import Plugin

IMAGE_SIZE = "image_size"  # the parameter that the study's option of this name sets

Found = Plugin | Dataset
Declared = dict[str, dict[str, Parameter]]


def find_datasets(given: Sequence[str | type[Dataset] | Dataset]) -> list[Found]:
    """Find datasets by their names or classes; leave objects as they are.

    Raises:
        InputError: there is no such dataset.
    """
    found: dict[Any, Found] = {}
    for one in given:
        dataset = one if isinstance(one, Dataset) else registry.find("datasets", one)
        key = (dataset.target, dataset.argument) if isinstance(dataset, Plugin) else id(dataset)
        found.setdefault(key, dataset)
    return [*found.values()]


def list_parameters(found: Sequence[Found]) -> Declared:
    """List the declared parameters by the name of their plug-in.

    Raises:
        InputError: a declaration is invalid.
    """
    return {one.name: _read_declaration(one) for one in found if isinstance(one, Plugin)}


def _read_declaration(plugin: Plugin) -> dict[str, Parameter]:
    with blaming(f"dataset '{plugin.name}'", refusals=False):
        declared = getattr(plugin.load(), "parameters", ())
        if not isinstance(declared, tuple) or not all(isinstance(one, Parameter) for one in declared):
            raise InputError(
                f"dataset '{plugin.name}': parameters must be a tuple of Parameter, but is {shown(declared)}."
            )
    return {parameter.name: parameter for parameter in declared}


def make_datasets(
    found: Sequence[Found],
    parameters: Mapping[str, Mapping[str, Any]],
    *,
    source: str | None,
    data_dir: str | None,
    image_size: int | None,
) -> dict[str, tuple[Plugin, Dataset]]:
    """Make the datasets of a study.

    Args:
        found: from :func:`find_datasets`.
        parameters: values of parameters, by the name of the plug-in.
        source: source of the images; None takes a dataset's first.
        data_dir: folder of the official files.
        image_size: height and width of the images in pixels, for datasets that can resize them.

    Returns:
        Plug-in and dataset by the name that cells use.

    Raises:
        InputError: a dataset cannot be made, two have the same name, or images have another size.
    """
    made: dict[str, tuple[Plugin, Dataset]] = {}
    for one in found:
        if isinstance(one, Plugin):
            own = dict(parameters.get(one.name, {}))
            if image_size is not None and IMAGE_SIZE in _read_declaration(one):
                own[IMAGE_SIZE] = _choose_size(one.name, own, image_size)
            dataset = load_dataset(_specify(one), source=source, data_dir=data_dir, **own)
            name = dataset.name if one.argument is not None else one.name
            plugin = dataclasses.replace(one, name=name)
        else:
            dataset, plugin = one, _describe_object(one)
            _check_source(dataset, source)
        _check_size(plugin.name, dataset, image_size)
        first = made.setdefault(plugin.name, (plugin, dataset))
        if first[1] is dataset or (first[0].target, first[1].fingerprint) == _identify(plugin, dataset):
            continue
        places = f"{_find_place(first[0])} and {_find_place(plugin)}"
        raise InputError(f"two datasets of the study are called '{plugin.name}' ({places}): rename one.")
    return made


def _specify(plugin: Plugin) -> str:
    """Return what loads a plug-in, with its path if it has one."""
    if plugin.argument is not None:
        return f"{plugin.name}:{plugin.argument}"
    return plugin.name if plugin.name in registry.plugins("datasets") else plugin.target


def _find_place(plugin: Plugin) -> str:
    """Return where a dataset is from: its path, else the origin of its code."""
    return plugin.origin if plugin.argument is None else f"'{plugin.argument}'"


def _identify(plugin: Plugin, dataset: Dataset) -> tuple[str, str]:
    return plugin.target, dataset.fingerprint


def describe_parameters(dataset: Dataset) -> str:
    """Return the values that are not at their default, such as ``image_size=32``."""
    return write_values(dataset.chosen)


def _choose_size(name: str, own: Mapping[str, Any], image_size: int) -> int:
    if IMAGE_SIZE in own and str(own[IMAGE_SIZE]) != str(image_size):
        raise InputError(
            f"image_size {image_size} was given, and setting '{name}.{IMAGE_SIZE}' {own[IMAGE_SIZE]}: give "
            "one of the two."
        )
    return image_size


def _check_size(name: str, dataset: Dataset, image_size: int | None) -> None:
    shape = getattr(dataset, "image_shape", None)
    if image_size is None or not isinstance(shape, tuple) or shape[1:] == (image_size, image_size):
        return
    raise InputError(
        f"dataset '{name}' has images of {'x'.join(map(str, shape[1:]))} pixels and cannot resize them, but ",
        Option(IMAGE_SIZE, image_size),
        " was given.",
    )


def _check_source(dataset: Dataset, source: str | None) -> None:
    if source is not None and dataset.source != source:
        raise InputError(
            f"source '{source}' was given, but dataset '{dataset.name}' was made with source "
            f"'{dataset.source}'."
        )


def _describe_object(dataset: Dataset) -> Plugin:
    """Return the plug-in behind a dataset that was given as an object.

    Raises:
        InputError: no other process could import its class, so that no record could say what drew the images.
    """
    kind = type(dataset)
    if kind.__module__.partition(".")[0] == "dis_bench":
        target = f"{kind.__module__}:{kind.__qualname__}"
        return Plugin("datasets", dataset.name, target, "an object", [kind])
    return dataclasses.replace(registry.find("datasets", kind), name=dataset.name)
