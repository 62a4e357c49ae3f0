"""A study: the grid of datasets, models, hyperparameters and seeds, checked before time is spent."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.errors import InputError, unknown
from dis_bench.neutral import neutral, own_streams
from dis_bench.printing import printable
from dis_bench.registry import Plugin
from dis_bench.runners.cell import Cell
from dis_bench.runners.contracts import check_dataset, check_metrics, check_models
from dis_bench.runners.machine import DEVICES, PRECISIONS, choose_device, choose_precision
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.datasets.dataset import Dataset


@dataclass(frozen=True)
class Budget:
    """How much training a cell gets, and how many seeds; what the user says goes before it."""

    steps: int
    lr: float
    seeds: int


# quick: an answer in minutes on two cores; at this rate betas up to 10 left their early plateau by 610 steps.
# paper: the protocol of Locatello et al. 2019 (table 1), whose 50 seeds --seeds 50 asks for.
BUDGETS = {"quick": Budget(steps=1_200, lr=5e-4, seeds=3), "paper": Budget(steps=300_000, lr=1e-4, seeds=5)}

MOST_SEEDS = 10_000

NETWORKS = ("burgess", "locatello", "tutorial")
LIKELIHOODS = ("bernoulli", "gaussian")


@dataclass(frozen=True)
class Study:
    """The grid datasets x models x hyperparameters x seeds, and how each cell of it is trained.

    Attributes:
        models: names, ``module:Class`` or ``path/file.py:Class``.
        betas: values of ``beta`` for every model that has one.
        datasets: names, as for models.
        source: where the images come from: ``rendered``, ``official``; None takes a dataset's first.
        seeds: how many, counted from 0; None takes the budget's.
        steps: optimiser steps of each cell; None takes the budget's.
        batch_size: images per step.
        lr: Adam's learning rate; None takes the budget's.
        latent_size: number of latents.
        network: ``burgess``, ``locatello`` or ``tutorial``.
        likelihood: ``bernoulli`` or ``gaussian``.
        metrics: names, as for models.
        settings: values of any declared hyperparameter, by ``model.name``: ``{"betavae.beta": [1, 4]}``.
        budget: ``quick`` or ``paper``.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32``, ``tf32`` or ``bf16``.
        data_dir: where official files are, if not in the default places.
    """

    models: Sequence[str] = ("betavae",)
    betas: Sequence[float] = ()
    datasets: Sequence[str] = ("dsprites",)
    source: str | None = None
    seeds: int | None = None
    steps: int | None = None
    batch_size: int = 64
    lr: float | None = None
    latent_size: int = 10
    network: str = "burgess"
    likelihood: str = "bernoulli"
    metrics: Sequence[str] = ("betavae_score", "mig", "sap", "dci")
    settings: dict[str, Sequence[Any]] = field(default_factory=dict)
    budget: str = "quick"
    device: str = "auto"
    precision: str = "auto"
    data_dir: str | None = None

    @neutral()
    def plan(self) -> Plan:
        """Check everything, and expand the grid; nothing has been started when this returns.

        Raises:
            InputError: the first thing that cannot be used.
        """
        self._check_options()
        budget = BUDGETS[self.budget]
        device = choose_device(self.device)
        precision = choose_precision(self.precision, device)
        models = _find_all("models", self.models)
        metrics = _find_all("metrics", self.metrics)
        check_models(models)
        check_metrics([_specification(plugin) for plugin in metrics.values()])
        grids = self._expand_hyperparameters(models)
        datasets = self._load_datasets()
        for name, dataset in datasets.items():
            check_dataset(name, dataset)
            for plugin in models.values():
                self._check_build(plugin, dataset)
        cells = [
            Cell(
                dataset=dataset_name,
                source=dataset.source,
                fingerprint=dataset.fingerprint,
                model=name,
                model_version=models[name].version,
                hyperparameters=hyperparameters,
                network=self.network,
                likelihood=self.likelihood,
                latent_size=self.latent_size,
                steps=budget.steps if self.steps is None else self.steps,
                batch_size=self.batch_size,
                lr=budget.lr if self.lr is None else float(self.lr),
                precision=precision,
                seed=seed,
            )
            # Seeds outermost: an interrupted study has all betas with fewer seeds, not the reverse.
            for seed in range(budget.seeds if self.seeds is None else self.seeds)
            for dataset_name, dataset in datasets.items()
            for name in models
            for hyperparameters in grids[name]
        ]
        return Plan(
            cells=tuple(cells),
            datasets=datasets,
            models={name: _specification(plugin) for name, plugin in models.items()},
            metrics={name: _specification(plugin) for name, plugin in metrics.items()},
            device=device,
        )

    def run(self, out: str | Path = "results", rerun: str = "missing", command: str = "") -> pd.DataFrame:
        """Do all cells that are not done yet, and return the table of this study's results.

        Args:
            out: the result folder.
            rerun: ``never``, ``missing`` or ``always``; see :func:`dis_bench.runners.run.run_study`.
            command: what the user typed, for the records.
        """
        from dis_bench.runners.progress import ProgressBar
        from dis_bench.runners.run import run_study

        with printable(), temporary_files_in(out):
            return run_study(self, out, rerun=rerun, command=command, watcher=ProgressBar())

    def _check_options(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise unknown(name, str(getattr(self, name)), allowed)
        for name in ("seeds", "steps", "batch_size", "latent_size"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InputError(f"{name} must be a whole number of at least 1, but {value!r} was given.")
        if self.lr is not None and not (_is_number(self.lr) and 0 < self.lr < float("inf")):
            raise InputError(f"lr must be a positive number, but {self.lr!r} was given.")
        if self.network == "tutorial" and self.batch_size < 2:
            raise InputError(
                "network 'tutorial' normalises over the batch, so batch_size must be at least 2."
            )
        if self.seeds is not None and self.seeds > MOST_SEEDS:
            raise InputError(f"seeds must be at most {MOST_SEEDS:,}, but {self.seeds:,} was given.")
        for name in ("models", "datasets", "metrics", "betas"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise InputError(f"{name} must be a list, but {value!r} was given.")
            if not value and name in ("models", "datasets"):
                raise InputError(f"{name} is empty; name at least one.")
            if name != "betas" and not all(isinstance(one, str) for one in value):
                raise InputError(f"{name} must be a list of names, but {value!r} was given.")
        if not isinstance(self.settings, dict):
            raise InputError(f"settings must be a table by model.name, but {self.settings!r} was given.")

    def _expand_hyperparameters(self, models: dict[str, Plugin]) -> dict[str, list[dict[str, Any]]]:
        """For each model, every combination of the values that the study gives its hyperparameters."""
        values: dict[str, dict[str, Sequence[Any]]] = {name: {} for name in models}
        declared = {name: [h.name for h in plugin.load().hyperparameters] for name, plugin in models.items()}
        if self.betas:
            with_beta = [name for name in models if "beta" in declared[name]]
            if not with_beta:
                raise InputError(f"betas were given, but no chosen model has a beta ({', '.join(models)}).")
            for name in with_beta:
                values[name]["beta"] = self.betas
        for key, given in self.settings.items():
            model, _, name = str(key).rpartition(".")
            if isinstance(given, dict):  # betavae.beta without quotes is a table in TOML
                raise InputError(
                    f'settings: write the key in quotes, "{key}.{next(iter(given), "name")}" = [...].'
                )
            if model not in models:
                raise unknown("model (in --set model.name=value)", model or key, models)
            if name not in declared[model]:
                raise unknown(f"hyperparameter of {model}", name, declared[model])
            if name in values[model]:
                raise InputError(f"the betas of {model} were given twice, by --betas and by --set {key}.")
            values[model][name] = [given] if isinstance(given, (str, int, float, bool)) else given
            if not isinstance(values[model][name], Sequence) or not values[model][name]:
                raise InputError(
                    f"settings: {key} must be a value or a list of values, but {given!r} was given."
                )
        return {name: _combine(plugin.load(), values[name]) for name, plugin in models.items()}

    def _check_build(self, plugin: Plugin, dataset: Dataset) -> None:
        """Build a model's networks once, so that what does not fit is told before anything starts."""
        import torch  # noqa: F401 -- before its stream is seeded

        model = plugin.load()()
        with neutral(), own_streams(0):
            model.build(
                dataset.image_shape,
                network=self.network,
                latent_size=self.latent_size,
                likelihood=self.likelihood,
            )

    def _load_datasets(self) -> dict[str, Dataset]:
        from dis_bench.datasets import load_dataset

        return {
            name: load_dataset(_specification(plugin), source=self.source, data_dir=self.data_dir)
            for name, plugin in _find_all("datasets", self.datasets).items()
        }


@dataclass(frozen=True)
class Plan:
    """A study that was checked: its cells, and what they need.

    Attributes:
        cells: all of them, in the order in which they are done.
        datasets: by the name that the cells use.
        models: what to load for each name that the cells use: itself, or ``path/file.py:Class``.
        metrics: likewise.
        device: where they train: ``cpu`` or ``cuda``.
    """

    cells: tuple[Cell, ...]
    datasets: dict[str, Dataset]
    models: dict[str, str]
    metrics: dict[str, str]
    device: str


def read_study_file(path: str | Path, also: Sequence[str] = ()) -> dict[str, Any]:
    """The options in a TOML file; its table ``[settings]`` holds hyperparameters by ``"model.name"``.

    Args:
        path: the file.
        also: keys that are allowed beside the study's own.

    Raises:
        InputError: no such file, not TOML, or a key that is no option of a study.
    """
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise InputError(f"the study file '{path}' cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the study file '{path}' is not TOML: {error}.") from None
    names = [*(f.name for f in dataclasses.fields(Study)), *also]
    for key in values:
        if key not in names:
            raise unknown(f"key in '{path}'", key, names)
    return values


_CHOICES: dict[str, Sequence[str]] = {
    "budget": tuple(BUDGETS),
    "device": DEVICES,
    "likelihood": LIKELIHOODS,
    "network": NETWORKS,
    "precision": PRECISIONS,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _find_all(kind: str, names: Sequence[str]) -> dict[str, Plugin]:
    found: dict[str, Plugin] = {}
    for name in names:
        plugin = registry.find(kind, name)
        same_name = found.setdefault(plugin.name, plugin)
        if same_name.target != plugin.target:
            raise registry.clash(kind, plugin.name, same_name, plugin)
    for plugin in found.values():
        plugin.load()
    return found


def _specification(plugin: Plugin) -> str:
    """What loads this plug-in again: its name where it is installed, else where it is."""
    return plugin.name if plugin.name in registry.plugins(plugin.kind) else plugin.target


def _combine(model: Callable, values: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination as a full set of hyperparameters, checked by the model; equal ones once."""
    combinations: list[dict[str, Any]] = []
    for chosen in itertools.product(*values.values()):
        combination = model(**dict(zip(values, chosen, strict=True))).values
        if combination not in combinations:
            combinations.append(combination)
    return combinations
