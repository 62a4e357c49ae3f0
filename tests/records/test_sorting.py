"""Values sort as people read them: numbers by size, also inside texts, and kinds apart."""

import random

import pytest

from dis_bench.records.sorting import sort_key

ORDERED = [
    [False, True, -1.5, 0, 2, 2.5, 10, "a", None],
    ["beta1", "beta4", "beta10"],
    ["layer2-5", "layer2-20", "layer10-1"],
    [-(10**400), float("-inf"), 0, 10**30, float("inf")][1:],
    ["9" * 5000, "a"],
    ["10 nodes", "[1]", [1, 5], [1, 20], None],
]


@pytest.mark.parametrize("values", ORDERED)
def test_order(values):
    shuffled = random.Random(0).sample(values, len(values))
    assert sorted(shuffled, key=sort_key) == values


def test_equal_numbers_of_two_kinds_do_not_read_as_one_truth_value():
    assert sort_key(1) == sort_key(1.0)
    assert sort_key(True) != sort_key(1)
    assert sort_key("1") != sort_key(1)
