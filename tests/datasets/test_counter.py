"""Random numbers of an index: those of splitmix64, uniform, and the same in every batch."""

import numpy as np
import torch

from dis_bench.datasets.counter import draw_bytes
from dis_bench.datasets.holdout import hash_indices

MASK = (1 << 64) - 1


def splitmix(state):
    """Compute the next output of splitmix64 after a state, as published, in Python's integers."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    mixed = state
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = ((mixed ^ (mixed >> shift)) * factor) & MASK
    return state, mixed ^ (mixed >> 31)


def test_bytes_are_those_of_splitmix64():
    indices = [0, 1, 737_279, 2**40]
    drawn = draw_bytes(torch.tensor(indices), 32, key=5).numpy()
    for index, row in zip(indices, drawn, strict=True):
        # A seed is the output after a state; of key 0, that is the hash which holdouts use, one step on.
        _, state = splitmix((index * 0x9E3779B97F4A7C15 + 5 - 0x9E3779B97F4A7C15) & MASK)
        expected = []
        for _ in range(4):
            state, word = splitmix(state)
            expected.append(word)
        assert row.view("<u8").tolist() == expected


def test_the_mixing_is_that_of_holdouts():
    _, word = splitmix(12345)
    assert hash_indices(np.array([12345])).tolist() == [word]


def test_bytes_are_uniform_and_depend_on_index_and_key_alone():
    indices = torch.arange(20_000)
    drawn = draw_bytes(indices, 8, key=1)
    counts = np.bincount(drawn.numpy().ravel(), minlength=256)
    expected = drawn.numel() / 256
    assert ((counts - expected) ** 2 / expected).sum() < 330  # chi-square of 255: above in one of 1,000 cases
    assert torch.equal(drawn[[7, 3]], draw_bytes(torch.tensor([7, 3]), 8, key=1))
    other = draw_bytes(indices, 8, key=2)
    assert np.abs(np.corrcoef(drawn.numpy().ravel(), other.numpy().ravel())[0, 1]) < 0.01
    assert np.abs(np.corrcoef(drawn[1:, 0].numpy(), drawn[:-1, 0].numpy())[0, 1]) < 0.03
    assert draw_bytes(indices[:0], 8, key=1).shape == (0, 8)
