"""Regression trees for boosting: scikit-learn's splits, for many residuals at once.

Pure nodes, equal codes, thresholds and leaf values are defined as in scikit-learn. A tie goes to the first of
the tied codes in a random order, drawn for every node, so that equally good codes share importance.

Three things make it fast. None of them approximates; only the rounding of sums differs.

- The codes never change, only the residuals do. Each code is sorted once and cut into a few hundred bins.
  The histogram of a node's residuals over the bins gives the gain of every split between two bins, and a
  bound on the gain of any split inside a bin. Only bins whose bound beats the best gain are searched row by
  row.
- A histogram is filled for the smaller child only; the larger child's is the parent's less the smaller's.
- All trees of a stage start from the same rows, so the histograms of their roots are filled in one pass.

All compiled code of the trees is in this file, because numba invalidates its cache per file.

References:
    J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 2001.
    scikit-learn, ``sklearn/tree/_tree.pyx``, ``_splitter.pyx``, ``_partitioner.pyx``, ``_criterion.pyx``.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit

from dis_bench.compiling import compiled
from dis_bench.metrics.estimators.tree_codes import SAME_CODE

Array: TypeAlias = np.ndarray

MAX_DEPTH = 7  # the nodes of a tree are numbered in 8 bits
LEAF = -1
PURE = np.finfo(np.float64).eps  # a node with at most this variance is a leaf (scikit-learn: EPSILON)
FLAT = 1e-150  # a leaf with at most this curvature has the value 0 (scikit-learn: _safe_divide)
BINS = 2  # bins per code over the square root of the rows; affects the time, not the result
TIE = 1 + 1e-12  # gains within this factor differ by rounding only


class Bins(NamedTuple):
    """The training codes, sorted and cut into bins that are numbered consecutively."""

    codes: Array  # [D, N] float32
    sorted_rows: Array  # [D, N] the rows by ascending code
    bin_of: Array  # [N, D]
    first: Array  # [D + 1] code d has the bins from first[d] up to first[d + 1]
    start: Array  # [bins] a bin holds the rows sorted_rows[d, start:stop]
    stop: Array  # [bins]
    divisible: Array  # [bins] whether a bin contains codes that can be separated


class Trees(NamedTuple):
    """The trees of one stage.

    Node v has the children 2v + 1, for codes up to its threshold, and 2v + 2.
    """

    code: Array  # [T, inner nodes] the code that is split, or LEAF
    threshold: Array  # [T, inner nodes]
    gain: Array  # [T, inner nodes] reduction in the sum of squared errors
    value: Array  # [T, nodes] the value that a leaf adds to the score of its rows


class _Node(NamedTuple):
    """A node to be split, with the inputs of the search for its split."""

    number: int
    size: float  # rows in the node
    total: float  # sum of their residuals
    histogram: Array  # [bins, 3] sum of the positive residuals, sum of the negative ones, rows
    trial_order: Array  # [D] the order in which the codes are tried
    residuals: Array  # [N] of all rows
    node_of: Array  # [N] the node that each row is in


class _Split(NamedTuple):
    """The split of a code between the sorted rows ``position - 1`` and ``position``."""

    gain: float
    code: int
    position: int
    left_size: float  # rows that go to the left


def cut_into_bins(codes: Array) -> Bins:
    """Sort each code `[D, N]`, and cut it into bins of similar size.

    Cuts are only between neighbours that can be separated.
    """
    n_codes, n_rows = codes.shape
    most_bins = 1 + int(BINS * n_rows**0.5)
    quantiles = np.arange(1, most_bins) * n_rows // most_bins
    sorted_rows = np.argsort(codes, axis=1, kind="stable").astype(np.uint32)
    bin_of = np.empty((n_rows, n_codes), np.uint32)
    first, start, stop, divisible = [0], [], [], []
    for d in range(n_codes):
        ascending = codes[d, sorted_rows[d]]
        cuts = 1 + np.flatnonzero(ascending[1:] > ascending[:-1] + SAME_CODE)
        if len(cuts) >= most_bins:
            cuts = np.unique(cuts[np.searchsorted(cuts, quantiles).clip(max=len(cuts) - 1)])
        start.append(np.r_[0, cuts])
        stop.append(np.r_[cuts, n_rows])
        divisible.append(ascending[stop[d] - 1] > ascending[start[d]] + SAME_CODE)
        bin_of[sorted_rows[d], d] = first[d] + np.repeat(np.arange(len(cuts) + 1), stop[d] - start[d])
        first.append(first[d] + len(cuts) + 1)
    per_bin = (np.concatenate(part) for part in (start, stop, divisible))
    return Bins(codes, sorted_rows, bin_of, np.array(first), *per_bin)


@compiled(nogil=True)
def sum_in_bins(residuals: Array, bins: Bins) -> Array:
    """Sum the positive and the negative residuals `[T, N]` in each bin `[2, bins, T]`.

    The sums are the histograms of the roots of all trees of a stage, which start from the same rows. Trees
    are innermost, so that they are added as vectors.
    """
    n_trees, n_rows = residuals.shape
    sums = np.zeros((2, len(bins.start), n_trees))
    positive, negative = np.empty(n_trees), np.empty(n_trees)
    for row in range(n_rows):
        for t in range(n_trees):
            positive[t] = max(residuals[t, row], 0.0)
            negative[t] = min(residuals[t, row], 0.0)
        for b in bins.bin_of[row]:
            for t in range(n_trees):
                sums[0, b, t] += positive[t]
                sums[1, b, t] += negative[t]
    return sums


def allocate_trees(n_trees: int, depth: int) -> Trees:
    """Allocate trees of the given depth."""
    inner, nodes = (n_trees, 2**depth - 1), (n_trees, 2 ** (depth + 1) - 1)
    return Trees(np.empty(inner, np.int64), np.empty(inner), np.empty(inner), np.empty(nodes))


@compiled(nogil=True)
def grow_trees(trees: Trees, residuals: Array, bins: Bins, sums: Array, trial_orders: Array) -> None:
    """Grow one tree on each row of the residuals `[T, N]`.

    Args:
        trees: overwritten with the trees.
        residuals: targets less probabilities, between -1 and 1.
        bins: the codes of the rows.
        sums: of the residuals in each bin, by :func:`sum_in_bins`.
        trial_orders: a permutation of the codes for each node that may be split `[T, inner nodes, D]`.
    """
    histograms = np.empty((trees.code.shape[1], len(bins.start), 3))
    node_of = np.empty(residuals.shape[1], np.uint8)
    for t in range(len(residuals)):
        for b in range(len(bins.start)):
            histograms[0, b, 0] = sums[0, b, t]
            histograms[0, b, 1] = sums[1, b, t]
            histograms[0, b, 2] = bins.stop[b] - bins.start[b]
        node_of[:] = 0
        _grow_tree(trees, t, residuals[t], node_of, histograms, bins, trial_orders[t])
        _set_leaves(trees.value[t], residuals[t], node_of)


@njit(nogil=True)
def _grow_tree(
    trees: Trees, t: int, residuals: Array, node_of: Array, histograms: Array, bins: Bins, trial_orders: Array
) -> None:
    """Split nodes, parents before children; ``node_of`` becomes the leaf of each row."""
    code, threshold, gain = trees.code[t], trees.threshold[t], trees.gain[t]
    inner_nodes = len(code)
    moments = np.zeros((2 * inner_nodes + 1, 3))
    _set_moments(moments[0], residuals)
    for node in range(inner_nodes):
        code[node] = LEAF
        size, total, squares = moments[node]
        if size < 2 or squares / size - (total / size) ** 2 <= PURE:
            continue
        here = _Node(node, size, total, histograms[node], trial_orders[node], residuals, node_of)
        split = _best_split(here, bins)
        if split.code == LEAF:
            continue
        code[node], gain[node] = split.code, split.gain
        threshold[node] = _halfway(here, bins, split)
        _send_down(node, bins.codes[split.code], threshold[node], node_of)
        left, right = 2 * node + 1, 2 * node + 2
        if right < inner_nodes:
            small, large = (left, right) if 2 * split.left_size < size else (right, left)
            _fill_histogram(histograms[small], moments[small], small, residuals, node_of, bins)
            np.subtract(histograms[node], histograms[small], histograms[large])
            np.subtract(moments[node], moments[small], moments[large])


@njit(nogil=True)
def _best_split(node: _Node, bins: Bins) -> _Split:
    """Find the split of highest gain; its code is LEAF if there is none.

    The first of tied splits in trial order wins.
    """
    best = _Split(-1.0, LEAF, 0, 0.0)
    worth = _highest_gain_between_bins(node, bins) / TIE  # bins with a lower bound need not be searched
    for d in node.trial_order:
        left, total = 0.0, 0.0
        for b in range(bins.first[d], bins.first[d + 1]):
            if 0 < left < node.size:
                best = _better(best, _Split(_gain(node, left, total), d, bins.start[b], left))
            if bins.divisible[b] and _bound_inside(node, b, left, total) > worth:
                best = _best_split_inside(node, bins, d, b, left, total, best)
                worth = max(worth, best.gain / TIE)
            left += node.histogram[b, 2]
            total += node.histogram[b, 0] + node.histogram[b, 1]
    return best


@njit(nogil=True)
def _highest_gain_between_bins(node: _Node, bins: Bins) -> float:
    """Return the highest gain of the splits between bins, or -1 if there is none."""
    highest = -1.0
    for d in range(len(node.trial_order)):
        left, total = 0.0, 0.0
        for b in range(bins.first[d], bins.first[d + 1]):
            left += node.histogram[b, 2]
            total += node.histogram[b, 0] + node.histogram[b, 1]
            if 0 < left < node.size:
                highest = max(highest, _gain(node, left, total))
    return highest


@njit(nogil=True)
def _best_split_inside(
    node: _Node, bins: Bins, d: int, b: int, left: float, total: float, best: _Split
) -> _Split:
    """Return the best of the given split and those inside bin b of code d.

    ``left`` and ``total`` are the number and the total residual of the node's rows in earlier bins.
    """
    previous = np.float32(np.inf)
    for position in range(bins.start[b], bins.stop[b]):
        row = bins.sorted_rows[d, position]
        if node.node_of[row] != node.number:
            continue
        value = bins.codes[d, row]
        if value > np.float32(previous + SAME_CODE):
            best = _better(best, _Split(_gain(node, left, total), d, position, left))
        left += 1.0
        total += node.residuals[row]
        previous = value
    return best


@njit(nogil=True)
def _gain(node: _Node, left: float, total: float) -> float:
    """Compute the reduction in squared errors by a split.

    ``left`` and ``total`` are the number and the total residual of the rows on the left. It is Friedman's
    equation 35: with m of n rows on the left, m (n - m) / n times the squared difference of means.
    """
    difference = node.size * total - node.total * left
    return difference * difference / (node.size * left * (node.size - left))


@njit(nogil=True)
def _bound_inside(node: _Node, b: int, left: float, total: float) -> float:
    """Compute an upper bound on the gain of any split inside bin b.

    A row of residual r changes ``difference`` by n r - S, where S is the node's total. Inside the bin it
    therefore rises at most by the contributions of the positive residuals, and of -S per row if that is
    positive; likewise for its fall. The divisor m (n - m) is concave in m, so it is least at one end of the
    bin.
    """
    positive, negative, rows = node.histogram[b]
    if rows < 2:
        return -1.0
    difference = node.size * total - node.total * left
    highest = difference + node.size * positive + max(-node.total, 0.0) * rows
    lowest = difference + node.size * negative + min(-node.total, 0.0) * rows
    first, last = left + 1, left + rows - 1
    divisor = node.size * min(first * (node.size - first), last * (node.size - last))
    return max(highest, -lowest) ** 2 / divisor


@njit(nogil=True)
def _better(best: _Split, other: _Split) -> _Split:
    """Return the split of higher gain, or the first if they tie."""
    return other if other.gain > best.gain * TIE else best


@njit(nogil=True)
def _halfway(node: _Node, bins: Bins, split: _Split) -> float:
    """Return the threshold half-way between the node's codes next to the split."""
    rows, codes = bins.sorted_rows[split.code], bins.codes[split.code]
    below, above = split.position - 1, split.position
    while node.node_of[rows[below]] != node.number:
        below -= 1
    while node.node_of[rows[above]] != node.number:
        above += 1
    return float(codes[rows[below]]) / 2 + float(codes[rows[above]]) / 2


@njit(nogil=True)
def _send_down(node: int, codes: Array, threshold: float, node_of: Array) -> None:
    """Move the rows of a node to its children, without branches, to vectorise."""
    here, left, right = np.uint8(node), np.uint8(2 * node + 1), np.uint8(2 * node + 2)
    for row in range(len(codes)):
        child = left if codes[row] <= threshold else right
        node_of[row] = child if node_of[row] == here else node_of[row]


@njit(nogil=True)
def _fill_histogram(
    histogram: Array, moments: Array, node: int, residuals: Array, node_of: Array, bins: Bins
) -> None:
    """Set the histogram and the moments of a node from its rows."""
    rows = np.empty(len(residuals) + 1, np.uint32)
    size = 0
    for row in range(len(residuals)):  # write always, advance sometimes: a branch would often be mispredicted
        rows[size] = row
        size += node_of[row] == node
    _set_moments(moments, residuals[rows[:size]])
    histogram[:] = 0.0
    for row in rows[:size]:
        positive, negative = max(residuals[row], 0.0), min(residuals[row], 0.0)
        for b in bins.bin_of[row]:
            histogram[b, 0] += positive
            histogram[b, 1] += negative
            histogram[b, 2] += 1.0


@njit(nogil=True)
def _set_moments(moments: Array, residuals: Array) -> None:
    """Set the number of the rows, the sum of their residuals, and that of the squares."""
    total, squares = 0.0, 0.0
    for residual in residuals:
        total += residual
        squares += residual * residual
    moments[0], moments[1], moments[2] = len(residuals), total, squares


@njit(nogil=True)
def _set_leaves(value: Array, residuals: Array, node_of: Array) -> None:
    """Set each leaf to one Newton step, the sum of r over the sum of p (1 - p).

    For residuals r of logistic loss, p (1 - p) = |r| (1 - |r|).
    """
    # Four partial sums each, so that consecutive additions do not depend on each other.
    sums = np.zeros((len(value), 4, 2))
    for row in range(len(residuals)):
        magnitude = abs(residuals[row])
        sums[node_of[row], row % 4, 0] += residuals[row]
        sums[node_of[row], row % 4, 1] += magnitude * (1 - magnitude)
    for leaf in range(len(value)):
        slope, curvature = sums[leaf, :, 0].sum(), sums[leaf, :, 1].sum()
        value[leaf] = slope / curvature if curvature > FLAT else 0.0


@compiled(nogil=True)
def add_trees(scores: Array, trees: Trees, codes: Array) -> None:
    """Add the trees' predictions for the codes `[D, N]` to the scores `[T, N]`."""
    node_of = np.empty(codes.shape[1], np.uint8)
    for t in range(len(scores)):
        node_of[:] = 0
        for node in range(trees.code.shape[1]):
            if trees.code[t, node] != LEAF:
                _send_down(node, codes[trees.code[t, node]], trees.threshold[t, node], node_of)
        for row in range(len(node_of)):
            scores[t, row] += trees.value[t, node_of[row]]
