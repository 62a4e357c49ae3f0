"""A cell's hash covers everything that determines its result, and nothing else."""

import dataclasses

import pytest

from dis_bench.runners.cell import Cell

CELL = Cell(
    dataset="dsprites",
    source="rendered",
    fingerprint="abc",
    dataset_version="dis-bench 0.1.0",
    model="betavae",
    model_version="dis-bench 0.1.0",
    hyperparameters={"beta": 4.0},
    network="burgess",
    likelihood="bernoulli",
    latent_size=10,
    steps=1000,
    batch_size=64,
    lr=5e-4,
    precision="fp32",
    kernels="compiled",
    seed=0,
)

CHANGES = {
    "dataset": "shapes3d",
    "source": "official",
    "fingerprint": "abd",
    "dataset_version": "dis-bench 0.2.0",
    "model": "vae",
    "model_version": "dis-bench 0.2.0",
    "hyperparameters": {"beta": 4.5},
    "network": "locatello",
    "likelihood": "gaussian",
    "latent_size": 11,
    "steps": 1001,
    "batch_size": 65,
    "lr": 1e-4,
    "precision": "bf16",
    "kernels": "torch",
    "seed": 1,
}


def test_every_field_changes_the_hash():
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Cell)}
    hashes = {dataclasses.replace(CELL, **{name: value}).hash for name, value in CHANGES.items()}
    assert len(hashes | {CELL.hash}) == len(CHANGES) + 1


def test_the_hash_is_stable(monkeypatch):
    # A new value here means that every finished cell of every user counts as not done: raise RECIPE instead.
    monkeypatch.setattr("dis_bench.runners.cell.RECIPE", 1)
    assert CELL.hash == dataclasses.replace(CELL, hyperparameters=dict(CELL.hyperparameters)).hash
    assert CELL.hash == "8f31f239d30a"


def test_folder_is_readable_and_ends_in_the_hash():
    assert CELL.folder == f"dsprites-betavae-beta4-seed0-{CELL.hash}"


@pytest.mark.parametrize("name", ["a/b.py:My Model", "ü.py:Ünïcode"])
def test_folder_is_a_plain_file_name(name):
    folder = dataclasses.replace(CELL, model=name, dataset=name).folder
    assert "/" not in folder
    assert " " not in folder
