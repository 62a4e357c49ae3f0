"""Two trained cells of a tiny dataset, for all tests of loaded models."""

from __future__ import annotations

from pathlib import Path

import pytest

from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study

TINY = f"{Path(__file__).parents[2] / 'tiny.py'}:Tiny"
STUDY = Study(
    models=["vae", "pca"],
    datasets=[TINY],
    seeds=1,
    steps=3,
    latent_size=4,
    metrics=["mig", "gaussian_total_correlation", "downstream"],
    settings={"mig.bins": 7},
    allow_small=True,
    device="cpu",
)


@pytest.fixture(scope="package")
def table(tmp_path_factory):
    """Return the table of a VAE and of PCA, the VAE last."""
    return run_study(STUDY, tmp_path_factory.mktemp("trained"), workers=0)


@pytest.fixture(scope="package")
def row(table):
    """Return the row of the VAE."""
    return table[table["model"] == "vae"].iloc[0]
