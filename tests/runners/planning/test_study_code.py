"""A changed helper of a plug-in trains its cells again; cells use the code and kernels of their plan."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.nn import compiled
from dis_bench.records.store import Store
from dis_bench.records.weights import read_weights
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.run import build_pipeline, run_study
from dis_bench.runners.study import Study
from dis_bench.runners.watch import Watcher

FILES = {
    "model.py": """
from dis_bench.models.betavae import BetaVAE
from model_parts.weights import WEIGHT

class Mine(BetaVAE):
    name = "mine"

    def loss(self, terms):
        return WEIGHT * super().loss(terms)
""",
    "model_parts/weights.py": "WEIGHT = 1.0\n",
    "nets.py": """
from dis_bench.networks.mlp import MLP
from scales import SHIFT

class Nets(MLP):
    name = "nets"

    def initialise(self, network):
        super().initialise(network)
        network[-1 if hasattr(network[-1], "bias") else -2].bias.data += SHIFT
""",
    "scales.py": "SHIFT = 0.0\n",
    "data.py": """
from tests.tiny import Tiny
from pixels import invert

class Data(Tiny):
    name = "data"

    def draw(self, indices):
        return invert(super().draw(indices))
""",
    "pixels.py": "def invert(images):\n    return images\n",
    "metric.py": """
from scaling import SCALE

def mean(codes, factors):
    return SCALE * float(codes.mean())
""",
    "scaling.py": "SCALE = 1.0\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.fixture
def study(folder):
    return Study(
        models=[f"{folder}/model.py:Mine"],
        datasets=[f"{folder}/data.py:Data"],
        network=f"{folder}/nets.py:Nets",
        metrics=[f"{folder}/metric.py:mean"],
        seeds=1,
        steps=2,
        batch_size=4,
        latent_size=2,
    )


def run(study, folder, **options):
    return run_study(study, folder / "results", workers=0, **options)


def jobs(study, folder):
    return choose_jobs(study.plan(), Store(folder / "results"), "missing")


def record(table):
    return json.loads(Path(table["folder"].iloc[-1], "record.json").read_text(encoding="utf-8"))


def test_a_changed_helper_of_a_model_network_or_dataset_trains_and_of_a_metric_scores(study, folder, capsys):
    first = run(study, folder)
    assert jobs(study, folder) == []
    (folder / "scaling.py").write_text("SCALE = 2.0\n")
    assert [job.scores_only for job in jobs(study, folder)] == [True]
    assert run(study, folder)["mean"][0] == pytest.approx(2 * first["mean"][0])
    seen = [first["reconstruction"][0]]
    for changed, content in {
        "pixels.py": "def invert(images):\n    return 1 - images\n",
        "scales.py": "SHIFT = 0.1\n",
        "model_parts/weights.py": "WEIGHT = 0.0\n",
    }.items():
        (folder / changed).write_text(content)
        words = ["--models", *study.models, "--datasets", *study.datasets, "--metrics", *study.metrics]
        words += ["--network", study.network]
        more = ["--seeds", "1", "--steps", "2", "--batch-size", "4", "--latent-size", "2"]
        main(["run", "--dry-run", *words, *more, "--out", str(folder / "results")])
        assert "1 cell, 1 of them to do." in capsys.readouterr().out
        table = run(study, folder)
        assert table["reconstruction"][0] not in seen
        seen.append(table["reconstruction"][0])
        assert jobs(study, folder) == []
    assert (Path(table["folder"][0]) / "training.csv").read_text().splitlines()[1].startswith("1,0,")
    assert len([*(folder / "results" / "cells").iterdir()]) == 4


@pytest.mark.parametrize(
    ("changed", "whose"),
    [
        ("model_parts/weights.py", "model 'mine'"),
        ("pixels.py", "dataset 'data'"),
        ("scales.py", "network 'nets'"),
    ],
)
def test_code_that_changed_since_the_plan_fails_its_cell(changed, whose, study, folder, monkeypatch):
    plan = study.plan()
    pipeline = build_pipeline(plan, Store(folder / "results"), "typed")
    (folder / changed).write_text(FILES[changed] + "# changed\n")
    # As a worker that starts now would see it.
    monkeypatch.setattr("dis_bench.registry._codes", {})
    [job] = choose_jobs(plan, Store(folder / "results"), "missing")
    record = pipeline(job, lambda event: None)
    assert record["status"] == "failed"
    reason = f"the code of {whose} was changed after the study was planned; start it again in a new process"
    assert record["failure"] == {"reason": reason}


def test_an_edit_while_a_study_runs_does_not_reach_it(study, folder):
    class Editing(Watcher):
        def finish(self, cell, record):
            (folder / "model_parts" / "weights.py").write_text("WEIGHT = 0.0\n")

    table = run(dataclasses.replace(study, seeds=2), folder, watcher=Editing())
    assert table["status"].tolist() == ["done"] * 2
    logs = [(Path(one) / "training.csv").read_text().splitlines()[1] for one in table["folder"]]
    assert not any(log.startswith("1,0,") for log in logs)
    assert len(jobs(dataclasses.replace(study, seeds=2), folder)) == 2


class Listening(Watcher):
    def __init__(self):
        self.heard = []

    def warn(self, sentence):
        self.heard.append(sentence)


def test_what_is_not_watched_is_said_and_recorded(study, folder):
    (folder / "scaling.py").write_text("with open(__file__) as file:\n    SCALE = float(len(file.read()))\n")
    watcher = Listening()
    table = run(study, folder, watcher=watcher)
    named = "scaling.py, line 1: open()"
    what_to_do = "if the code or data behind them change, give --rerun always."
    assert watcher.heard == [f"not watched for changes: {named}; {what_to_do}"]
    environment = record(table)["environment"]
    assert environment["unwatched"] == [named]
    assert environment["imported"] == {"torch": torch.__version__}  # by tests.tiny
    # It may be the reason why there is nothing to do.
    run(study, folder, watcher=watcher)
    assert len(watcher.heard) == 2


def test_nothing_is_said_where_all_is_watched(study, folder):
    watcher = Listening()
    assert record(run(study, folder, watcher=watcher))["environment"]["unwatched"] == []
    assert watcher.heard == []


def test_by_torchs_kernels_all_numbers_are_those_of_torchs_layers(study, folder, monkeypatch):
    study = dataclasses.replace(study, precision="fp32")
    by_torch = dataclasses.replace(study, kernels="torch")
    table = run(by_torch, folder / "torch")
    planned = record(table)["cell"]["kernels"]
    assert (planned, record(table)["environment"]["kernels"], table["kernels"][0]) == ("torch",) * 3
    monkeypatch.setattr(compiled, "serves", lambda images, layers: False)
    again = run(by_torch, folder / "again")
    weights = [read_weights(Path(one["folder"][0])) for one in (table, again)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    same = ["hash", "reconstruction", "kl", "mse", "mean"]
    assert table[same].equals(again[same])
    [cell] = study.plan().cells
    if cell.kernels == "compiled":
        assert cell.hash != table["hash"][0]


@pytest.mark.skipif(bool(compiled.why_unavailable("fp32")), reason="no kernels for this processor")
def test_a_worker_without_the_planned_kernels_fails_the_cell(study, folder, monkeypatch):
    plan = dataclasses.replace(study, precision="fp32", kernels="compiled").plan()
    store = Store(folder / "results")
    monkeypatch.setattr(compiled, "_load", lambda: ImportError("no numba"))
    [job] = choose_jobs(plan, store, "missing")
    record = build_pipeline(plan, store, "typed")(job, lambda event: None)
    assert record["status"] == "failed"
    assert "ImportError: no numba" in record["failure"]["reason"]
    assert "--kernels torch" in record["failure"]["reason"]
    assert "\n" not in record["failure"]["reason"]


def test_an_unknown_choice_of_kernels_is_refused(study):
    with pytest.raises(InputError, match=r"unknown kernels 'fast'.*auto, compiled, torch"):
        dataclasses.replace(study, kernels="fast").plan()
