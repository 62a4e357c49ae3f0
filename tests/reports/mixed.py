"""A result folder with MADE-UP numbers of models that differ in kind, to test the layout of reports."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from dis_bench.records.cell import NO_BUDGET, Cell
from dis_bench.records.record import write_record
from dis_bench.records.store import Store
from tests.reports.made_up import (
    ENVIRONMENT,
    PROTOCOL,
    kl_per_latent,
    make_record,
    make_values,
    write_pictures,
    write_training,
)

VALUES = {"betavae": ("beta", [1.0, 4.0, 16.0]), "factorvae": ("gamma", [1.0, 10.0, 40.0])}


def write_mixed(
    root: Path,
    *,
    values: dict[str, tuple[str, list[float]]] | None = None,
    seeds: int = 3,
    steps: int = 3000,
    pca: bool = True,
    blind: bool = False,
    pictures: bool = True,
) -> Path:
    """Write cells of betavae along beta, factorvae along gamma, and pca, which takes no steps and has no KL.

    Args:
        root: the result folder.
        values: by model, its dial and the values.
        seeds: of each configuration.
        steps: of those that are trained.
        pca: whether to add pca.
        blind: whether to add a model that decodes no images.
        pictures: whether cells keep pictures.
    """
    for model, (dial, levels) in (VALUES if values is None else values).items():
        for level in levels:
            for seed in range(seeds):
                write_one(root, model, {dial: level}, dial, seed, {"steps": steps}, pictures=pictures)
    for seed in range(seeds):
        if pca:
            write_one(root, "pca", {}, None, seed, NO_BUDGET, lacks=("kl", "elbo"), pictures=pictures)
        if blind:
            lacks = ("kl", "elbo", "reconstruction", "mse")
            write_one(root, "blind", {}, None, seed, {"steps": steps}, lacks=lacks)
    return root


def write_one(
    root: Path,
    model: str,
    hyperparameters: dict[str, float],
    dial: str | None,
    seed: int,
    budget: dict[str, Any],
    lacks: tuple[str, ...] = (),
    pictures: bool = False,
    dataset: str = "dsprites",
    values: dict[str, float] | None = None,
    protocol: dict[str, dict[str, Any]] | None = None,
    failed: bool = False,
) -> None:
    """Write one cell; ``values`` overrides measures and scores, ``lacks`` names measures that it has not."""
    cell = Cell(
        dataset=dataset,
        source="rendered",
        fingerprint=f"{dataset}-rendered-f00d",
        dataset_version="dis-bench 0.1.0",
        model=model,
        model_version="dis-bench 0.1.0",
        hyperparameters=hyperparameters,
        network="burgess",
        likelihood="bernoulli",
        latent_size=10,
        precision="fp32",
        kernels="torch",
        seed=seed,
        **{"steps": 3000, "batch_size": 64, "lr": 5e-4, **budget},
    )
    measures = make_values(next(iter(hyperparameters.values()), 2.0), seed, 1.0, model) | (values or {})
    used = PROTOCOL if protocol is None else protocol
    record = make_record(cell, measures, failed, used) | {"environment": ENVIRONMENT, "dial": dial}
    record["command"] = "dis-bench run --models betavae factorvae pca"
    record["evaluation"] = {n: value for n, value in record["evaluation"].items() if n not in lacks}
    kl = None if "kl" in lacks else kl_per_latent(measures)
    if kl is None or failed:
        record["evaluation"].pop("kl_per_latent", None)
    with Store(root).new_folder(cell) as folder:
        if cell.steps:
            write_training(folder / "training.csv", measures, cell.steps, seed)
            if model != "betavae":
                _add_measures(folder / "training.csv", lacks)
        if pictures and "reconstruction" not in lacks:
            write_pictures(folder / "pictures.npz", np.ones(10) if kl is None else kl, 1, seed)
            if kl is None:
                _drop_kl(folder / "pictures.npz")
        write_record(folder, record)


def _add_measures(path: Path, lacks: tuple[str, ...]) -> None:
    """Rename the loss to that of a player, and add what a critic has."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["loss_autoencoder"] = row.pop("loss")
        row["loss_critic"] = str(0.6 + 0.09 / (1 + number))
        row["total_correlation"] = str(2 - 1.5 / (1 + number))
        for name in lacks:
            row.pop(name, None)
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _drop_kl(path: Path) -> None:
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files if name != "kl_per_latent"}
    np.savez_compressed(path, **kept)
