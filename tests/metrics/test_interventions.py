"""Draws of rows that share a factor's value."""

from __future__ import annotations

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, interventions
from dis_bench.metrics.interventions import chunks, draw_points, sharing_rows

# Code 0 repeats the factor, code 1 numbers the rows. Value 3 occurs once.
FACTOR = np.repeat([2, 0, 1, 2, 3], [20, 2, 3, 20, 1])
CODES = np.stack([FACTOR, np.arange(len(FACTOR))], axis=1).astype(float)


@pytest.fixture
def sharing():
    return sharing_rows(Representation(CODES, FACTOR[:, None], seed=None), 0)


def test_rows_of_one_value_lie_side_by_side(sharing):
    assert sharing.codes[:, 0].tolist() == [0] * 2 + [1] * 3 + [2] * 40
    assert sharing.starts.tolist() == [0] * 2 + [2] * 3 + [5] * 40
    assert sharing.counts.tolist() == [2] * 2 + [3] * 3 + [40] * 40


def test_pairs_share_the_value_and_are_two_rows(sharing):
    first, second = (
        sharing.codes[rows, :] for rows in sharing.draw_pairs(2_000, 2, np.random.default_rng(0))
    )
    assert (first[..., 0] == second[..., 0]).all()
    assert (first[..., 1] != second[..., 1]).all()
    seen = {(a, b) for a, b in zip(first[..., 1].flat, second[..., 1].flat, strict=True)}
    assert len(seen) > 0.85 * (2 * 1 + 3 * 2 + 40 * 39)
    # The first row is uniform over the 45 rows that have a partner: 2 of them have value 0.
    assert np.mean(first[..., 0] == 0) == pytest.approx(2 / 45, abs=0.015)


def test_groups_share_one_value_and_reach_every_row_of_it(sharing):
    rows = sharing.draw_groups(3_000, 7, np.random.default_rng(0))
    groups = sharing.codes[rows]
    assert rows.shape == (3_000, 7)
    assert (groups[..., 0] == groups[:, :1, 0]).all()
    assert set(rows.flat) == set(range(45))
    assert np.mean(groups[:, 0, 0] == 0) == pytest.approx(2 / 45, abs=0.015)
    within = np.bincount(rows[groups[:, 0, 0] == 1].ravel() - 2)
    assert within / within.sum() == pytest.approx([1 / 3] * 3, abs=0.05)


def test_points_are_drawn_for_every_factor_alike():
    factors = np.stack([FACTOR, np.arange(len(FACTOR)) % 3], axis=1)
    table = Representation(CODES, factors, seed=None)

    def held_code(sharing, points, rng):
        return np.tile(sharing.counts.max(), (points, 2))

    features, shared = draw_points(table, 4_000, held_code, np.random.default_rng(0))
    assert np.bincount(shared) / 4_000 == pytest.approx([0.5, 0.5], abs=0.03)
    assert (features[shared == 0] == 40).all()  # the factor's own rows were given
    assert (features[shared == 1] == 16).all()


def test_chunks_cover_all_points_whatever_the_memory(monkeypatch):
    for size in (1, 100, 10_000):
        monkeypatch.setattr(interventions, "CHUNK", size)
        assert np.concatenate([np.arange(50)[some] for some in chunks(50, 30)]).tolist() == list(range(50))
    assert len(list(chunks(50, 5_000))) == 25


def test_refuses_values_that_occur_once_each():
    factors = np.stack([np.arange(50) % 5, np.arange(50)], axis=1)
    with pytest.raises(InputError, match="the values of factor 1 occur once each"):
        sharing_rows(Representation(factors.astype(float), factors), 1)
