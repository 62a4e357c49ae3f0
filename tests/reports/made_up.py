"""Result folders with MADE-UP numbers and pictures, to test the layout of reports.

Nothing here was measured: reconstruction and scores come from a formula with noise, and images are discs.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dis_bench.records.cell import Cell
from dis_bench.records.checks.anchor import key_of_anchor
from dis_bench.records.record import write_record
from dis_bench.records.schema import SCHEMA
from dis_bench.records.seal import seal, sign
from dis_bench.records.store import Store

LATENTS = 10
PROTOCOL = {
    "betavae_score": {"version": 1, "train": 10_000, "test": 5_000, "batch": 64},
    "mig": {"version": 1, "rows": 10_000, "bins": 20},
    "sap": {"version": 1, "train": 10_000, "test": 5_000},
    "dci": {"version": 1, "train": 10_000, "test": 5_000, "estimator": "fast"},
}
ENVIRONMENT = {
    "dis_bench": "0.1.0",
    "python": "3.11.9",
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "scikit-learn": "1.9.1",
    "platform": "Linux-x86_64",
    "processor": "made-up processor",
    "device": "cpu",
    "threads": 1,
    "precision": "fp32",
    "kernels": "torch",
    "instructions": "AVX512",
    "switches": {},
    "imported": {},
    "unwatched": [],
}


def write_study(
    root: Path,
    *,
    betas: Sequence[float | None] = (1.0, 4.0, 10.0),
    seeds: Sequence[int] = (0, 1, 2),
    model: str = "betavae",
    others: dict[str, Any] | None = None,
    dataset: str = "dsprites",
    source: str = "rendered",
    steps: int = 3000,
    noise: float = 1.0,
    values: dict[tuple[float | None, int], dict[str, float]] | None = None,
    failed: Sequence[tuple[float | None, int]] = (),
    protocol: dict[str, dict[str, Any]] | None = None,
    environment: dict[str, Any] | None = None,
    command: str = "dis-bench run --models betavae --betas 1 4 10",
    pictures: bool = True,
) -> Path:
    """Write one cell per beta and seed under ``root``.

    A beta of None stands for a model without one. ``values`` overrides measures and scores of single cells by
    (beta, seed).
    """
    for beta in betas:
        for seed in seeds:
            hyperparameters = {**({} if beta is None else {"beta": float(beta)}), **(others or {})}
            cell = Cell(
                dataset=dataset,
                source=source,
                fingerprint=f"{dataset}-{source}-f00d",
                dataset_version="dis-bench 0.1.0",
                model=model,
                model_version="dis-bench 0.1.0",
                hyperparameters=hyperparameters,
                network="burgess",
                likelihood="bernoulli",
                latent_size=LATENTS,
                steps=steps,
                batch_size=64,
                lr=5e-4,
                precision="fp32",
                kernels="torch",
                seed=seed,
            )
            measures = make_values(1.0 if beta is None else beta, seed, noise, f"{model}{others}")
            measures |= (values or {}).get((beta, seed), {})
            record = make_record(cell, measures, (beta, seed) in failed, protocol or PROTOCOL)
            record["environment"] = {**ENVIRONMENT, **(environment or {})}
            record["command"] = command
            with Store(root).new_folder(cell) as folder:
                if record["status"] == "done":
                    write_training(folder / "training.csv", measures, steps, seed)
                    if pictures:
                        channels = 3 if dataset == "shapes3d" else 1
                        write_pictures(folder / "pictures.npz", kl_per_latent(measures), channels, seed)
                write_record(folder, record)
    return root


def write_cell(root: Path) -> Path:
    """Write one finished cell without pictures, and return its folder."""
    [folder] = (write_study(root, betas=[4], seeds=[0], pictures=False) / "cells").iterdir()
    return folder


def reseal(folder: Path | str, **change: Any) -> None:
    """Change a cell's record, and seal it again with the files that are beside it now."""
    path = Path(folder, "record.json")
    record = {**json.loads(path.read_text("utf-8")), **change}
    del record["files"]
    path.write_text(json.dumps(seal(record, path.parent)), "utf-8")


def write_anchors(root: Path, scores: dict[str, tuple[float, float]], **change: Any) -> Path:
    """Add a metric's anchors (perfect, chance) to a study, and return their file."""
    metric = next(name for name in PROTOCOL if next(iter(scores)).startswith(name))
    anchor = {
        "schema": SCHEMA,
        "dataset": "dsprites",
        "grid": [1, 3, 6, 40, 32, 32],
        "rows": 15_000,
        "latent_size": LATENTS,
        "seed": 0,
        "metric": metric,
        "protocol": PROTOCOL[metric],
        "scores": {
            name: {"perfect": perfect, "chance": chance} for name, (perfect, chance) in scores.items()
        },
        **change,
    }
    path = root / "anchors" / f"{key_of_anchor(anchor)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(sign(anchor)), encoding="utf-8")
    return path


def make_values(beta: float, seed: int, noise: float, model: str) -> dict[str, float]:
    """Make up measures and scores: with beta, reconstruction rises and KL falls."""
    salt = zlib.crc32(model.encode())
    rng = np.random.default_rng([seed, round(1000 * beta), salt])
    reconstruction = 18 + 21 * np.log1p(beta) + noise * rng.normal(0, 1.2) + 6 * (salt % 5) / 5
    kl = 30 / (1 + 0.55 * beta) + noise * rng.normal(0, 0.4)
    gain = beta / (beta + 4) + 0.3 * (salt % 7) / 7
    values = {
        "reconstruction": reconstruction,
        "mse": reconstruction / 4096 * 0.9,
        "kl": kl,
        "elbo": -(reconstruction + kl),
        "active_latents": float(max(3, round(10 - 2.2 * np.log1p(beta)))),
        "betavae_score": 0.80 + 0.15 * gain + noise * rng.normal(0, 0.02),
        "mig": 0.05 + 0.3 * gain + noise * rng.normal(0, 0.05),
        "sap": 0.02 + 0.08 * gain + noise * rng.normal(0, 0.015),
        "dci_disentanglement": 0.12 + 0.4 * gain + noise * rng.normal(0, 0.04),
        "dci_completeness": 0.15 + 0.4 * gain + noise * rng.normal(0, 0.04),
        "dci_informativeness": 0.62 - 0.1 * gain + noise * rng.normal(0, 0.02),
    }
    low = {"elbo": -np.inf}  # nothing else can be negative
    high = dict.fromkeys(("betavae_score", "mig", "sap", "dci_informativeness"), 1.0)
    return {
        name: float(np.clip(value, low.get(name, 0.0), high.get(name, np.inf)))
        for name, value in values.items()
    }


def kl_per_latent(measures: dict[str, float]) -> np.ndarray:
    """Distribute the KL over the active latents; the others get almost none."""
    active = int(measures["active_latents"])
    shares = np.where(np.arange(LATENTS) < active, np.exp(-0.3 * np.arange(LATENTS)), 0)
    shares = np.random.default_rng(active).permutation(shares)
    return measures["kl"] * shares / max(shares.sum(), 1e-9)


def make_record(
    cell: Cell, measures: dict[str, float], failed: bool, protocol: dict[str, Any]
) -> dict[str, Any]:
    """Make a record in the store's schema."""
    evaluation = ("reconstruction", "mse", "kl", "elbo", "active_latents")
    scores = [name for name in measures if any(name == m or name.startswith(f"{m}_") for m in protocol)]
    beta = cell.hyperparameters.get("beta")
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "done",
        "hash": cell.hash,
        "cell": cell.identity,
        "beta_norm": beta * cell.latent_size / 4096 if isinstance(beta, (int, float)) else None,
        "evaluation": {name: measures[name] for name in evaluation},
        "scores": {name: measures[name] for name in scores},
        "protocol": protocol,
        "unscored": {},
        "timing": {"train_seconds": 60.0, "score_seconds": 12.0, "images_per_second": 3200.0},
        "failure": None,
        "created": "2026-11-20T09:30:00+00:00",
    }
    record["evaluation"]["kl_per_latent"] = kl_per_latent(measures).tolist()
    if failed:
        failure = {"reason": "the loss is not finite at step 120: loss = nan"}
        record |= {
            "status": "failed",
            "evaluation": {},
            "scores": {},
            "protocol": {},
            "timing": {},
            "failure": failure,
        }
    return record


def write_training(path: Path, measures: dict[str, float], steps: int, seed: int) -> None:
    """Write losses that fall towards the final measures."""
    rng = np.random.default_rng(seed)
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "loss", "reconstruction", "kl", "weighted_kl"])
        for step in np.linspace(steps / 200, steps, 200):
            share = np.exp(-8 * step / steps)
            reconstruction = measures["reconstruction"] + 600 * share + rng.normal(0, 1.5)
            kl = measures["kl"] * (1 - share) + rng.normal(0, 0.2)
            rows.writerow([round(step), reconstruction + kl, reconstruction, kl, kl])


def write_pictures(path: Path, kl: np.ndarray, channels: int, seed: int) -> None:
    """Write discs: reconstructions are softer, traversals move along x or y, or grow."""
    rng = np.random.default_rng(7)
    spots = rng.uniform(18, 46, (8, 2))
    originals = np.stack([disc(x, y, 10, 1.0, channels) for x, y in spots])
    reconstructions = np.stack([disc(x, y, 10, 4.0, channels) for x, y in spots])
    steps = np.linspace(-3, 3, 9)
    moves = [
        lambda v: (v * 5, 0, 0),
        lambda v: (0, v * 5, 0),
        lambda v: (0, 0, v * 2),
        lambda v: (v * 3, v * 3, 0),
    ]
    rows = []
    for latent, nats in enumerate(kl):
        dx, dy, dr = zip(*(moves[(latent + seed) % 4](v * (nats > 0.01)) for v in steps), strict=True)
        rows.append([disc(32 + x, 32 + y, 9 + r, 3.0, channels) for x, y, r in zip(dx, dy, dr, strict=True)])
    np.savez_compressed(
        path,
        originals=originals,
        reconstructions=reconstructions,
        traversals=np.asarray(rows),
        traversal_values=steps,
        kl_per_latent=kl,
    )


def disc(x: float, y: float, radius: float, softness: float, channels: int) -> np.ndarray:
    """Draw a disc [C, 64, 64], on a coloured background if there are three channels."""
    rows, columns = np.mgrid[:64, :64] + 0.5
    inside = 1 / (1 + np.exp((np.hypot(columns - x, rows - y) - radius) / (softness / 4)))
    ground = np.array([0.0] if channels == 1 else [0.55, 0.75, 0.95])
    ink = np.array([1.0] if channels == 1 else [0.95, 0.45, 0.15])
    image = ground[:, None, None] * (1 - inside) + ink[:, None, None] * inside
    return (255 * image).round().astype(np.uint8)
