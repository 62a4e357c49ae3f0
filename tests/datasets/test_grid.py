"""Indices and factor classes: row-major, both ways, in numpy and torch, in range."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError


def grid_of(*sizes):
    return FactorGrid([Factor(f"f{i}", size, tuple(range(size)), "ordinal") for i, size in enumerate(sizes)])


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5), data=st.data())
def test_round_trip_agrees_with_numpy(sizes, data):
    grid = grid_of(*sizes)
    indices = data.draw(st.lists(st.integers(0, len(grid) - 1), max_size=20))
    expected = np.stack(np.unravel_index(np.array(indices, int), sizes), 1)

    factors = grid.factors(np.array(indices, np.int32))
    assert factors.dtype == np.int64
    assert (factors == expected).all()
    assert grid.indices(factors).tolist() == indices

    tensor = grid.factors(torch.tensor(indices, dtype=torch.int64))
    assert tensor.dtype == torch.int64
    assert (tensor.numpy() == expected).all()
    assert grid.indices(tensor).tolist() == indices


def test_last_factor_is_fastest():
    grid = grid_of(2, 3)
    assert len(grid) == 6
    assert grid.factors([0, 1, 3]).tolist() == [[0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([6], "indices must be from 0 to 5, but 6 to 6 were given."),
        ([2, -1], "indices must be from 0 to 5, but -1 to 2 were given."),
        ([0.5], "indices must be integers, but"),
        ([True], "indices must be integers, but"),
        ([[1]], "indices must have one axis [B], but shape [1, 1] was given."),
    ],
)
def test_bad_indices_are_refused(make, indices, message):
    with pytest.raises(InputError) as error:
        grid_of(2, 3).factors(make(indices))
    assert message in str(error.value)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[0, 0], [1, 3]], "factor 'f1' must be from 0 to 2, but 3 was given in row 1."),
        ([[-1, 0]], "factor 'f0' must be from 0 to 1, but -1 was given in row 0."),
        ([[0, 0, 0]], "factors must have shape [B, 2] (f0, f1), but shape [1, 3] was given."),
        ([[0.0, 1.0]], "factors must be integers, but"),
    ],
)
def test_bad_factors_are_refused(make, factors, message):
    with pytest.raises(InputError) as error:
        grid_of(2, 3).indices(make(factors))
    assert message in str(error.value)


def test_factors_are_checked():
    with pytest.raises(InputError, match="did you mean 'ordinal'"):
        Factor("x", 2, (0, 1), "ordinl")
    with pytest.raises(InputError, match="has size 3 and 2 values"):
        Factor("x", 3, (0, 1), "ordinal")
    for name in ("a\tb", "a\nb", "a\u00a0b", "\u202eab", "\x1b[31ma", "a" * 1_001, 5):
        with pytest.raises(
            InputError, match="the name of a factor must be one line of text, of at most 1,000"
        ):
            Factor(name, 2, (0, 1), "ordinal")
    with pytest.raises(InputError, match="different names"):
        FactorGrid([Factor("x", 1, (0,), "ordinal"), Factor("x", 1, (0,), "ordinal")])


def test_spaced_values_include_both_ends():
    assert Factor.spaced("x", 3, -1, 1).values == (-1.0, 0.0, 1.0)


def test_values_in_another_order_than_the_grid_are_found():
    grid = FactorGrid([Factor.spaced("a", 2, 0, 1), Factor.spaced("b", 3, 0, 2)])
    values = np.array([(a, b) for a in (-1.5, 0.5) for b in (10, 20, 30)])
    assert grid.find_other(values) is None
    values[:2, 1] = [20, 10]
    assert grid.find_other(values) == "b"
