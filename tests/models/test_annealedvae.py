"""AnnealedVAE: the KL of the batch is held at a capacity that grows."""

import pandas as pd
import pytest
import torch

from dis_bench.models.autoencoder import gaussian_kl
from tests.models.cells import train_cell
from tests.models.reference import KL, LOGVAR, MEAN, TOLERANCE, loss_of, terms


@pytest.mark.parametrize(
    ("capacity", "expected"), [(0.0, 922.0280145), (1.0, 77.9719855), (5.0, 4077.9719855)]
)
def test_the_loss_is_the_distance_from_the_capacity(capacity, expected):
    loss = loss_of("annealedvae", terms(), capacity=capacity, gamma=1000.0)
    assert loss == pytest.approx(expected, rel=0, abs=1e-7)  # seven decimals are given


def test_without_a_capacity_it_is_the_betavae_of_its_gamma():
    of = terms(reconstruction=3.0)
    assert loss_of("annealedvae", of, capacity=0.0, gamma=7.0) == loss_of("betavae", of, beta=7.0)


def test_at_the_capacity_or_without_a_weight_it_is_the_reconstruction():
    of = terms(reconstruction=3.0)
    assert loss_of("annealedvae", of, capacity=KL, gamma=1.0) == pytest.approx(3.0, **TOLERANCE)
    assert loss_of("annealedvae", of, capacity=50.0, gamma=0.0) == 3.0


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 0.0), (0.1, 10.0), (0.2, 20.0), (1.0, 20.0)])
def test_the_capacity_grows_from_zero_for_a_share_of_training(progress, expected):
    loss = loss_of("annealedvae", terms(progress=progress), capacity=20.0, share=0.2, gamma=1.0)
    assert loss == pytest.approx(abs(KL - expected), **TOLERANCE)


def test_the_distance_is_that_of_the_batch_and_not_of_single_images():
    mean = torch.tensor([[0.0], [4.0]], dtype=torch.float64)
    of = terms(mean, torch.zeros_like(mean), mean)  # KLs of 0 and 8
    assert loss_of("annealedvae", of, capacity=4.0, gamma=1.0) == 0.0


KLS = gaussian_kl(MEAN, LOGVAR).sum(1)  # of single images


@pytest.mark.parametrize(
    ("capacity", "equal"), [(0.5 * KLS.min(), True), (1.5 * KLS.max(), True), (KLS.median(), False)]
)
def test_it_is_the_mean_distance_of_images_that_are_all_on_one_side_of_the_capacity(capacity, equal):
    loss = loss_of("annealedvae", terms(), capacity=capacity.item(), gamma=1.0)
    distance = (KLS - capacity).abs().mean().item()
    assert (loss == pytest.approx(distance, **TOLERANCE)) == equal
    assert loss <= distance + 1e-12


def test_a_capacity_is_reached(tmp_path):
    train_cell("annealedvae", tmp_path, steps=150, capacity=3.0, gamma=100.0)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["kl"].tail(20).mean() == pytest.approx(3.0, abs=0.3)
