"""Batches are uniform, decided by the seed, and the same drawn alone or ahead beside others."""

import math

import numpy as np
import torch

from dis_bench.models import build_model
from dis_bench.runners.training.draws import Draws, draw_ahead, drawing, split_steps
from tests.tiny import Tiny


def test_a_loss_draws_from_the_cells_seed_and_the_callers_stream_goes_on():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    first = torch.rand(1)
    with drawing(7, torch.device("cpu")):
        inside = torch.rand(3)
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)
    assert torch.equal(inside, torch.rand(3, generator=torch.Generator().manual_seed(7)))


def test_a_cpu_leaves_the_streams_of_gpus_alone(monkeypatch):
    seeded = []
    for name in ("manual_seed", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, seeded.append)
    with drawing(7, torch.device("cpu")):
        pass
    build_model("vae", seed=3)
    assert seeded == []


def test_batches_are_uniform_over_the_grid():
    draws = Draws(256, 256, 10, seed=0)
    means = torch.cat([Tiny().images(draws.next()[0]).float() for _ in range(20)]).mean(0)
    expected = Tiny().images(torch.arange(256)).float().mean(0)
    # 5,120 draws: the mean of a pixel strays by at most 5 standard errors.
    assert (means - expected).abs().max() < 5 * 0.5 / math.sqrt(5120)


def test_draws_are_those_of_plain_generators():
    draws = Draws(1000, 7, 3, seed=5)
    batches, noise = np.random.default_rng(5), torch.Generator().manual_seed(5)
    for _ in range(3):
        indices, sample = draws.next()
        np.testing.assert_array_equal(indices, batches.integers(0, 1000, size=7))
        assert torch.equal(sample, torch.randn(7, 3, generator=noise))


def test_drawn_ahead_each_cell_has_what_it_draws_alone():
    cells = [Draws(1000, 5, 3, seed) for seed in (0, 1, 7)]
    spans = list(draw_ahead(cells, [4, 1, 2], "cpu"))
    assert [tuple(indices.shape) for indices, _ in spans] == [(4, 3, 5), (1, 3, 5), (2, 3, 5)]
    indices, noise = (torch.cat(parts) for parts in zip(*spans, strict=True))
    for number, seed in enumerate((0, 1, 7)):
        alone = Draws(1000, 5, 3, seed)
        for step in range(7):
            expected = alone.next()
            assert torch.equal(indices[step, number], expected[0])
            assert torch.equal(noise[step, number], expected[1])


def test_spans_end_where_rows_are_due_and_fit_into_memory():
    spans = list(split_steps(260, every=120, cells=3, batch_size=64, latent_size=10))
    assert np.cumsum(spans).tolist() == [50, 100, 120, 170, 220, 240, 260]
    # 64 MiB hold 7 steps of 3,000 cells: 64 images with 48 bytes each.
    assert max(split_steps(100, 100, cells=3000, batch_size=64, latent_size=10)) == 7
    assert set(split_steps(5, 100, cells=10**6, batch_size=64, latent_size=10)) == {1}
