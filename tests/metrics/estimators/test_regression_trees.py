"""The trees of boosting, one by one, against scikit-learn's DecisionTreeRegressor."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from dis_bench.metrics.estimators import regression_trees
from dis_bench.metrics.estimators.regression_trees import (
    LEAF,
    Trees,
    add_trees,
    allocate_trees,
    cut_into_bins,
    grow_trees,
    sum_in_bins,
)


def draw(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes float32 [5, rows], from continuous to constant, and residuals [3, rows] in (-1, 1)."""
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((5, rows))
    codes[1] = np.round(3 * codes[1])
    codes[2] = np.exp(5 * codes[2])
    codes[3] *= 1e-6  # many neighbours are too close to be split apart
    codes[4] = 0.1
    return codes.astype(np.float32), np.tanh(rng.standard_normal((3, rows)) + codes[0])


def grow(codes: np.ndarray, residuals: np.ndarray, depth: int = 3, seed: int = 0) -> Trees:
    trees = allocate_trees(len(residuals), depth)
    orders = np.tile(np.arange(len(codes)), (*trees.code.shape, 1))
    orders = np.random.default_rng(seed).permuted(orders, axis=-1)
    bins = cut_into_bins(codes)
    grow_trees(trees, residuals, bins, sum_in_bins(residuals, bins), orders)
    return trees


def split_of_sklearn(codes: np.ndarray, residuals: np.ndarray, depth: int) -> Trees:
    """Return the splits of scikit-learn's tree, with our node numbers and no leaf values."""
    sklearn_tree = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(codes.T, residuals).tree_
    errors = sklearn_tree.impurity * sklearn_tree.weighted_n_node_samples
    trees = allocate_trees(1, depth)
    trees.code[:] = LEAF
    numbers = {0: 0}  # theirs to ours: theirs are parents before children, too
    for node in range(sklearn_tree.node_count):
        left, right = sklearn_tree.children_left[node], sklearn_tree.children_right[node]
        if left != right:
            ours = numbers[node]
            numbers[left], numbers[right] = 2 * ours + 1, 2 * ours + 2
            trees.code[0, ours] = sklearn_tree.feature[node]
            trees.threshold[0, ours] = sklearn_tree.threshold[node]
            trees.gain[0, ours] = errors[node] - errors[left] - errors[right]
    return trees


@pytest.mark.parametrize("rows", [2, 3, 10, 200, 3000])
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_splits_are_those_of_sklearn(rows, depth):
    codes, residuals = draw(rows)
    # At most one code can split few rows apart in the same way as another one: leave out the others.
    codes = codes if rows >= 200 and depth <= 3 else codes[:1]
    ours = grow(codes, residuals, depth)
    for t in range(len(residuals)):
        theirs = split_of_sklearn(codes, residuals[t], depth)
        split = theirs.code[0] != LEAF
        np.testing.assert_array_equal(ours.code[t], theirs.code[0])
        np.testing.assert_array_equal(ours.threshold[t, split], theirs.threshold[0, split])
        np.testing.assert_allclose(ours.gain[t, split], theirs.gain[0, split], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("bins", [0, 0.1, 0.5, 5, 1000])
def test_number_of_bins_changes_nothing(bins, monkeypatch):
    codes, residuals = draw(2000)
    usual = grow(codes, residuals)
    monkeypatch.setattr(regression_trees, "BINS", bins)
    other = grow(codes, residuals)
    assert len(cut_into_bins(codes[:1]).start) == pytest.approx(min(1 + bins * 2000**0.5, 2000), rel=0.1)
    np.testing.assert_array_equal(other.code, usual.code)
    np.testing.assert_array_equal(other.threshold, usual.threshold)
    np.testing.assert_allclose(other.gain, usual.gain, rtol=1e-9)


def test_leaf_values_are_newton_steps():
    # Probabilities 1/2 and 1/4, one target met on each side of the split: both steps by hand.
    codes = np.array([[0, 0, 1, 1]], np.float32)
    trees = grow(codes, np.array([[-0.5, -0.5, 0.75, -0.25]]), depth=1)
    assert trees.code[0, 0] == 0
    assert trees.threshold[0, 0] == 0.5
    assert trees.gain[0, 0] == pytest.approx(0.75**2)  # n_l n_r / n times the squared difference of means
    scores = np.zeros((1, 3))
    add_trees(scores, trees, np.array([[0.5, 0.6, -9]], np.float32))
    np.testing.assert_allclose(scores, [[-2, 0.5 / 0.375, -2]])


def test_pure_nodes_and_equal_codes_are_not_split():
    codes = np.array([[0.5, 0.5 + 6e-8, 0.5, 0.5]], np.float32)
    assert grow(codes, np.array([[0.1, 0.9, -0.3, 0.4]])).code.max() == LEAF
    assert grow(np.arange(4, dtype=np.float32)[None], np.full((1, 4), 0.7)).code.max() == LEAF


def test_ties_go_to_each_code_in_turn():
    codes, residuals = draw(100)
    twins = np.repeat(codes[:1], 4, axis=0)
    chosen = [grow(twins, residuals[:1], depth=1, seed=seed).code[0, 0] for seed in range(400)]
    counts = np.bincount(chosen, minlength=4)
    assert counts.min() > 60  # 100 expected, standard deviation 9


def test_bins_hold_each_row_once_and_ascend():
    codes, _ = draw(2000)
    bins = cut_into_bins(codes)
    assert bins.bin_of.shape == (2000, 5)
    for d in range(5):
        start, stop = (bound[bins.first[d] : bins.first[d + 1]] for bound in (bins.start, bins.stop))
        assert (start[0], stop[-1]) == (0, 2000)
        np.testing.assert_array_equal(start[1:], stop[:-1])
        in_order = bins.bin_of[bins.sorted_rows[d], d]
        np.testing.assert_array_equal(np.diff(in_order) >= 0, True)
        np.testing.assert_array_equal(np.bincount(in_order)[bins.first[d] :], stop - start)
    assert bins.first[5] - bins.first[4] == 1  # the constant code
    assert not bins.divisible[bins.first[4]]
    assert not bins.divisible[bins.first[1] : bins.first[2]].any()  # a bin per value


def test_sums_are_those_of_the_rows_in_each_bin():
    codes, residuals = draw(200)
    bins = cut_into_bins(codes)
    sums = sum_in_bins(residuals, bins)
    for d in range(len(codes)):
        for b in range(bins.first[d], bins.first[d + 1]):
            rows = bins.sorted_rows[d, bins.start[b] : bins.stop[b]]
            np.testing.assert_allclose(sums[0, b], residuals[:, rows].clip(min=0).sum(axis=1))
            np.testing.assert_allclose(sums[1, b], residuals[:, rows].clip(max=0).sum(axis=1))
