"""Training lowers the loss, is decided by its seed, logs what it says, and stops where the loss breaks."""

import math

import pandas as pd
import pytest
import torch

from dis_bench.models import build_model
from dis_bench.nn import compiled
from dis_bench.runners.training import loop
from dis_bench.runners.training.loop import TrainingDiverged, train
from tests.tiny import Diverging, Tiny


def run(tmp_path, model="betavae", steps=30, seed=0, precision="fp32", **hyperparameters):
    objective, networks = build_model(model, seed=seed, **hyperparameters)
    seen = []
    log = tmp_path / f"training-{len(list(tmp_path.iterdir()))}.csv"
    train(
        objective,
        networks,
        Tiny(),
        steps=steps,
        batch_size=16,
        lr=1e-3,
        seed=seed,
        precision=precision,
        log=log,
        watch=seen.append,
    )
    return networks, pd.read_csv(log), seen


def test_the_loss_falls_and_the_log_adds_up(tmp_path):
    networks, log, seen = run(tmp_path, steps=40, beta=4.0)
    assert [progress.step for progress in seen] == list(range(1, 41))
    assert seen[-1].loss < 0.5 * seen[0].loss
    assert log["step"].tolist() == list(range(1, 41))
    # Columns hold six significant digits.
    assert log["loss"].to_numpy() == pytest.approx(
        (log["reconstruction"] + 4 * log["kl"]).to_numpy(), rel=1e-5
    )
    assert log["weighted_kl"].to_numpy() == pytest.approx(4 * log["kl"].to_numpy(), rel=1e-2, abs=1e-2)
    assert log.filter(regex=r"kl_\d").sum(axis=1).to_numpy() == pytest.approx(log["kl"].to_numpy(), rel=1e-4)
    assert not networks.training


def test_rows_of_the_log_are_means_over_the_steps_between(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_ROWS", 4)
    _, log, seen = run(tmp_path, steps=13)  # every fourth step, and the last
    assert log["step"].tolist() == [4, 8, 12, 13]
    assert log["loss"][1] == pytest.approx(sum(progress.loss for progress in seen[4:8]) / 4, rel=1e-5)
    assert log["loss"][3] == pytest.approx(seen[12].loss, rel=1e-5)


def test_the_seed_decides_everything(tmp_path):
    one, other, third = (run(tmp_path, steps=5, seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], third[name]) for name in one)


def test_a_loss_that_breaks_stops_with_the_place(tmp_path):
    objective = Diverging(beta=6.0)
    _, networks = build_model("betavae")
    log = tmp_path / "training.csv"
    with pytest.raises(TrainingDiverged, match="not finite at step 1: loss = nan"):
        train(
            objective,
            networks,
            Tiny(),
            steps=3,
            batch_size=4,
            lr=1e-3,
            seed=0,
            precision="fp32",
            log=log,
            watch=lambda _: None,
        )
    assert pd.read_csv(log).empty


def test_the_place_names_the_term(tmp_path):
    objective, networks = build_model("betavae")
    with torch.no_grad():
        networks.encoder[-1].bias[12] = math.inf  # the log-variance of latent 2
    with pytest.raises(TrainingDiverged, match="KL of latent 2 = "):
        train(
            objective,
            networks,
            Tiny(),
            steps=1,
            batch_size=4,
            lr=1e-3,
            seed=0,
            precision="fp32",
            log=tmp_path / "log.csv",
            watch=lambda _: None,
        )


SQUARED = """
from dis_bench.models.model import Model

class Squared(Model):
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
