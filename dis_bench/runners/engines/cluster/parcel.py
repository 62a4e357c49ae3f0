"""What travels to the nodes of a cluster: the pipeline of a study, and its plug-in files.

A node uses a plug-in file of its own where it finds the same code under the same path, and a copy elsewhere.
Installed plug-ins do not travel. Datasets travel without their tables, which each node makes again.
"""

from __future__ import annotations

import copy
import dataclasses
import io
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dis_bench import plugin_code, registry
from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.loading import load_dataset
from dis_bench.errors import InputError, describe
from dis_bench.neighbours import PREFIX, name_package
from dis_bench.records.store import Store
from dis_bench.runners.job import Pipeline
from dis_bench.runners.planning.plugins import check_images
from dis_bench.version import __version__


class Unfit(RuntimeError):
    """Error: a node cannot do a study's jobs; the message is a sentence after its name."""


@dataclass(frozen=True)
class PackedFile:
    """A plug-in file, with its neighbours.

    Attributes:
        path: where it is on the driver's machine.
        version: version of its code.
        place: its place below the folder that holds the copies.
        files: contents by place below that folder.
    """

    path: str
    version: str
    place: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class Parcel:
    """A pipeline, and the user's own code behind it.

    Attributes:
        version: version of dis-bench.
        pipeline: the pickled pipeline.
        files: plug-in files.
        modules: contents of modules on ``sys.path``, by place.
    """

    version: str
    pipeline: bytes
    files: tuple[PackedFile, ...]
    modules: dict[str, bytes]


def pack(pipeline: Pipeline) -> Parcel:
    """Pack a pipeline, with absolute paths.

    Raises:
        InputError: something in it cannot be pickled, or a plug-in file cannot be read any more.
    """
    manner = pipeline.manner
    events = None if manner.events is None else manner.events.absolute()
    sent = dataclasses.replace(
        pipeline,
        store=Store(pipeline.store.root.absolute()),
        datasets={name: _without_tables(dataset) for name, dataset in pipeline.datasets.items()},
        manner=dataclasses.replace(manner, events=events),
    )
    files: dict[str, PackedFile] = {}
    modules: dict[str, bytes] = {}
    try:
        for key, code in pipeline.code.codes.items():
            path = pipeline.code.specifications[key].rpartition(":")[0]
            if path.endswith(".py"):
                contents = {place: file.read_bytes() for place, file in code.files.items()}
                place = next(place for place, file in code.files.items() if file == Path(path))
                files[path] = PackedFile(path, code.version, place, contents)
            modules |= {place: file.read_bytes() for place, file in code.modules.items()}
        content = pickle.dumps(sent)
    except OSError as error:
        raise InputError(f"a plug-in file cannot be sent to the cluster: {describe(error)}.") from error
    except Exception as error:  # a plug-in's dataset may hold anything
        raise InputError(f"the study cannot be sent to the cluster: {describe(error)}.") from error
    return Parcel(__version__, content, tuple(files.values()), modules)


def _without_tables(dataset: Dataset) -> Dataset:
    light = copy.copy(dataset)
    light._tables = None
    if light.data_dir is not None:
        light.data_dir = Path(light.data_dir).absolute()
    return light


def unpack(parcel: Parcel, folder: Path) -> Pipeline:
    """Unpack a pipeline on a node, and check that plug-ins and datasets work there.

    Args:
        parcel: from :func:`pack`.
        folder: for copies of plug-in files.

    Raises:
        Unfit: the node has another dis-bench, lacks a plug-in, or cannot draw a dataset's images.
    """
    if parcel.version != __version__:
        raise Unfit(f"has dis-bench {__version__}, but the study was planned by {parcel.version}")
    paths = {one.path: _place(one, folder / str(number)) for number, one in enumerate(parcel.files)}
    if parcel.modules:
        _write_all(folder / "modules", parcel.modules)
        sys.path.append(str(folder / "modules"))  # last, as the driver's own folder is
    try:
        pipeline = _Unpickler(parcel.pipeline, paths).load()
    except Exception as error:
        raise Unfit(f"cannot read the study: {describe(error)}") from error
    pipeline = _with_paths(pipeline, paths)
    _check_plugins(pipeline)
    datasets = {name: _find_dataset(name, pipeline) for name in pipeline.datasets}
    return dataclasses.replace(pipeline, datasets=datasets)


def _place(one: PackedFile, folder: Path) -> str:
    """Return the path of a plug-in file on this node: its own, or that of a copy."""
    path = Path(one.path)
    if path.is_file() and plugin_code.read_file(path).version == one.version:
        return one.path
    _write_all(folder, one.files)
    return str(folder / one.place)


def _write_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    for place, content in contents.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)


class _Unpickler(pickle.Unpickler):
    """An unpickler that finds the classes of plug-in files at their paths on this node."""

    def __init__(self, content: bytes, paths: Mapping[str, str]) -> None:
        super().__init__(io.BytesIO(content))
        self._packages = {name_package(Path(old)): name_package(Path(new)) for old, new in paths.items()}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(PREFIX):
            package, dot, rest = module.partition(".")
            module = self._packages.get(package, package) + dot + rest
        return super().find_class(module, name)


def _with_paths(pipeline: Pipeline, paths: Mapping[str, str]) -> Pipeline:
    """Return the pipeline with the paths of plug-in files on this node."""

    def move(what: str) -> str:
        path, colon, attribute = what.rpartition(":")
        return paths.get(path, path) + colon + attribute

    def move_all(specifications: dict[Any, str]) -> dict[Any, str]:
        return {key: move(what) for key, what in specifications.items()}

    return dataclasses.replace(
        pipeline,
        models=move_all(pipeline.models),
        networks=move_all(pipeline.networks),
        metrics=move_all(pipeline.metrics),
        code=dataclasses.replace(pipeline.code, specifications=move_all(pipeline.code.specifications)),
    )


def _check_plugins(pipeline: Pipeline) -> None:
    """Check that each plug-in is here, can be imported, and has the planned code."""
    for (kind, name), what in pipeline.code.specifications.items():
        whose = f"{registry.name_one(kind)} '{name}'"
        try:
            plugin = registry.find(kind, what)
            plugin.load()
        except InputError as error:
            advice = "" if ":" in what else "; install its package there"
            raise Unfit(f"lacks {whose}: {str(error).rstrip('.')}{advice}") from error
        planned = pipeline.code.codes[kind, name].version
        if plugin.version != planned:
            raise Unfit(f"has other code of {whose}, {plugin.version}, than was planned, {planned}")


def _find_dataset(name: str, pipeline: Pipeline) -> Dataset:
    """Return a dataset that draws its images on this node, made anew if need be."""
    dataset = pipeline.datasets[name]
    try:
        check_images(name, dataset)
        return dataset
    except Exception:  # most likely a file of the driver's machine; making the dataset says what is missing
        what = pipeline.code.specifications["datasets", name]
    try:
        own = load_dataset(what, source=dataset.source, data_dir=dataset.data_dir, **dataset.values)
        check_images(name, own)
    except Exception as error:
        raise Unfit(f"cannot draw the images of dataset '{name}': {describe(error).rstrip('.')}") from error
    if own.fingerprint != dataset.fingerprint:
        raise Unfit(f"has other images of dataset '{name}' than the machine that planned the study")
    return own
