"""A holdout is a partition by index: exact, the same everywhere, nested, and of about the share asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dis_bench.datasets import holdout as holdouts
from dis_bench.datasets.holdout import Holdout, hash_indices
from dis_bench.models.draws import Draws

SHARES = st.floats(0.01, 0.99)
COUNTS = st.integers(1, 3_000)


def splitmix64(seed):
    """Compute the published generator's first output (Vigna's splitmix64.c), in Python integers."""
    mask = 2**64 - 1
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_the_hash_is_the_published_one():
    # The first output for seed 0 that other implementations of splitmix64 test against.
    assert hash_indices(np.array([0])).tolist() == [0xE220A8397B1DCDAF]
    indices = [0, 1, 2, 737_279, 2**31, 2**40, 2**63 - 1]
    assert hash_indices(np.array(indices)).tolist() == [splitmix64(index) for index in indices]


@given(COUNTS, SHARES)
def test_an_image_is_held_out_exactly_where_its_hash_is_below_the_share(count, share):
    held = {index for index in range(count) if splitmix64(index) < share * 2**64}
    found = Holdout(count, share)
    indices = np.arange(count)
    assert set(indices[found.contains(indices)].tolist()) == held
    assert set(indices[found.keeps(indices)].tolist()) == set(range(count)) - held
    assert found.size == len(held)


@given(COUNTS, COUNTS, SHARES, SHARES)
def test_larger_shares_and_datasets_hold_out_what_smaller_ones_do(count, other, share, more):
    small, large = sorted([count, other])
    indices = np.arange(small)
    less, rest = sorted([share, more])
    held = Holdout(small, less).contains(indices)
    assert (held <= Holdout(large, rest).contains(indices)).all()
    assert (held == Holdout(large, less).contains(indices)).all()


def test_about_the_share_is_held_out():
    for share in (0.01, 0.1, 0.5):
        count = 737_280
        spread = (count * share * (1 - share)) ** 0.5
        assert abs(Holdout(count, share).size - count * share) < 4 * spread


def test_a_dataset_too_large_for_a_table_is_split_alike(monkeypatch):
    indices = np.arange(5_000)
    table = Holdout(5_000, 0.3).keeps(indices)
    monkeypatch.setattr(holdouts, "LARGEST_TABLE", 10)
    monkeypatch.setattr(holdouts, "CHUNK", 7)
    assert (Holdout(5_000, 0.3).keeps(indices) == table).all()
    assert Holdout(5_000, 0.3).size == 5_000 - table.sum()


@given(COUNTS, SHARES, st.integers(0, 5))
def test_a_sample_is_of_held_out_images_each_once(count, share, seed):
    found = Holdout(count, share)
    if found.size:
        drawn = found.draw(50, seed)
        assert found.contains(drawn).all()
        assert len(set(drawn.tolist())) == len(drawn) == min(50, found.size)
        assert drawn.tolist() == found.draw(50, seed).tolist()


@given(st.integers(1, 400), SHARES, st.integers(0, 5), st.integers(1, 30))
def test_no_held_out_image_is_ever_drawn_to_train_on(count, share, seed, batch):
    found = Holdout(count, share)
    if found.size == count:
        return
    one, same = (Draws(count, batch, 3, seed, found.keeps) for _ in range(2))
    for rows in (1, 2, 1):
        drawn = one.images(rows)
        assert drawn.shape == (rows * batch,)
        assert found.keeps(drawn.numpy()).all()
        assert drawn.tolist() == same.images(rows).tolist()


def test_batches_are_uniform_over_the_images_kept():
    found = Holdout(40, 0.5)
    draws = Draws(40, 1_000, 3, 0, found.keeps)
    counts = sum(np.bincount(draws.images().numpy(), minlength=40) for _ in range(40))
    kept = counts[found.keeps(np.arange(40))]
    expected = 40_000 / len(kept)
    assert counts.sum() == kept.sum() == 40_000
    assert abs(kept - expected).max() < 5 * expected**0.5  # each is about Poisson


def test_without_a_holdout_batches_are_what_they_were():
    draws = Draws(737_280, 64, 10, 3)
    assert (draws.images().numpy() == np.random.default_rng(3).integers(0, 737_280, size=64)).all()


def test_draws_go_on_from_their_state():
    found = Holdout(300, 0.4)
    one, other = Draws(300, 8, 3, 0, found.keeps), Draws(300, 8, 3, 1, found.keeps)
    one.images()
    state = one.state()
    after = one.images(3)
    other.restore(state)
    assert other.images(3).tolist() == after.tolist()


@pytest.mark.parametrize("share", [2.0**-64, 1 - 2.0**-53])
def test_shares_at_the_ends_of_the_range_are_compared_exactly(share):
    assert Holdout(1_000, share).size == (0 if share < 0.5 else 1_000)
