"""A study trains users' networks, in worker processes too, on images of any size."""

import dataclasses
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

from dis_bench.cli.main import main
from dis_bench.models import build_model
from dis_bench.records.table import read_results
from dis_bench.records.weights import read_weights
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from tests.networks.test_chosen import PLUGINS

DATA = """
from tests.tiny import Tiny

class Small(Tiny):
    "The squares of Tiny, half as large."
    name, image_shape = "small", (1, 32, 32)

    def draw(self, indices):
        return super().draw(indices)[:, :, ::2, ::2].contiguous()
"""
HERE = Path(__file__).parents[1] / "tiny.py"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "nets.py").write_text(PLUGINS)
    (tmp_path / "data.py").write_text(DATA)
    return Study(
        models=["vae"],
        datasets=[f"{tmp_path}/data.py:Small"],
        network=f"{tmp_path}/nets.py:Plain",
        metrics=[f"{HERE}:mean_code"],
        seeds=1,
        steps=3,
        batch_size=4,
        latent_size=2,
        device="cpu",
    )


def test_workers_train_by_the_networks_of_a_file(study, tmp_path):
    table = run_study(study, tmp_path / "out", workers=1)
    assert table["failure"].tolist() == [""]
    assert table["network"].tolist() == ["Plain"]
    folder = Path(table["folder"][0])
    cell = json.loads((folder / "record.json").read_text(encoding="utf-8"))["cell"]
    assert len(cell["network_version"]) == 16
    _, networks = build_model("vae", network=study.network, image_shape=(1, 32, 32), latent_size=2)
    networks.load_state_dict(read_weights(folder))
    with np.load(folder / "codes.npz") as kept, np.load(folder / "pictures.npz") as pictures:
        assert np.isfinite(kept["codes"]).all()
        assert pictures["originals"].shape[1:] == (1, 32, 32)
    assert read_results(tmp_path / "out")["hash"].tolist() == table["hash"].tolist()


def test_a_study_file_names_networks_and_they_need_not_be_given_again(study, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ['models = ["vae"]', 'datasets = ["data.py:Small"]', 'network = "nets.py:Plain"', "metrics = []"]
    (tmp_path / "study.toml").write_text("\n".join([*lines, "seeds = 1", "steps = 2", "batch_size = 2"]))
    assert main(["run", "--dry-run", "--study", "study.toml"]) == 0
    assert "1 cell, 1 of them to do." in capsys.readouterr().out
    assert main(["run", "--dry-run", "--study", "study.toml", "--network", "nets.py:build"]) == 2
    assert "network 'build' needs batches of 3 images or more" in capsys.readouterr().err


def test_the_example_in_the_docs_is_trained(study, tmp_path):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, section = text.split("## Add networks\n")
    code = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("    ") or not line]
    (tmp_path / "small.py").write_text(textwrap.dedent("\n".join(code)))
    here = {"network": f"{tmp_path}/small.py:Small", "datasets": [f"{HERE}:Tiny"], "metrics": ()}
    table = run_study(dataclasses.replace(study, **here), tmp_path / "out", workers=0)
    assert table["status"].tolist() == ["done"]


def test_networks_of_two_contents_are_two_cells(study, tmp_path):
    [before] = study.plan().cells
    (tmp_path / "nets.py").write_text(PLUGINS + "# changed\n")
    [after] = study.plan().cells
    assert (before.network, before.hash != after.hash) == (after.network, True)
    assert before.network_version != after.network_version


def test_networks_of_ours_have_no_version(study):
    [cell] = dataclasses.replace(study, network="mlp").plan().cells
    assert (cell.network, cell.network_version) == ("mlp", "")
