"""The grid of a study: combinations of hyperparameters, and all of its cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, blaming
from dis_bench.models.schedules import split_schedules
from dis_bench.records.cell import Cell
from dis_bench.registry import Plugin
from dis_bench.runners.planning.options import MOST_CELLS
from dis_bench.runners.planning.plugins import check_schedules
from dis_bench.runners.training_images import TrainingImages

if TYPE_CHECKING:
    from dis_bench.datasets.dataset import Dataset


@dataclass(frozen=True)
class ModelCells:
    """The cells of one model on one dataset, but for seeds.

    Attributes:
        fields: of the cells, by name.
        values: the combinations of its hyperparameters, some of which may be schedules.
        has_seeds: False if every seed gives the same.
    """

    fields: dict[str, Any]
    values: Sequence[dict[str, Any]]
    has_seeds: bool


@dataclass(frozen=True)
class Grid:
    """The axes of a study, described by the fields of its cells.

    Attributes:
        seeds: the seeds.
        datasets: fields of each dataset's cells.
        models: the cells of each model.
        shared: fields that all cells have.
    """

    seeds: Sequence[int]
    datasets: Sequence[dict[str, Any]]
    models: Sequence[ModelCells]
    shared: dict[str, Any]

    def list_cells(self) -> tuple[Cell, ...]:
        """List the cells in the order in which they are run.

        Raises:
            InputError: there are too many.
        """
        count = len(self.seeds) * len(self.datasets) * sum(len(model.values) for model in self.models)
        if count > MOST_CELLS:
            raise InputError(f"a study may have {MOST_CELLS:,} cells at most, but this one has {count:,}.")
        return tuple(
            Cell(
                **dataset,
                **model.fields,
                **self.shared,
                hyperparameters=ends,
                schedules=schedules,
                seed=seed if model.has_seeds else 0,
            )
            # Seeds outermost: an interrupted study has all betas with fewer seeds, not the reverse.
            for seed in self.seeds
            for dataset in self.datasets
            for model in self.models
            if model.has_seeds or seed == self.seeds[0]
            for ends, schedules in map(split_schedules, model.values)
        )


def describe_dataset(plugin: Plugin, dataset: Dataset, images: TrainingImages) -> dict[str, Any]:
    """Return the fields of the cells of a dataset."""
    from dis_bench.runners.planning.datasets import describe_parameters

    return {
        "dataset": plugin.name,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "dataset_version": plugin.version,
        "dataset_parameters": describe_parameters(dataset),
        **images._asdict(),
    }


def describe_network(plugin: Plugin) -> dict[str, Any]:
    """Return the fields of the cells of a network."""
    return {"network": plugin.name, "network_version": "" if plugin.is_ours else plugin.version}


def describe_model(
    plugin: Plugin, values: Sequence[dict[str, Any]], training: dict[str, Any], latent_size: int
) -> ModelCells:
    """Return the cells of a model.

    Args:
        plugin: the model.
        values: the combinations of its hyperparameters.
        training: fields of a cell that say how it is trained.
        latent_size: number of latents, unless its codes are as wide as images.
    """
    is_wide = plugin.load().has_wide_codes
    fields = {"model": plugin.name, "model_version": plugin.version, **training}
    fields["latent_size"] = 0 if is_wide else latent_size
    return ModelCells(fields, values, has_seeds=not is_wide)


def list_declared(models: Mapping[str, Plugin]) -> dict[str, list[str]]:
    """List the names of the hyperparameters that models declare."""
    return {name: [h.name for h in plugin.load().hyperparameters] for name, plugin in models.items()}


def expand_hyperparameters(
    models: Mapping[str, Plugin],
    settings: Mapping[str, Mapping[str, Sequence[Any]]],
    betas: Sequence[float],
) -> dict[str, list[dict[str, Any]]]:
    """List, for each model, every combination of the given hyperparameter values.

    Args:
        models: the models by name.
        settings: values by model and hyperparameter.
        betas: values of ``beta`` for each model whose dial it is.

    Raises:
        InputError: a value is invalid or given twice, no model has these betas, or there are too many
            combinations.
    """
    values: dict[str, dict[str, Sequence[Any]]] = {name: dict(settings.get(name, {})) for name in models}
    if betas:
        dials = find_dials(models)
        with_beta = [name for name, dial in dials.items() if dial == "beta"]
        if not with_beta:
            known = ", ".join(f"{name}: {dial or 'none'}" for name, dial in dials.items())
            raise InputError(f"betas were given, but the dial of no chosen model is beta ({known}).")
        for name in with_beta:
            if "beta" in values[name]:
                raise InputError(
                    f"the betas of {name} were given twice, as betas and as setting '{name}.beta'."
                )
            values[name]["beta"] = betas
    return {name: _combine(name, plugin.load(), values[name]) for name, plugin in models.items()}


def find_dials(models: Mapping[str, Plugin]) -> dict[str, str | None]:
    """Find the dial of each model, by its name."""
    return {name: find_dial(plugin.load()) for name, plugin in models.items()}


def find_dial(model: Any) -> str | None:
    """Return a model's dial; beta for a model that names none and has a beta."""
    dial: str = model.dial or "beta"
    return dial if any(h.name == dial for h in model.hyperparameters) else None


def _combine(name: str, model: Callable, values: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """List the distinct combinations, completed and checked by the model."""
    count = math.prod(map(len, values.values()))
    if count > MOST_CELLS:
        raise InputError(
            f"a study may have {MOST_CELLS:,} cells at most, but model '{name}' has {count:,} combinations."
        )
    combinations: dict[tuple[Any, ...], dict[str, Any]] = {}
    for chosen in itertools.product(*values.values()):
        with blaming(f"model '{name}'"):
            made = model(**dict(zip(values, chosen, strict=True)))
            check_schedules(made)
            combination = made.chosen
            combinations.setdefault(tuple(combination.items()), combination)
    return [*combinations.values()]
