"""What a study asks of its plug-ins before anything starts: that each is what it says, under a free name."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Sequence
from typing import Any

from dis_bench.errors import InputError
from dis_bench.registry import Plugin
from dis_bench.runners.cell import Cell

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


def check_models(models: dict[str, Plugin]) -> None:
    """Each is a subclass of Model, and no hyperparameter takes the name of a column.

    Raises:
        InputError: the first one that is not, or does.
    """
    from dis_bench.models.model import Model

    for name, plugin in models.items():
        model = plugin.load()
        if not (inspect.isclass(model) and issubclass(model, Model)):
            raise InputError(
                f"model '{name}' must be a subclass of dis_bench.models.model.Model, but is {model!r}."
            )
        for hyperparameter in model.hyperparameters:
            _check_free("hyperparameter", hyperparameter.name, f"model '{name}'")


def check_metrics(metrics: Sequence[str]) -> None:
    """Each is a metric whose name is free and whose parameters can stand in a record.

    Raises:
        InputError: the first one that is not.
    """
    from dis_bench.metrics import find_metrics, protocol

    for name in find_metrics(metrics):
        _check_free("metric", name, "the study")
    for name, parameters in protocol(metrics).items():
        try:
            json.dumps(parameters, allow_nan=False)
        except (TypeError, ValueError):
            raise InputError(
                f"metric '{name}' has a default that no record can hold; use numbers, texts or lists: "
                f"{parameters}."
            ) from None


def check_dataset(name: str, dataset: Any) -> None:
    """It is an instance of Dataset.

    Raises:
        InputError: it is not.
    """
    from dis_bench.datasets.dataset import Dataset

    if not isinstance(dataset, Dataset):
        raise InputError(
            f"dataset '{name}' must be a subclass of dis_bench.datasets.dataset.Dataset, but is a "
            f"{type(dataset).__name__}."
        )


def _check_free(kind: str, name: str, whose: str) -> None:
    if name in RESERVED or name.startswith("kl_"):
        raise InputError(f"{whose} has a {kind} called '{name}', which is the name of a column; rename it.")
