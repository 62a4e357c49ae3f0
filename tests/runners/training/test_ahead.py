"""Batches are uniform, depend only on the seed, and are the same if drawn ahead with others."""

import math

import numpy as np
import torch

from dis_bench.models import build_model
from dis_bench.models.draws import Draws
from dis_bench.runners.training.ahead import draw_ahead, drawing, split_steps
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
    means = torch.cat([Tiny().images(draws.images()).float() for _ in range(20)]).mean(0)
    expected = Tiny().images(torch.arange(256)).float().mean(0)
    # 5,120 draws: the mean of a pixel strays by at most 5 standard errors.
    assert (means - expected).abs().max() < 5 * 0.5 / math.sqrt(5120)


def test_draws_are_those_of_plain_generators():
    draws = Draws(1000, 7, 3, seed=5)
    batches, noise = np.random.default_rng(5), torch.Generator().manual_seed(5)
    for _ in range(3):
        np.testing.assert_array_equal(draws.images(), batches.integers(0, 1000, size=7))
        assert torch.equal(draws.gaussian(3), torch.randn(7, 3, generator=noise))


def test_orders_shuffle_each_column_by_itself():
    orders = Draws(1000, 50, 3, seed=5).orders(4)
    assert torch.equal(orders.sort(0).values, torch.arange(50)[:, None].expand(50, 4))
    assert len({tuple(column.tolist()) for column in orders.T}) == 4


def test_uniform_numbers_fill_their_range():
    numbers = Draws(1000, 500, 3, seed=5).uniform(3)
    assert numbers.shape == (500, 3)
    assert -1 <= numbers.min() < -0.99 < 0.99 < numbers.max() < 1


def test_generators_go_on_from_a_state_that_was_kept():
    draws = Draws(1000, 7, 3, seed=5)
    draws.images(), draws.gaussian(3)
    state = draws.state()
    expected = draws.images(), draws.gaussian(3), draws.orders(2)
    other = Draws(1000, 7, 3, seed=6)
    other.restore(state)
    again = other.images(), other.gaussian(3), other.orders(2)
    assert all(torch.equal(*pair) for pair in zip(expected, again, strict=True))


def test_drawn_ahead_each_cell_has_what_it_draws_alone():
    def drawing_of(seed):
        draws = Draws(1000, 5, 3, seed)
        return lambda: {"images": draws.images(), "noise": draws.gaussian(3)}

    spans = list(draw_ahead([drawing_of(seed) for seed in (0, 1, 7)], [4, 1, 2], "cpu"))
    assert [tuple(span["images"].shape) for span in spans] == [(4, 3, 5), (1, 3, 5), (2, 3, 5)]
    indices, noise = (torch.cat([span[name] for span in spans]) for name in ("images", "noise"))
    for number, seed in enumerate((0, 1, 7)):
        alone = Draws(1000, 5, 3, seed)
        for step in range(7):
            assert torch.equal(indices[step, number], alone.images())
            assert torch.equal(noise[step, number], alone.gaussian(3))


def test_spans_end_where_rows_are_due_and_fit_into_memory():
    spans = list(split_steps(0, 260, every=120, step_bytes=10_000))
    assert np.cumsum(spans).tolist() == [50, 100, 120, 170, 220, 240, 260]
    assert list(split_steps(100, 260, every=120, step_bytes=10_000)) == [20, 50, 50, 20, 20]
    # 64 MiB hold 7 steps of 3,000 cells: 64 images with 48 bytes each.
    assert max(split_steps(0, 100, 100, step_bytes=3000 * 64 * 48)) == 7
    assert set(split_steps(0, 5, 100, step_bytes=10**9)) == {1}


def test_runs_end_at_each_pause():
    runs = [*split_steps(5, 60, every=20, step_bytes=1, most=50, pauses=[3, 5, 7, 41, 60])]
    ends = np.cumsum([5, *runs])[1:].tolist()
    assert ends == [7, 20, 40, 41, 60]
