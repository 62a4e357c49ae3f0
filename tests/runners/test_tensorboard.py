"""Event files of TensorBoard, read with its own classes and served by itself."""

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records.events import FOLDER
from dis_bench.runners.planning import options
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from dis_bench.runners.watch import Watcher
from tests.models.cells import SMALL

TINY = f"{Path(__file__).parents[1] / 'tiny.py'}:Tiny"
STUDY = Study(
    **{"models": ["vae"], "datasets": [TINY], "network": SMALL, "seeds": 1, "latent_size": 3, "steps": 40},
    **{"metrics": [], "device": "cpu", "precision": "fp32", "kernels": "torch", "holdout": 0.1, "lr": 1e-3},
)


class Stopping(Watcher):
    """A watcher that stops the run after a step."""

    def __init__(self, step):
        self.step = step

    def watch(self, news):
        if getattr(news[1], "step", 0) == self.step:
            raise KeyboardInterrupt


def read(out):
    """Return what TensorBoard reads of the only cell."""
    [folder] = (out / FOLDER).iterdir()
    events = EventAccumulator(str(folder), {"scalars": 0, "images": 0}).Reload()
    tags = events.Tags()
    scalars = {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in tags["scalars"]}
    return scalars, {tag: [one.step for one in events.Images(tag)] for tag in tags["images"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the result folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    run_study(STUDY, out, workers=0, log="tensorboard")
    return out


def test_it_has_every_value_of_the_log_and_pictures(whole):
    scalars, pictures = read(whole)
    [log] = whole.glob("cells/*/training.csv")
    rows = pd.read_csv(log)
    assert {"train/loss", "train/reconstruction", "train/kl", "kl_per_latent/kl_02"} <= scalars.keys()
    for tag, column in {"train/loss": "loss", "kl_per_latent/kl_01": "kl_1"}.items():
        assert [step for step, _ in scalars[tag]] == rows["step"].tolist()
        assert [value for _, value in scalars[tag]] == pytest.approx(rows[column].tolist(), rel=1e-5)
    held = rows.dropna(subset="heldout_reconstruction")
    assert [step for step, _ in scalars["heldout/reconstruction"]] == held["step"].tolist()
    assert [value for _, value in scalars["rates/lr_autoencoder"]] == pytest.approx([1e-3] * len(rows))
    assert pictures == {f"pictures/{name}": [20, 40] for name in ("reconstructions", "traversals")}


@pytest.mark.parametrize("step", [13, 20, 31])
def test_a_resumed_training_loses_and_repeats_nothing(step, whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_study(STUDY, tmp_path, workers=0, log="tensorboard", watcher=Stopping(step))
    [folder] = (tmp_path / FOLDER).iterdir()
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-7])  # as if a kill had cut it
    run_study(STUDY, tmp_path, workers=0, log="tensorboard")
    (first, seen), (again, pictures) = read(whole), read(tmp_path)
    assert pictures == seen
    assert again.keys() == first.keys()
    for tag, values in again.items():
        assert [step for step, _ in values] == [step for step, _ in first[tag]], tag
        if tag != "rates/images_per_second":  # six digits, if the cut value is taken from training.csv
            assert dict(values) == pytest.approx(dict(first[tag]), rel=1e-5), tag


def test_results_are_the_same_without_it(whole, tmp_path):
    run_study(STUDY, tmp_path, workers=0)
    assert not (tmp_path / FOLDER).exists()
    for name in ("training.csv", "weights.safetensors"):
        [plain], [logged] = tmp_path.glob(f"cells/*/{name}"), whole.glob(f"cells/*/{name}")
        assert plain.parent.name == logged.parent.name
        assert plain.read_bytes() == logged.read_bytes()


def test_a_stack_has_a_file_per_cell(tmp_path):
    run_study(dataclasses.replace(STUDY, seeds=2), tmp_path, workers=0, stack=True, log="tensorboard")
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {
        path.name for path in (tmp_path / "cells").iterdir()
    }


def test_without_the_package_nothing_starts(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="which is not installed: `pip install"):
        run_study(STUDY, tmp_path / "out", log="tensorboard")
    assert main(["run", "--log", "tensorboard", "--out", str(tmp_path / "out")]) == 2
    assert "pip install tensorboard" in capsys.readouterr().err
    assert main(["run", "--log", "tensorbord", "--out", str(tmp_path / "out")]) == 2
    assert "did you mean 'tensorboard'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_tensorboard_itself_shows_it(whole, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logdir = shutil.copytree(whole / FOLDER, tmp_path / "logs")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--load_fast", "false"]
    with open(tmp_path / "output", "wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        [run] = [path.name for path in logdir.iterdir()]
        address = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?run={run}&tag=train/loss"
        values = fetch(address, server, tmp_path / "output")
        assert [(step, value) for _, step, value in values] == read(whole)[0]["train/loss"]
    finally:
        server.terminate()
        server.wait(30)


def fetch(address, server, output):
    """Return the JSON at an address, once the server is up and has read its files."""
    for _ in range(600):
        assert server.poll() is None, output.read_text("utf-8")
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(output.read_text("utf-8"))
