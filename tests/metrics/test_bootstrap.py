"""Intervals over rows: closed forms, coverage, and no row on both sides of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, find_metrics
from dis_bench.metrics.bootstrap import bootstrap, resampling_blocks
from dis_bench.metrics.metric import metric
from dis_bench.metrics.mig_sup import mig_sup

FACTORS = np.arange(300)[:, None] % 5


def mean_code(codes, factors):
    """Return the mean of the first code, whose interval is known."""
    return codes[:, 0].mean()


@metric()
def seen_before(representation, *, train=200, test=80):
    """Return the share of test rows that are also training rows."""
    training, testing = representation.split(train, test)
    return np.isin(testing.codes, training.codes).mean()


@metric()
def distinct(representation, *, train=200, test=80):
    """Return the share of training rows that are distinct."""
    return len(np.unique(representation.split(train, test)[0].codes)) / train


def test_the_interval_of_a_mean_is_the_one_of_textbooks():
    codes = np.random.default_rng(0).standard_normal((300, 1))
    found = bootstrap(Representation(codes, FACTORS), mean_code, resamples=2_000)
    score, low, high, shift, skipped = found.loc["mean_code"]
    half = 1.96 * codes.std() / np.sqrt(300)
    assert score == pytest.approx(codes.mean())
    assert shift == pytest.approx(0, abs=half / 10)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert low < codes.mean() < high
    assert skipped == 0


def test_no_row_is_both_learned_from_and_judged_by():
    table = Representation(np.arange(300.0)[:, None], FACTORS)
    found = bootstrap(table, [seen_before, distinct], resamples=20)
    assert found.loc["seen_before"].tolist() == [0, 0, 0, 0, 0]
    assert found.loc["distinct", "shift"] == pytest.approx(-1 / np.e, abs=0.02)
    torn = table.take(np.random.default_rng(0).integers(300, size=300))
    assert seen_before(torn) > 0.3  # what it would be without blocks


def test_the_blocks_are_those_of_all_metrics():
    table = Representation(np.zeros((16_000, 1)), np.arange(16_000)[:, None] % 5)
    found = find_metrics(["mig", "dci", "downstream", "betavae_score"])
    used = {name: metric.resolve({}) for name, metric in found.items()}
    assert resampling_blocks(table, found, used) == [(0, 10_000), (10_000, 15_000), (15_000, 16_000)]
    used["mig"]["rows"] = 3_000
    assert resampling_blocks(table, found, used)[:2] == [(0, 3_000), (3_000, 10_000)]


def test_blocks_of_a_small_table_are_those_that_are_scored():
    table = Representation(np.arange(300.0)[:, None], FACTORS, allow_small=True)
    found = find_metrics("sap")
    assert resampling_blocks(table, found, {"sap": found["sap"].resolve({})}) == [(0, 200), (200, 300)]


def test_intervals_cover_the_true_value():
    """R^2 of a factor on itself with noise of variance 1/2 is 2/3; 19 of 20 intervals contain it."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(100):
        factors = rng.integers(8, size=(400, 1))
        codes = (factors - 3.5) / np.sqrt(21 / 4) + np.sqrt(0.5) * rng.standard_normal((400, 1))
        table = Representation(codes, factors)
        found = bootstrap(table, "sap_continuous", resamples=60, parameters={"sap_continuous": {"rows": 400}})
        covered.append(found.loc["sap_continuous", "low"] <= 2 / 3 <= found.loc["sap_continuous", "high"])
    assert 0.86 <= np.mean(covered) <= 0.99


def test_the_bias_of_resampling_is_taken_off():
    """Duplicates raise mutual information: without the shift, intervals would miss it."""
    rng = np.random.default_rng(2)
    tables = []
    for _ in range(60):
        factors = rng.integers(8, size=(400, 2))
        tables.append(Representation(factors + rng.normal(0, 2, size=(400, 2)), factors))
    parameters = {"mig_sup": {"rows": 400}}
    expected = np.mean([mig_sup(table, rows=400) for table in tables])
    found = [bootstrap(t, "mig_sup", resamples=40, parameters=parameters).loc["mig_sup"] for t in tables]
    assert np.mean([row["low"] <= expected <= row["high"] for row in found]) >= 0.85
    assert np.mean([row["low"] <= expected - row["shift"] <= row["high"] for row in found]) < 0.7


def test_intervals_stay_in_the_range_of_the_score():
    found = bootstrap(
        Representation(FACTORS.astype(float), FACTORS), "mig", parameters={"mig": {"rows": 300}}
    )
    assert found.loc["mig", ["score", "low", "high"]].tolist() == pytest.approx([1, 1, 1], abs=1e-9)
    assert (found["high"] <= 1).all()


def test_log_variances_stay_with_their_rows():
    codes = np.arange(300.0)[:, None]
    table = Representation(codes, FACTORS, log_variances=-codes / 10)
    taken = table.take(np.array([4, 4, 7]))
    assert np.array_equal(taken.log_variances, -taken.codes / 10)
    assert np.array_equal(taken.factors, table.factors[[4, 4, 7]])
    assert taken.factor_sizes.tolist() == [5]


def test_one_seed_one_interval():
    table = Representation(np.random.default_rng(0).standard_normal((300, 1)), FACTORS)
    one, same, other = (bootstrap(table, mean_code, resamples=10, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert (one != other)[["low", "high", "shift"]].all(axis=None)


@pytest.mark.parametrize("resamples", [1, 0, True, 2.5, "10"])
def test_refuses_resamples(resamples):
    with pytest.raises(InputError, match="resamples must be a whole number of at least 2"):
        bootstrap(Representation(np.eye(300), FACTORS), mean_code, resamples=resamples)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, True, None])
def test_refuses_seeds(seed):
    with pytest.raises(InputError, match="seed must be a whole number of at least 0"):
        bootstrap(Representation(np.eye(300), FACTORS), mean_code, seed=seed)


def test_resamples_that_cannot_be_scored_are_skipped_and_counted():
    """A value in one row of 300 is missing from a resample with probability (1 - 1/300)^300."""
    factors = (np.arange(300) == 7)[:, None]
    table = Representation(np.random.default_rng(0).standard_normal((300, 1)), factors)
    parameters = {"mig": {"rows": 300}}
    found = bootstrap(table, [mean_code, "mig"], resamples=200, parameters=parameters)
    assert found["skipped"]["mean_code"] == 0
    assert found["skipped"]["mig"] == pytest.approx(200 / np.e, abs=30)
    assert found.loc["mig", "low"] < found.loc["mig", "high"]


def test_without_two_resamples_that_can_be_scored_there_is_no_interval():
    calls = []

    def only_once(codes, factors):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("once and for all")
        return 0.5

    found = bootstrap(Representation(np.eye(300), FACTORS), [only_once, mean_code], resamples=4)
    assert found["skipped"].to_dict() == {"only_once": 3, "mean_code": 0}
    assert found.loc["only_once", "score"] == 0.5
    assert found.loc["only_once", ["low", "high", "shift"]].isna().all()
    assert found.loc["mean_code", ["low", "high", "shift"]].notna().all()


def test_what_cannot_be_scored_at_all_is_refused():
    with pytest.raises(InputError, match="mig: the protocol needs 10000 rows"):
        bootstrap(Representation(np.eye(300), FACTORS), "mig")


def test_the_interval_of_a_plain_function_is_not_cut():
    def distinct(codes, factors):
        return len(np.unique(codes))

    found = bootstrap(Representation(np.arange(300.0)[:, None], FACTORS), distinct, resamples=50)
    low, high = found.loc["distinct", ["low", "high"]]
    assert low < 300 < high  # resamples have about 190 distinct rows, from which the interval is shifted back
