"""An exported cell is what a model hub shows, and what load reads back."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import dis_bench
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.weights import FILE
from tests.records.kept_store import put_encoder
from tests.runners.trained.conftest import TINY


@pytest.fixture
def exported(row, tmp_path):
    return dis_bench.export(row["folder"], tmp_path / "model")


def test_it_holds_what_a_hub_shows(exported, row):
    names = {path.name for path in exported.iterdir()}
    assert names == {"model.safetensors", "config.json", "record.json", "README.md", "traversal.png"}
    card = (exported / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: dis-bench\n")
    assert f'type: "mig"\n      value: {float(row["mig"])!r}' in card
    assert "| MIG (from fewer rows than the protocol needs) |" in card
    assert "bins 7" in card
    assert "![Each latent varied alone](traversal.png)" in card
    assert json.loads((exported / "config.json").read_text("utf-8"))["model"] == "vae"
    content = (exported / "model.safetensors").read_bytes()  # as its format says, without the library
    (length,) = struct.unpack("<Q", content[:8])
    assert set(json.loads(content[8 : 8 + length])) == set(dis_bench.load(row).networks.state_dict())


def test_it_is_read_back(exported, row):
    before, after = (dis_bench.load(where, dataset=TINY) for where in (row, exported))
    images = before.dataset.images([1, 2])
    assert torch.equal(before.encode(images), after.encode(images))
    assert after.score().to_dict() == row[list(after.record["scores"])].to_dict()


def test_changed_weights_are_refused(exported):
    path = exported / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(InputError, match=r"model.safetensors' cannot be read .it has changed since"):
        dis_bench.load(exported)
    (exported / "record.json").unlink()
    with pytest.raises(InputError, match=r"the exported folder '.*' has no record.json"):
        dis_bench.load(exported)


def test_nothing_is_overwritten(exported, row):
    with pytest.raises(InputError, match="already exists; give another folder"):
        dis_bench.export(row["folder"], exported)


def test_the_command(row, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", row["folder"]]) == 0
    assert "dis_bench.load('export/tiny-vae-seed0-" in capsys.readouterr().out
    assert main(["export", row["folder"]]) == 2
    assert main(["export", "nowhere"]) == 2
    assert "there is no folder 'nowhere'" in capsys.readouterr().err


def test_what_cannot_be_exported_is_refused(row, table, tmp_path):
    with pytest.raises(InputError, match="has 2 cells: export the folder of one"):
        dis_bench.export(Path(row["folder"]).parents[1], tmp_path / "x")
    with pytest.raises(InputError, match="an encoder trained elsewhere"):
        dis_bench.export(put_encoder(tmp_path / "e"), tmp_path / "x")
    bare = Path(shutil.copytree(row["folder"], tmp_path / Path(row["folder"]).name))
    (bare / FILE).unlink()
    with pytest.raises(InputError, match=r"has no weights.safetensors to export, as .* was removed"):
        dis_bench.export(bare, tmp_path / "x")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="neither a cell's folder nor a result folder"):
        dis_bench.export(tmp_path / "nothing", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_card_says_why_there_is_no_traversal(row, tmp_path):
    bare = Path(shutil.copytree(row["folder"], tmp_path / Path(row["folder"]).name))
    (bare / "pictures.npz").unlink()
    out = dis_bench.export(bare, tmp_path / "x")
    assert "There is no traversal, as pictures.npz cannot be read" in (out / "README.md").read_text("utf-8")
    assert not (out / "traversal.png").exists()
    assert np.isfinite(dis_bench.load(out, dataset=TINY).record["scores"]["mig"])
