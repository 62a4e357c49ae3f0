"""Images that are held out are not trained on; measuring them through training changes nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from dis_bench.runners.scoring.evaluation import evaluate_others
from dis_bench.runners.training import heldout, loop
from dis_bench.runners.training import trainee as module
from dis_bench.runners.training.image_losses import measure_images
from dis_bench.runners.training.loop import train
from dis_bench.runners.training.steps import Training
from tests.runners.training.test_checkpoints import train_until
from tests.runners.training.test_loop import train_alone, trainee

MEASURED = ["heldout_reconstruction", "heldout_mse", "heldout_kl", "heldout_elbo"]


def holding_out(share=0.25, **options):
    one = trainee(**options)
    return replace(one, cell=replace(one.cell, holdout=share))


def test_no_step_has_an_image_that_is_held_out(tmp_path, monkeypatch):
    seen = []

    def lay_out(self, drawn, original=Training._lay_out):
        seen.append(drawn["images"])
        original(self, drawn)

    monkeypatch.setattr(Training, "_lay_out", lay_out)
    one = holding_out(model="factorvae", steps=12)
    train_alone(one, tmp_path / "log.csv")
    drawn = torch.cat(seen).flatten().numpy()
    assert len(drawn) == 12 * 2 * 16  # two batches a step
    assert one.holdout.keeps(drawn).all()


def test_what_is_fitted_is_fitted_on_the_other_images_alone():
    one = holding_out(model="pca")
    drawn = []
    one.dataset.images = lambda indices: drawn.append(indices) or torch.zeros(len(indices), 1, 64, 64)
    assert len(one.images(10_000)) == 256 - one.holdout.size
    [indices] = drawn
    assert one.holdout.keeps(indices.numpy()).all()
    assert len(set(indices.tolist())) == len(indices)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.99])
def test_few_of_many_images_are_drawn_each_once_without_an_order_of_all(share, monkeypatch):
    one = holding_out(share, model="pca")
    drawn = []
    one.dataset.images = lambda indices: drawn.append(indices.numpy()) or torch.zeros(len(indices), 1, 64, 64)
    monkeypatch.setattr(module, "LARGEST_ORDER", 255)
    monkeypatch.setattr(torch, "randperm", None)
    kept = 256 - (one.holdout.size if share else 0)
    for count in (min(40, kept), 10_000, min(40, kept)):
        assert len(one.images(count)) == min(count, kept)
    assert np.array_equal(drawn[0], drawn[2])
    for indices in drawn:
        assert len({*indices.tolist()}) == len(indices)
        assert not share or one.holdout.keeps(indices).all()
    if not share:
        replace(one, cell=replace(one.cell, seed=one.cell.seed + 1)).images(40)
        assert not np.array_equal(drawn[3], drawn[0])


DRAWING = """
import torch
from dis_bench.models.betavae import BetaVAE

class Drawing(BetaVAE):
    name = "drawing"

    def loss(self, terms):
        return super().loss(terms) * (1 + torch.rand(()))
"""


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "drawing.py:Drawing"},
        {"network": "tutorial"},
        {"precision": "bf16"},
        {"model": "factorvae"},
    ],
    ids=["plain", "draws from torch's stream", "batch normalisation", "bf16", "two players"],
)
def test_measuring_them_changes_no_weight_and_no_other_column(options, tmp_path, monkeypatch):
    (tmp_path / "drawing.py").write_text(DRAWING, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    one = holding_out(steps=23, **options)
    train_alone(one, tmp_path / "with.csv")
    monkeypatch.setattr(loop, "HeldoutSample", lambda *_: None)
    other = holding_out(steps=23, **options)
    train_alone(other, tmp_path / "without.csv")
    own, others = one.networks.state_dict(), other.networks.state_dict()
    assert all(torch.equal(own[name], others[name]) for name in own)
    measured, plain = pd.read_csv(tmp_path / "with.csv"), pd.read_csv(tmp_path / "without.csv")
    assert [*measured] == [*plain, *MEASURED]
    pd.testing.assert_frame_equal(measured[[*plain]], plain, check_exact=True)


def test_every_tenth_row_and_the_last_have_them(tmp_path):
    one = holding_out(steps=23)
    train_alone(one, tmp_path / "log.csv")
    log = pd.read_csv(tmp_path / "log.csv")
    there = log[MEASURED].notna()
    assert log["step"][there.all(axis=1)].tolist() == [10, 20, 23]
    assert there.sum().sum() == 3 * 4
    last = log.iloc[-1]
    elbo = -(last["heldout_reconstruction"] + last["heldout_kl"])
    assert last["heldout_elbo"] == pytest.approx(elbo, rel=2e-5)  # columns hold six digits


def test_they_are_what_the_networks_make_of_held_out_images(tmp_path):
    one = holding_out(steps=10, network="tutorial")
    train_alone(one, tmp_path / "log.csv")
    indices = one.holdout.draw(heldout.FEWEST, heldout.SEED)
    assert one.holdout.contains(indices).all()
    noise = torch.randn(16, 10, generator=torch.Generator().manual_seed(heldout.SEED))
    with torch.no_grad():
        images = one.pixels(torch.from_numpy(indices))
        found = measure_images(one.model, one.networks, "bernoulli", images, noise)
    last = pd.read_csv(tmp_path / "log.csv").iloc[-1]
    assert last["heldout_reconstruction"] == pytest.approx(found["losses"][:, 0].mean().item(), rel=1e-4)
    assert last["heldout_mse"] == pytest.approx(found["losses"][:, 1].mean().item(), rel=1e-4)
    assert last["heldout_kl"] == pytest.approx(found["kl"].sum(1).mean().item(), rel=1e-4)


def test_cells_in_a_stack_measure_what_each_measures_alone(tmp_path):
    def cells():
        return [holding_out(steps=20, seed=seed, beta=beta) for seed, beta in ((0, 1.0), (1, 4.0))]

    for number, one in enumerate(cells()):
        train_alone(one, tmp_path / f"alone-{number}.csv")
    logs = [tmp_path / f"stack-{number}.csv" for number in range(2)]
    assert train(cells(), logs=logs, watch=lambda *_: None).failures == [None, None]
    for number in range(2):
        alone, stacked = (pd.read_csv(tmp_path / f"{how}-{number}.csv") for how in ("alone", "stack"))
        pd.testing.assert_frame_equal(stacked[MEASURED], alone[MEASURED], rtol=1e-2)  # after 20 steps


@pytest.mark.parametrize("step", [4, 10, 17])
def test_a_training_that_goes_on_has_the_rows_of_one_that_never_stopped(step, tmp_path):
    (tmp_path / "whole").mkdir()
    whole, halves = holding_out(steps=23), holding_out(steps=23)
    train_until([whole], None, tmp_path / "whole")
    states = train_until([halves], step, tmp_path)
    halves = holding_out(steps=23)
    train_until([halves], None, tmp_path, states)
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "whole" / "0.csv").read_bytes()
    own, others = whole.networks.state_dict(), halves.networks.state_dict()
    assert all(torch.equal(own[name], others[name]) for name in own)


def test_the_evaluation_is_of_all_that_are_held_out():
    one = holding_out()
    one.networks.eval()
    found = evaluate_others(one)["heldout"].measures
    assert [*found] == MEASURED
    indices = torch.from_numpy(np.flatnonzero(one.holdout.contains(np.arange(256))))
    with torch.no_grad():
        kl = measure_images(
            one.model, one.networks, "bernoulli", one.pixels(indices), torch.zeros(len(indices), 10)
        )["kl"]
    assert found["heldout_kl"] == pytest.approx(kl.sum(1).mean().item(), rel=1e-5)
    assert evaluate_others(trainee()) == {}


def test_a_model_without_a_posterior_has_no_kl_of_them():
    one = holding_out(model="pca")
    with torch.no_grad():
        one.model.fit(one.networks, one.images)
    assert [*evaluate_others(one)["heldout"].measures] == ["heldout_reconstruction", "heldout_mse"]


class Reusing:
    """A model that works in place, and gives its own buffers."""

    reconstructs = True
    buffer = torch.zeros(2, 3)

    def encode(self, networks, images):
        self.buffer.copy_(images.flatten(1)[:, :3])
        images.zero_()
        return self.buffer, None

    def decode(self, networks, codes):
        return codes.mul_(-1).repeat_interleave(2, 1).view(2, 1, 2, 3)


def test_what_a_model_changes_in_place_is_not_what_is_measured():
    images, noise = torch.rand(2, 1, 2, 3), torch.zeros(2, 3)
    before = images.clone()
    codes = before.flatten(1)[:, :3]
    found = measure_images(Reusing(), None, "gaussian", images, noise)
    assert torch.equal(images, before)
    assert torch.equal(found["codes"], codes)
    decoded = torch.sigmoid(-codes.repeat_interleave(2, 1).view(2, 1, 2, 3))
    mse = (decoded - before).square().flatten(1).mean(1).double()
    assert found["losses"][:, 1] == pytest.approx(mse)
