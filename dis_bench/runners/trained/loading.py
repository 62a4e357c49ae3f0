"""Load a trained model from a cell's folder, a row of a table, or an exported folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dis_bench import registry
from dis_bench.errors import InputError, blaming, shown
from dis_bench.neutral import neutral
from dis_bench.parameters import read_values
from dis_bench.paths import check_path
from dis_bench.records.cell import plain_name
from dis_bench.records.exported import is_exported, read_export
from dis_bench.records.parts import explain_no_weights
from dis_bench.records.rebuilding import build_again, fill
from dis_bench.records.record import find_only_cell, read_trained
from dis_bench.records.schema import Damaged, Record
from dis_bench.records.weights import find_weights, read_weights
from dis_bench.requirements import names_missing_packages
from dis_bench.runners.trained.model import TrainedModel

if TYPE_CHECKING:
    import torch

    from dis_bench.datasets.dataset import Dataset


class Kept(NamedTuple):
    """A cell that was read: its record, and its weights by name."""

    record: Record
    weights: dict[str, torch.Tensor]


@names_missing_packages
@neutral()
def load(
    where: Any,
    *,
    model: Any = None,
    network: Any = None,
    dataset: Any = None,
    data_dir: str | Path | None = None,
    device: str = "cpu",
) -> TrainedModel:
    """Load a trained model, to encode, decode, traverse, sample and score.

    A record never names code to run: a model, network or dataset that is not installed must be given.

    Args:
        where: a cell's folder (``results/cells/...``), a result folder with a single cell, a row of
            :func:`dis_bench.read_results`, or a folder from ``dis-bench export``.
        model: the class, ``module:Class`` or ``file.py:Class`` of a model that is not installed.
        network: likewise.
        dataset: likewise, or an instance.
        data_dir: folder of a dataset's official files, if they are not in a default place.
        device: ``cpu``, ``cuda``, or ``auto``.

    Returns:
        The model; its ``record`` holds settings and scores.

    Raises:
        InputError: there is no such cell, it kept no weights, its plug-ins are not installed and were not
            given, or its networks have changed since.

    >>> import dis_bench
    >>> study = dis_bench.Study(datasets=["tiny.py:Tiny"], seeds=1, steps=2, metrics=[], device="cpu")
    >>> table = dis_bench.run(study, "results")
    cell 1 of 1 done: tiny betavae beta=4 seed=0
    >>> trained = dis_bench.load(table.iloc[0], dataset="tiny.py:Tiny")
    >>> trained.encode(trained.dataset.images([0, 1])).shape
    torch.Size([2, 10])
    """
    kept = Kept(*read_export(where)) if _is_exported(where) else _read_cell(_find_folder(where))
    record, cell = kept.record, kept.record["cell"]
    make = partial(_load_dataset, cell, dataset, data_dir)
    made = None
    if "images" not in record:  # an earlier version wrote it
        made = make()
        record = {**record, "images": {"shape": [*made.image_shape], "pixel_max": made.pixel_max}}
    channels, height, width = record["images"]["shape"]
    built, networks = _build(record, (channels, height, width), model, network)
    fill(networks, kept.weights, plain_name(cell["model"]))
    from dis_bench.runners.device import choose_device

    networks.to(choose_device(device)).eval().requires_grad_(False)
    return TrainedModel(record, built, networks, made or make)


def _is_exported(where: Any) -> bool:
    return isinstance(where, (str, Path)) and is_exported(check_path("the folder", where))


def _find_folder(where: Any) -> Path:
    """Return the folder of the cell that a user named."""
    if hasattr(where, "columns") and hasattr(where, "iloc"):  # a pandas frame, without importing pandas
        if len(where) != 1:
            raise InputError(f"{len(where)} rows were given: load one of them, such as table.iloc[0].")
        where = where.iloc[0]
    if not isinstance(where, (str, Path)):
        folder = where.get("folder") if hasattr(where, "get") else None
        if not isinstance(folder, str):
            raise InputError(
                f"a folder, or a row of a table with its folder, is needed, but {shown(where)} was given."
            )
        where = folder
    folder = check_path("the folder", where)
    if not folder.is_dir():
        raise InputError(f"there is no folder '{folder}' (seen from '{Path.cwd()}').")
    otherwise = "a cell's folder, a result folder with cells, nor an export"
    return find_only_cell(folder, "load", otherwise)


def _read_cell(folder: Path) -> Kept:
    """Read the record and the weights of a cell."""
    record = read_trained(folder)
    name = find_weights(folder)
    try:
        return Kept(record, read_weights(folder, record))
    except FileNotFoundError:
        why = explain_no_weights(folder, record)
        raise InputError(f"the cell in '{folder}' has no weights, as {why}.") from None
    except Damaged as error:
        raise InputError(f"the weights in '{folder / name}' cannot be read ({error}).") from None


def _build(record: Record, shape: tuple[int, int, int], model: Any, network: Any) -> tuple[Any, Any]:
    """Build the model and its networks as for training; their weights are new."""
    cell = record["cell"]
    chosen = _choose("models", cell["model"], cell["model_version"], model)
    networks = _choose("networks", cell["network"], cell.get("network_version", ""), network)
    with blaming(f"model '{plain_name(cell['model'])}' cannot be built again"):
        return build_again(record, shape, chosen, networks)


def _choose(kind: str, recorded: str, version: str, given: Any) -> Any:
    """Return the plug-in that a user gave, or the installed one of a recorded name.

    Another version than the recorded one causes a warning.
    """
    one, name = registry.name_one(kind), plain_name(recorded)
    if given is None:
        plugin = registry.installed(kind, name)
        if plugin is None:
            raise InputError(
                f"the {one} '{name}' of this cell is not installed; give it as {one}=..., a class or "
                "'file.py:Class'."
            )
    else:
        plugin = registry.find(kind, given)
        if plugin.name != name:
            raise InputError(f"this cell has the {one} '{name}', but '{plugin.name}' was given.")
    if version and plugin.version != version:
        warnings.warn(
            f"the code of {one} '{name}' is {plugin.version}, but was {version} in training.", stacklevel=5
        )
    return plugin.name if given is None else given


def _load_dataset(cell: Mapping[str, Any], given: Any, data_dir: str | Path | None) -> Dataset:
    """Load the dataset of a cell, and check that it has the same images."""
    from dis_bench.datasets import load_dataset
    from dis_bench.datasets.dataset import Dataset

    name = plain_name(cell["dataset"])
    if isinstance(given, Dataset):
        made = given
    else:
        if given is None and registry.installed("datasets", name) is None:
            raise InputError(
                f"the dataset '{name}' of this cell is not installed; give it as dataset=..., a class, an "
                "instance or 'file.py:Class'."
            )
        parameters = read_values(cell.get("dataset_parameters", ""))
        named = name if given is None else given
        made = load_dataset(named, source=cell["source"], data_dir=data_dir, **parameters)
    if made.fingerprint != cell["fingerprint"]:
        raise InputError(
            f"this cell has the dataset '{name}' with the fingerprint {cell['fingerprint']}, but that of "
            f"'{made.name}' is {made.fingerprint}."
        )
    return made
