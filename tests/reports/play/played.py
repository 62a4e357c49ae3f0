"""Studies whose cells keep real weights, of networks that nobody trained, and what they decode."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dis_bench.models.building import build_model
from dis_bench.records.codes import write_codes
from dis_bench.records.pictures import Pictures, write_pictures
from dis_bench.records.weights import write_weights
from dis_bench.reports.play.models import Trained
from tests.reports.made_up import LATENTS, disc, reseal, write_study

ROWS = 400
GRID = (1, 3, 6, 40, 32, 32)  # of dSprites


def write_played(root: Path, betas: Sequence[float] = (1, 4, 10), seeds: Sequence[int] = (0, 1)) -> Path:
    """Write a made-up study of betavae on dsprites, with weights, pictures and codes.

    The highest beta has the best MIG.
    """
    best = {(max(betas), seed): {"mig": 0.6} for seed in seeds}
    write_study(root, betas=betas, seeds=seeds, values=best, pictures=False)
    for folder in (root / "cells").iterdir():
        fill_cell(folder)
    return root


def fill_cell(folder: Path) -> Trained:
    """Give a cell networks, and the files that a run keeps of them; return its model."""
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    cell = record["cell"]
    trained = make_trained(cell["hyperparameters"]["beta"], cell["seed"])
    write_weights(folder, trained.networks.state_dict())
    spots = np.random.default_rng(7).uniform(18, 46, (8, 2))
    originals = np.stack([disc(x, y, 10, 1.0, 1) for x, y in spots])
    codes = trained.encode(torch.from_numpy(originals).float() / 255)
    values = np.linspace(-3, 3, 9)
    moved = codes[0].repeat(LATENTS, len(values), 1)
    for latent in range(LATENTS):
        moved[latent, :, latent] = torch.from_numpy(values)
    pictures = Pictures(
        originals,
        to_bytes(trained.decode(codes)),
        to_bytes(trained.decode(moved.flatten(0, 1))).reshape(LATENTS, len(values), 1, 64, 64),
        values,
        np.array(record["evaluation"]["kl_per_latent"]),
    )
    write_pictures(folder, pictures)
    write_codes(folder, *make_codes(cell["seed"]))
    information = np.random.default_rng(cell["seed"]).uniform(0, 0.2, (LATENTS, 5)).round(3).tolist()
    per_factor = {"scores": {"mig": [0.1, 0.2, 0.0, 0.4, 0.5]}, "importances": {"dci": information}}
    reseal(folder, per_factor=per_factor)
    return trained


def make_trained(beta: float, seed: int) -> Trained:
    """Build a beta-VAE of which images have some contrast."""
    model, networks = build_model("betavae", beta=float(beta), seed=seed)
    with torch.no_grad():
        chance = torch.Generator().manual_seed(100 * seed + round(10 * beta))
        for weight in networks.autoencoder.decoder.parameters():
            weight.mul_(2).add_(0.2 * torch.randn(weight.shape, generator=chance) * (weight.ndim == 1))
    return Trained(model, networks.eval())


def make_codes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make codes [N, D] whose first latents are factors of dSprites, in an order that is the seed's."""
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.integers(size, size=ROWS) for size in GRID], axis=1)
    codes = 0.3 * rng.standard_normal((ROWS, LATENTS))
    for latent, factor in enumerate(rng.permutation([1, 2, 4, 5])):
        codes[:, latent] += (-1) ** seed * (factors[:, factor] / GRID[factor] * 4 - 2)
    return codes, factors


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """Convert images in [0, 1] as a run does."""
    return (images * 255).round().byte().numpy()
