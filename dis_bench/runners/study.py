"""Studies: grids of datasets, models, hyperparameters and seeds, checked before training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dis_bench import registry
from dis_bench.bars import bar
from dis_bench.errors import STUDY, InputError, blaming, unknown, worded_for
from dis_bench.models.likelihoods import LIKELIHOODS
from dis_bench.networks.chosen import ChosenNetworks, choose_networks
from dis_bench.neutral import neutral
from dis_bench.records.cell import NO_BUDGET, PUBLISHED_STEPS
from dis_bench.registry import Plugin
from dis_bench.requirements import names_missing_packages
from dis_bench.runners.device import (
    DEVICES,
    KERNELS,
    PRECISIONS,
    choose_device,
    choose_kernels,
    choose_precision,
)
from dis_bench.runners.named import ABOUT, find_studies
from dis_bench.runners.planning.grid import (
    Grid,
    describe_dataset,
    describe_model,
    describe_network,
    expand_hyperparameters,
    list_declared,
)
from dis_bench.runners.planning.options import check_options
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.planning.plugins import (
    check_adaptation,
    check_batch,
    check_dataset,
    check_metrics,
    check_models,
    check_needs,
    check_own_networks,
)
from dis_bench.runners.planning.settings import resolve_settings
from dis_bench.runners.planning.shards import list_seeds
from dis_bench.runners.planning.specifications import find_all, specify
from dis_bench.runners.planning.study_code import describe_code
from dis_bench.runners.planning.trial import choose_tried, try_batch, try_model
from dis_bench.runners.quickstart import DEFAULTS
from dis_bench.runners.training.plateau import check_patience, read_plateau
from dis_bench.runners.training_images import TrainingImages, choose_training_images
from dis_bench.toml_files import read_toml

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.datasets.dataset import Dataset
    from dis_bench.models.model import Model


@dataclass(frozen=True)
class Budget:
    """Default steps, learning rate and seeds; explicit options take precedence."""

    steps: int
    lr: float
    seeds: int


# quick: an answer in minutes on two cores; at this rate betas up to 10 left their early plateau by 610 steps.
# standard: mean MIG parts betas 1 and 4 from 10 and 16 as at 100,000 steps, from a tenth of it on.
# paper: the published protocol; its 50 seeds need --seeds 50.
BUDGETS = {
    "quick": Budget(steps=1_200, lr=5e-4, seeds=3),
    "standard": Budget(steps=30_000, lr=5e-4, seeds=5),
    "paper": Budget(steps=PUBLISHED_STEPS, lr=1e-4, seeds=5),
}


@dataclass(frozen=True)
class Study:
    """The grid datasets x models x hyperparameters x seeds, and how its cells are trained.

    The defaults are those of the named study ``quickstart``, in the folder ``studies`` beside this file.

    Attributes:
        models: names, ``module:Class``, ``path/file.py:Class``, or classes, also those of a notebook; records
            keep the source of a class.
        betas: values of ``beta`` for every model whose dial it is; the others keep their defaults.
        datasets: names, as for models, ``folder:PATH``, or datasets as objects, such as those of
            :func:`dis_bench.dataset_from`.
        source: source of the images: ``rendered`` or ``official``; None takes a dataset's first.
        seeds: number of seeds, counted from 0; a list of seeds; or a text such as ``0-49`` or ``3,7``. None
            takes the budget's.
        steps: optimiser steps of each cell; None takes the budget's.
        image_size: height and width of images in pixels, for datasets that resize their images; None takes
            a dataset's default.
        batch_size: images per step.
        lr: Adam's learning rate; None takes the budget's.
        holdout: share of each dataset's images to keep out of training, between 0 and 1, where 0 keeps none
            out; or a rule of their factors, such as ``shape=heart,scale<3``.
        correlate: pairs of factors to correlate in training, such as ``floor_hue~scale:0.2``, in one text
            with commas or in a list; None draws images uniformly.
        score_at: steps of the training after which its codes are scored too.
        latent_size: number of latents.
        network: a name, as for models.
        likelihood: ``bernoulli`` or ``gaussian``.
        metrics: names or functions, as for models; an empty list trains without scores.
        keep: parts of each finished cell to keep, of ``weights``, ``codes`` and ``pictures``; without codes,
            a metric that is added later needs another training.
        clip_norm: largest norm of each player's gradients; None does not clip them.
        lr_schedule: ``plateau`` or ``plateau(factor,patience,threshold)``, which lowers the learning rates
            when the reconstruction of held-out images no longer improves; None keeps them.
        early_stop: end a training after this number of steps without a better reconstruction of held-out
            images, and score the best weights; None takes all steps.
        settings: values of any declared hyperparameter by ``model.name``, and parameters of a metric or
            dataset by ``metric.name`` or ``dataset.name``: ``{"betavae.beta": [1, 4], "mig.bins": 40}``. In a
            text, commas separate values. A value may be a schedule: ``linear(0,4,0.1)``.
        allow_small: score even if a protocol needs more rows than a dataset has images, and mark the scores.
        budget: ``quick``, ``standard`` or ``paper``.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32``, ``tf32`` or ``bf16``.
        kernels: kernels of the convolutions: ``auto``, ``compiled`` or ``torch``.
        data_dir: folder of the official files, if they are not in a default place.

    >>> plan = Study(models=["vae", "betavae"], betas=[1, 4], seeds=2, device="cpu").plan()
    >>> [(cell.model, cell.hyperparameters, cell.seed) for cell in plan.cells][:3]
    [('vae', {}, 0), ('betavae', {'beta': 1.0}, 0), ('betavae', {'beta': 4.0}, 0)]
    """

    models: Sequence[str | type[Model]] = DEFAULTS["models"]
    betas: Sequence[float] = DEFAULTS["betas"]
    datasets: Sequence[str | type[Dataset] | Dataset] = DEFAULTS["datasets"]
    source: str | None = DEFAULTS.get("source")
    image_size: int | None = DEFAULTS.get("image_size")
    seeds: int | str | Sequence[int] | None = DEFAULTS.get("seeds")
    steps: int | None = DEFAULTS.get("steps")
    batch_size: int = DEFAULTS["batch_size"]
    lr: float | None = DEFAULTS.get("lr")
    holdout: float | str = DEFAULTS["holdout"]
    correlate: str | Sequence[str] | None = DEFAULTS.get("correlate")
    score_at: Sequence[int] = DEFAULTS["score_at"]
    latent_size: int = DEFAULTS["latent_size"]
    network: str | type = DEFAULTS["network"]
    likelihood: str = DEFAULTS["likelihood"]
    metrics: Sequence[str | Callable[..., Any]] = DEFAULTS["metrics"]
    keep: Sequence[str] = DEFAULTS["keep"]
    clip_norm: float | None = DEFAULTS.get("clip_norm")
    lr_schedule: str | None = DEFAULTS.get("lr_schedule")
    early_stop: int | None = DEFAULTS.get("early_stop")
    settings: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS.get("settings", {})))
    allow_small: bool = DEFAULTS["allow_small"]
    budget: str = DEFAULTS["budget"]
    device: str = DEFAULTS["device"]
    precision: str = DEFAULTS["precision"]
    kernels: str = DEFAULTS["kernels"]
    data_dir: str | None = DEFAULTS.get("data_dir")

    def __post_init__(self) -> None:
        """Refuse unknown names at once; all else is checked when the study is planned."""
        for kind, given in self._list_given():
            there = registry.plugins(kind)
            for name in given if isinstance(given, (list, tuple)) else ():
                if isinstance(name, str) and ":" not in name and name not in there:
                    registry.find(kind, name)  # which raises the error

    def __repr__(self) -> str:
        shown = {one.name: _name_objects(getattr(self, one.name)) for one in dataclasses.fields(self)}
        return f"Study({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _list_given(self) -> list[tuple[str, Any]]:
        """List the plug-ins that were given, by kind."""
        given = [("models", self.models), ("datasets", self.datasets), ("metrics", self.metrics)]
        return [*given, ("networks", [self.network])]

    @names_missing_packages
    @neutral()
    def plan(self) -> Plan:
        """Check everything and expand the grid, without starting anything.

        Raises:
            InputError: the first invalid option or plug-in.
        """
        with worded_for(STUDY):
            return self._plan()

    def _plan(self) -> Plan:
        from dis_bench.metrics import find_metrics, protocol
        from dis_bench.runners.planning.datasets import find_datasets, list_parameters, make_datasets
        from dis_bench.runners.scoring.scores import check_scoring, list_unscorable

        check_options(vars(self), _CHOICES)
        training = self._resolve_training()
        device = choose_device(self.device)
        precision = choose_precision(self.precision, device)
        kernels = choose_kernels(self.kernels, device, precision)
        shared = {"likelihood": self.likelihood, "precision": precision, "kernels": kernels}
        networks, models = find_all("networks", [self.network]), find_all("models", self.models)
        metrics = find_all("metrics", self.metrics)
        family = self._choose_family(networks, models)
        scored = find_metrics([specify(plugin) for plugin in metrics.values()])
        found = find_datasets(self.datasets)
        settings = resolve_settings(self.settings, list_declared(models), scored, list_parameters(found))
        values = expand_hyperparameters(models, settings.hyperparameters, self.betas)
        columns = {name: {column for one in own for column in one} for name, own in values.items()}
        check_metrics(scored, protocol(scored.values(), settings.parameters), columns)
        made = make_datasets(
            found, settings.datasets, source=self.source, data_dir=self.data_dir, image_size=self.image_size
        )
        datasets = {name: dataset for name, (_, dataset) in made.items()}
        images = {name: self._choose_images(name, dataset) for name, dataset in datasets.items()}
        trained = self._try_models(models, values, datasets, images, family)
        protocols = {
            name: check_scoring(name, dataset, scored, settings.parameters, self.allow_small)
            for name, dataset in datasets.items()
        }
        budgets = {name: training if name in trained else NO_BUDGET for name in models}
        grid = Grid(
            list_seeds(BUDGETS[self.budget].seeds if self.seeds is None else self.seeds),
            [describe_dataset(*made[name], images[name]) for name in made],
            [describe_model(models[name], values[name], budgets[name], self.latent_size) for name in models],
            {**describe_network(*networks.values()), **shared},
        )
        drawn = {name: plugin for name, (plugin, _) in made.items()}
        return Plan(
            cells=grid.list_cells(),
            datasets=datasets,
            models={name: specify(plugin) for name, plugin in models.items()},
            networks={name: specify(plugin) for name, plugin in networks.items()},
            metrics={name: specify(plugin) for name, plugin in metrics.items()},
            device=device,
            code=describe_code([models, networks, drawn, metrics], self._list_given()),
            parameters=settings.parameters,
            allow_small=self.allow_small,
            protocols=protocols,
            keep=tuple(self.keep),
            unscorable={name: list_unscorable(name, dataset, scored) for name, dataset in datasets.items()},
        )

    def _count_steps(self) -> int:
        return BUDGETS[self.budget].steps if self.steps is None else self.steps

    def _resolve_training(self) -> dict[str, Any]:
        """Check the options of training against its steps; return those that cells record."""
        from dis_bench.runners.training.heldout import count_steps_between

        steps, late = self._count_steps(), max(self.score_at, default=0)
        if late > steps:
            raise InputError(
                f"score_at must be steps of the training, which has {steps:,}, but {late:,} was given."
            )
        every = count_steps_between(steps)
        if self.early_stop is not None:
            check_patience("early_stop", self.early_stop, steps, every)
        rule = "" if self.lr_schedule is None else str(read_plateau(self.lr_schedule, steps, every))
        return {
            "steps": steps,
            "batch_size": self.batch_size,
            "lr": BUDGETS[self.budget].lr if self.lr is None else float(self.lr),
            "score_at": tuple(sorted(self.score_at)),
            "clip_norm": float(self.clip_norm or 0.0),
            "lr_schedule": rule,
            "early_stop": self.early_stop or 0,
        }

    def _choose_family(self, networks: dict[str, Plugin], models: dict[str, Plugin]) -> ChosenNetworks:
        """Choose the family of networks, and check that the models can use it."""
        family = choose_networks(*map(specify, networks.values()))
        check_batch(family, self.batch_size)
        check_models(models)
        for name, plugin in models.items():
            check_own_networks(name, plugin.load().own_networks, self.network, DEFAULTS["network"])
        return family

    def _choose_images(self, name: str, dataset: Dataset) -> TrainingImages:
        """Check a dataset, and choose the images of it that are trained on."""
        from dis_bench.runners.scoring.pictures import check_pictures

        check_dataset(name, dataset)
        check_pictures(name, dataset, self.latent_size)
        return choose_training_images(name, dataset, self.holdout, self.correlate, self.batch_size)

    def _try_models(
        self,
        models: dict[str, Plugin],
        values: dict[str, list[dict[str, Any]]],
        datasets: dict[str, Dataset],
        images: dict[str, TrainingImages],
        family: ChosenNetworks,
    ) -> set[str]:
        """Try each model on each dataset; return the names of those that take steps."""
        trained = set()
        trials = [
            (name, model, one) for name in datasets for model in models for one in choose_tried(values[model])
        ]
        for name, model, one in bar(trials, "plan", unit="model"):
            check_needs(model, models[model].load().needs, name, datasets[name])
            if self._check_build(models[model], one, name, datasets[name], images[name], family):
                trained.add(model)
        return trained

    @names_missing_packages
    def run(self, out: str | Path = "results", rerun: str = "missing", command: str = "") -> pd.DataFrame:
        """Forward to :func:`dis_bench.run`, which takes its place in version 1.0."""
        from dis_bench.runners.run import run

        return run(self, out, rerun=rerun, command=command)

    def _check_build(
        self,
        plugin: Plugin,
        hyperparameters: dict[str, Any],
        name: str,
        dataset: Dataset,
        trained_on: TrainingImages,
        family: ChosenNetworks,
    ) -> bool:
        """Build a model and try it on made-up images, to report faults before training.

        Returns:
            True if it has weights to train.
        """
        from dis_bench.models import build_model
        from dis_bench.models.building import count_codes, takes_steps

        whose = f"model '{plugin.name}'"
        with blaming(f"{whose} cannot be built for dataset '{name}'"):
            model, networks = build_model(
                specify(plugin),
                image_shape=dataset.image_shape,
                network=self.network,
                latent_size=self.latent_size,
                likelihood=self.likelihood,
                **hyperparameters,
            )
        images = max(family.least_batch, min(2, self.batch_size))
        latents = count_codes(model, self.latent_size, dataset.image_shape)
        draws = trained_on.make_draws(dataset, images, latents, seed=0)
        try_model(whose, model, networks, draws, tuple(dataset.image_shape), family.name)
        is_trained = takes_steps(networks)
        if is_trained:
            draws = trained_on.make_draws(dataset, self.batch_size, latents, seed=0)
            try_batch(f"{whose} on dataset '{name}'", model, draws)
        if is_trained and (self.lr_schedule or self.early_stop):
            check_adaptation(whose, model, networks, self.latent_size)
        return is_trained


def read_study_file(path: str | Path, also: Sequence[str] = ()) -> dict[str, Any]:
    """Read the options in a TOML file.

    Its table ``[settings]`` holds hyperparameters by ``"model.name"``. A table ``[about]`` is for readers,
    and is left out.

    Args:
        path: the file, or the name of a study that comes with the package (``dis-bench list studies``).
        also: keys that are allowed in addition to the study's own.

    Raises:
        InputError: the file is missing, not TOML, or has a key that is not an option of a study.
    """
    path, values = read_toml(path, find_studies(), "the study file", "study or study file")
    names = [*(f.name for f in dataclasses.fields(Study)), *also]
    values.pop(ABOUT, None)
    for key in values:
        if key not in names:
            raise unknown(f"key in '{path}'", key, names)
    return values


_CHOICES: dict[str, Sequence[str]] = {
    "budget": tuple(BUDGETS),
    "device": DEVICES,
    "kernels": KERNELS,
    "likelihood": tuple(LIKELIHOODS),
    "precision": PRECISIONS,
}


class _Named(NamedTuple):
    """A class or function in the text of a study."""

    name: str

    def __repr__(self) -> str:
        return self.name


def _name_objects(value: Any) -> Any:
    """Replace classes and functions in a value by their names."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_name_objects, value))
    return _Named(getattr(value, "__name__", "function")) if callable(value) else value
