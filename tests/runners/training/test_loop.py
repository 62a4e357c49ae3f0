"""Training lowers the loss, depends on its seed, logs its measures, and stops if the loss diverges."""

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from dis_bench.nn import compiled
from dis_bench.records.cell import Cell
from dis_bench.runners.training import log as logs
from dis_bench.runners.training.log import TrainingDiverged
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.trainee import prepare
from tests.tiny import Tiny

HERE = str(Path(__file__).parents[2] / "tiny.py")


def trainee(
    model="betavae",
    steps=30,
    batch_size=16,
    seed=0,
    precision="fp32",
    network="burgess",
    kernels="auto",
    **hyperparameters,
):
    cell = Cell(
        dataset="tiny",
        source="rendered",
        fingerprint=Tiny.fingerprint,
        dataset_version="",
        model=model,
        model_version="",
        hyperparameters=hyperparameters,
        network=network,
        likelihood="bernoulli",
        latent_size=10,
        steps=steps,
        batch_size=batch_size,
        lr=1e-3,
        precision=precision,
        kernels=kernels,
        seed=seed,
    )
    return prepare(cell, {model: model}, {"tiny": Tiny()}, "cpu")


def train_alone(one, path):
    """Train one cell, and raise its failure."""
    seen = []
    trained = train([one], logs=[path], watch=lambda number, progress: seen.append(progress))
    if trained.failures[0] is not None:
        raise trained.failures[0]
    return seen


def run(tmp_path, *given, **options):
    one = trainee(*given, **options)
    path = tmp_path / f"training-{len(list(tmp_path.iterdir()))}.csv"
    seen = train_alone(one, path)
    return one.networks, pd.read_csv(path), seen


def test_the_loss_falls_and_the_log_adds_up(tmp_path):
    networks, log, seen = run(tmp_path, steps=40, beta=4.0)
    assert [progress.step for progress in seen] == list(range(1, 41))
    assert seen[-1].measures["loss"] < 0.5 * seen[0].measures["loss"]
    assert log["step"].tolist() == list(range(1, 41))
    # Columns hold six significant digits.
    assert log["loss"].to_numpy() == pytest.approx(
        (log["reconstruction"] + 4 * log["kl"]).to_numpy(), rel=1e-5
    )
    assert log["weighted_kl"].to_numpy() == pytest.approx(4 * log["kl"].to_numpy(), rel=1e-2, abs=1e-2)
    assert log.filter(regex=r"kl_\d").sum(axis=1).to_numpy() == pytest.approx(log["kl"].to_numpy(), rel=1e-4)
    assert not networks.training


def test_rows_of_the_log_are_means_over_the_steps_between(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LOG_ROWS", 4)
    _, log, seen = run(tmp_path, steps=13)  # every fourth step, and the last
    assert log["step"].tolist() == [4, 8, 12, 13]
    assert log["loss"][1] == pytest.approx(
        sum(progress.measures["loss"] for progress in seen[4:8]) / 4, rel=1e-5
    )
    assert log["loss"][3] == pytest.approx(seen[12].measures["loss"], rel=1e-5)


def test_the_seed_decides_everything(tmp_path):
    one, other, third = (run(tmp_path, steps=5, seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], third[name]) for name in one)


def test_a_loss_that_breaks_stops_with_the_place(tmp_path):
    log = tmp_path / "training.csv"
    with pytest.raises(TrainingDiverged, match="not finite at step 1: loss = nan"):
        train_alone(trainee(f"{HERE}:Diverging", steps=3, beta=6.0), log)
    assert pd.read_csv(log).empty


def test_the_place_names_the_measure(tmp_path):
    one = trainee(steps=1)
    with torch.no_grad():
        one.networks.autoencoder.encoder[-1].bias[12] = math.inf  # the log-variance of latent 2
    with pytest.raises(TrainingDiverged, match="kl_2 = "):
        train_alone(one, tmp_path / "log.csv")


def test_a_log_that_was_there_before_is_begun_anew(tmp_path):
    path = tmp_path / "training.csv"
    path.write_text("step,loss\n1,2\n")
    train_alone(trainee(steps=2), path)
    assert pd.read_csv(path)["step"].tolist() == [1, 2]


SQUARED = """
from dis_bench.models.vae import VAE

class Squared(VAE):
    name = "squared"

    def loss(self, terms):
        return terms.reconstruction.mean() + terms.kl.sum(1).square().mean()
"""


@pytest.mark.parametrize("network", ["burgess", "locatello"])
def test_a_model_that_writes_only_its_loss_trains_by_the_compiled_kernels(tmp_path, network, monkeypatch):
    if not compiled._dtypes():
        pytest.skip("there are no compiled kernels for this processor")
    (tmp_path / "squared.py").write_text(SQUARED)
    model = f"{tmp_path}/squared.py:Squared"
    served = []

    def answer(images, layers, serves=compiled.serves):
        served.append(serves(images, layers))
        return served[-1]

    monkeypatch.setattr(compiled, "serves", answer)
    _, log, _ = run(tmp_path, model, steps=6, network=network)
    assert served == [True] * 12  # both networks, six steps
    monkeypatch.setattr(compiled, "serves", lambda images, layers: False)
    _, plain, _ = run(tmp_path, model, steps=6, network=network)
    assert log["loss"].to_numpy() == pytest.approx(plain["loss"].to_numpy(), rel=1e-3)
