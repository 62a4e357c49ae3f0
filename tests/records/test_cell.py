"""A cell's hash covers everything that determines its result, and nothing else."""

import dataclasses
import re

import pytest

from dis_bench.records.cell import Cell, EncoderCell, name_cell
from dis_bench.records.store import Store

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
    "network_version": "abc",
    "holdout": 0.1,
    "score_at": (100, 500),
    "schedules": {"beta": "linear(0,4,0.1)"},
    "clip_norm": 1.0,
    "lr_schedule": "plateau(0.1,120,0.0001)",
    "early_stop": 500,
    "dataset_parameters": "image_size=32",
    "holdout_rule": "shape=heart",
    "correlate": "posX~posY:0.2",
}


def test_every_field_changes_the_hash():
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Cell)}
    hashes = {dataclasses.replace(CELL, **{name: value}).hash for name, value in CHANGES.items()}
    assert len(hashes | {CELL.hash}) == len(CHANGES) + 1


def test_cells_of_a_grid_do_not_collide_in_dictionaries():
    # Else each look at one of 10,000 cells compares it with thousands of others.
    cells = [dataclasses.replace(CELL, hyperparameters={"beta": float(beta)}) for beta in range(1000)]
    assert len({hash(cell) for cell in cells}) > 990
    again = dataclasses.replace(CELL, hyperparameters={"beta": 7})
    assert hash(again) == hash(cells[7])
    assert again == cells[7]


def test_the_hash_is_stable(monkeypatch):
    # A new value here means that every finished cell of every user counts as not done: raise RECIPE instead.
    monkeypatch.setattr("dis_bench.records.cell.RECIPE", 1)
    assert CELL.hash == dataclasses.replace(CELL, hyperparameters=dict(CELL.hyperparameters)).hash
    assert CELL.hash == "8f31f239d30a"


def test_networks_of_our_own_have_no_version_in_the_identity():
    # Cells had no version of networks before networks could be plug-ins, and still count as finished.
    assert "network_version" not in CELL.identity
    assert dataclasses.replace(CELL, network_version="abc").identity["network_version"] == "abc"


def test_a_schedule_is_in_the_label_and_a_cell_without_one_keeps_its_hash():
    assert {"schedules", "clip_norm"}.isdisjoint(CELL.identity)
    scheduled = dataclasses.replace(CELL, schedules={"beta": "linear(0,4,0.1)"})
    assert scheduled.label == "dsprites betavae beta=linear(0,4,0.1) seed=0"
    assert scheduled.given == {"beta": "linear(0,4,0.1)"}
    assert scheduled.folder.startswith("dsprites-betavae-betalinear-0-4-0.1-seed0-")


def test_a_recorded_cell_has_the_words_of_the_planned_one():
    chosen = dataclasses.replace(CELL, model="mine.py:Mine", correlate="posX~posY:0.2", holdout_rule="x<3")
    assert chosen.label == "dsprites Mine beta=4 seed=0 posX~posY:0.2 without x<3"
    scheduled = dataclasses.replace(CELL, schedules={"beta": "linear(0,4,0.1)"})
    encoder = EncoderCell("dsprites", "official", "abc", "1", "mine", latent_size=2, seed=3, codes="d")
    assert encoder.label == "dsprites mine seed=3"
    for cell in (CELL, chosen, scheduled, encoder):
        assert name_cell(cell.identity) == cell.label
    assert name_cell(CELL.identity, str) == "dsprites betavae beta=4.0 seed=0"


def test_folder_is_readable_and_ends_in_the_hash():
    assert CELL.folder == f"dsprites-betavae-beta4-seed0-{CELL.hash}"


@pytest.mark.parametrize("name", ["a/b.py:My Model", "ü.py:Ünïcode"])
def test_folder_is_a_plain_file_name(name):
    folder = dataclasses.replace(CELL, model=name, dataset=name).folder
    assert "/" not in folder
    assert " " not in folder


NAMES = [
    {"hyperparameters": {f"weight_of_the_term_{n}": 1.25 for n in range(13)}},
    {"hyperparameters": {"path": "/a/very/long/path" * 50}},
    {"hyperparameters": {"mark": "..." * 100}},
    {"dataset": "x" * 300, "model": "y" * 300},
    {"model": "file.py:" + "ü" * 200},
    {"dataset": "con.v2"},
    {"dataset": "NUL"},
    {"dataset": ".hidden"},
    {"dataset": "-rf"},
    {"dataset": "..", "model": "../../etc:..\\x\0\n"},
]


@pytest.mark.parametrize("change", NAMES)
def test_folder_fits_on_every_disk(change, tmp_path):
    cell = dataclasses.replace(CELL, **change)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", cell.folder)
    assert len(cell.folder) <= 100
    assert cell.folder.endswith(f"-{cell.hash}")
    assert cell.folder.partition(".")[0].lower() not in ("con", "nul")
    store = Store(tmp_path)
    with store.claim(cell) as claim:
        assert len(claim.folder.name.encode()) <= 143
    for _ in range(2):
        with store.new_folder(cell) as folder:
            (folder / "record.json").write_text("{}")
    assert all(len(path.name.encode()) <= 143 for path in tmp_path.rglob("*"))


def test_no_two_cells_share_a_folder():
    long = {f"weight_of_the_term_{n}": 1.25 for n in range(13)}
    cells = [dataclasses.replace(CELL, hyperparameters=long | {"z": z}) for z in range(20)]
    assert len({cell.folder.lower() for cell in cells}) == 20
