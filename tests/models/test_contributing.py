"""The objective on pairs that CONTRIBUTING shows is short, and trains like our own."""

import re
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import torch

from dis_bench.runners.training.loop import train
from tests.models.cells import prepare_cell, train_cell

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def sparsevae(tmp_path):
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE, flags=re.M)
    [block] = [textwrap.dedent(one).strip() for one in blocks if "class SparseVAE" in one]
    assert len(block.splitlines()) < 30
    (tmp_path / "sparse.py").write_text(block, encoding="utf-8")
    return f"{tmp_path / 'sparse.py'}:SparseVAE"


def test_an_objective_on_pairs_trains(sparsevae, tmp_path):
    train_cell(sparsevae, tmp_path, steps=60, lr=1e-2, gamma=2.0)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["loss"].tail(5).mean() < log["loss"][0]


def test_an_objective_on_pairs_without_its_penalty_is_the_vae(sparsevae):
    ours, vae = prepare_cell(sparsevae, gamma=0.0), prepare_cell("vae")
    images, noise = torch.rand(4, 1, 64, 64), torch.randn(4, 4)
    batch = {"images": images, "noise": noise, "progress": torch.zeros(())}
    assert torch.equal(*(one.model.step(one.networks, batch).losses["autoencoder"] for one in (ours, vae)))


def test_an_objective_on_pairs_can_be_stacked(sparsevae, tmp_path):
    stack = [prepare_cell(sparsevae, seed=seed, gamma=1.0 + seed) for seed in (0, 1)]
    logs = [tmp_path / f"{number}.csv" for number in range(2)]
    assert train(stack, logs=logs, watch=lambda *_: None).failures == [None, None]
    train_cell(sparsevae, tmp_path, seed=1, gamma=2.0)
    alone = pd.read_csv(tmp_path / "log.csv")
    pd.testing.assert_frame_equal(pd.read_csv(logs[1]), alone, rtol=1e-4, atol=1e-4)
