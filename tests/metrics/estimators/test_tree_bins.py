"""Codes cut into bins for trees, and sums over the bins."""

from __future__ import annotations

import numpy as np

from dis_bench.metrics.estimators.tree_bins import cut_into_bins, sum_in_bins

from .test_regression_trees import draw


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
