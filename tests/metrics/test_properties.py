"""What must hold of every metric, as one test per property over all of them.

``PROTOCOLS`` must name every built-in metric, and ``TOLERANCES`` every property of each: a new metric
fails here until it says how far each property holds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench import registry
from dis_bench.metrics import Representation, find_metrics

from .cases import draw_factors, rotated_pairs, standardise

# Few rows, so that each score takes well under a second.
ROWS = 1_200
PROTOCOLS = {
    "betavae_score": {"train_points": 1_000, "test_points": 1_000},
    "dci": {"train": 800, "test": 400},
    "mig": {"rows": ROWS},
    "sap": {"train": 800, "test": 400},
}

# How far a score may move when the property says that it must not. 0 is exact but for rounding.
TOLERANCES = {
    # Drawn pairs are others for other rows; a classifier sees the same features in another order.
    "betavae_score": {"codes permuted": 0.01, "rows permuted": 0.05, "dead code": 0.01},
    # Rows permuted: other rows train and test. Permuted codes break ties between splits in another way.
    "dci": {"codes permuted": 0.01, "rows permuted": 0.05, "dead code": 0.01},
    "mig": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    # A dead code is as good as guessing, which may beat the second best code by the noise of the test rows.
    "sap": {"codes permuted": 0, "rows permuted": 0.05, "dead code": 0.03},
}
# Completeness is in base D: a dead code raises it for good, by definition.
MOVED_BY_DEAD_CODES = {"dci_completeness"}

# With these codes the scores are neither 0 nor 1.
FACTORS = np.minimum(draw_factors("A", ROWS), [2, 5, 7, 7, 7])
_rng = np.random.default_rng(0)
CODES = rotated_pairs(FACTORS, standardise(FACTORS, "A"), _rng) + 0.1 * _rng.standard_normal(FACTORS.shape)

every_metric = pytest.mark.parametrize("name", PROTOCOLS)


def scores(name, codes=CODES, factors=FACTORS, seed=0):
    return find_metrics(name)[name].scores(Representation(codes, factors, seed=seed), **PROTOCOLS[name])


@cache
def baseline(name):
    return scores(name)


def assert_close(ours, others, tolerance, but=()):
    assert ours.keys() == others.keys()
    for column in ours.keys() - set(but):
        assert ours[column] == pytest.approx(others[column], abs=max(tolerance, 1e-12)), column


def test_every_built_in_metric_is_here():
    assert set(PROTOCOLS) == set(find_metrics()) == set(TOLERANCES)
    assert set(find_metrics()) <= set(registry.plugins("metrics"))
    assert {frozenset(properties) for properties in TOLERANCES.values()} == {
        frozenset({"codes permuted", "rows permuted", "dead code"})
    }


@every_metric
def test_declares_what_tables_need(name):
    metric = find_metrics(name)[name]
    assert metric.name == name
    assert len(metric.summary) > 20
    assert metric.source
    assert isinstance(metric.version, int)
    assert metric.range[0] < metric.range[1]
    assert tuple(scores(name)) == metric.outputs


@every_metric
def test_order_of_codes_does_not_matter(name):
    permuted = CODES[:, [3, 1, 4, 0, 2]]
    assert_close(scores(name, permuted), baseline(name), TOLERANCES[name]["codes permuted"])


@every_metric
def test_order_of_rows_matters_by_sampling_only(name):
    order = np.random.default_rng(2).permutation(ROWS)
    assert_close(
        scores(name, CODES[order], FACTORS[order]), baseline(name), TOLERANCES[name]["rows permuted"]
    )
    by_first_factor = np.argsort(FACTORS[:, 0], kind="stable")
    sorted_rows = scores(name, CODES[by_first_factor], FACTORS[by_first_factor])
    assert_close(sorted_rows, baseline(name), TOLERANCES[name]["rows permuted"])


@every_metric
@pytest.mark.parametrize("value", [0.0, 3.7])
@pytest.mark.parametrize("position", [0, 5])
def test_a_dead_code_tells_nothing(name, value, position):
    with_dead = np.insert(CODES.astype(np.float32), position, value, axis=1)
    after = scores(name, with_dead)
    assert_close(after, baseline(name), TOLERANCES[name]["dead code"], but=MOVED_BY_DEAD_CODES)
    for column in MOVED_BY_DEAD_CODES & after.keys():
        assert after[column] >= baseline(name)[column] - 0.01


@every_metric
def test_a_constant_factor_changes_nothing(name):
    assert scores(name, factors=np.insert(FACTORS, 2, 9, axis=1)) == baseline(name)


@every_metric
def test_values_of_factors_are_names(name):
    assert scores(name, factors=FACTORS * 10 - 3) == baseline(name)


@every_metric
def test_one_seed_one_value_whatever_the_global_stream(name):
    first = scores(name, seed=4)
    np.random.seed(1)  # noqa: NPY002
    assert scores(name, seed=4) == first


@every_metric
def test_arrays_tensors_and_float32_are_one(name):
    codes = CODES.astype(np.float32)
    expected = scores(name, codes)
    assert scores(name, codes.astype(np.float64)) == expected
    assert scores(name, torch.tensor(codes), torch.tensor(FACTORS)) == expected


@every_metric
def test_a_shared_table_gives_what_a_fresh_one_gives(name):
    table = Representation(CODES, FACTORS)
    for other, protocol in PROTOCOLS.items():
        find_metrics(other)[other].scores(table, **protocol)
    assert find_metrics(name)[name].scores(table, **PROTOCOLS[name]) == baseline(name)


EXTREME = {
    "identity": FACTORS,
    "twice": np.hstack([CODES, CODES]),
    "noise": np.random.default_rng(5).standard_normal((ROWS, 7)),
    "all dead": np.full((ROWS, 3), 3.7),
    "one code": CODES[:, :1],
    "one dead code": np.zeros((ROWS, 1)),
    "outlier": np.vstack([CODES[:-1], 1e6 * np.ones(5)]),
    "tiny": CODES * 1e-30,
    "huge": CODES * 1e30,
    "steps of one ulp": 1 + FACTORS * np.finfo(float).eps,
}


@every_metric
@pytest.mark.parametrize("codes", EXTREME.values(), ids=EXTREME)
def test_stays_in_its_range(name, codes):
    metric = find_metrics(name)[name]
    for column, value in scores(name, codes.astype(float)).items():
        assert metric.range[0] - 1e-12 <= value <= metric.range[1] + 1e-12, column


@every_metric
def test_one_factor_can_be_scored(name):
    for column, value in scores(name, factors=FACTORS[:, :1]).items():
        assert 0 <= value <= 1, column


@every_metric
def test_the_true_factors_score_higher_than_noise(name):
    perfect, noise = scores(name, FACTORS.astype(float)), scores(name, EXTREME["noise"])
    assert all(perfect[column] > noise[column] + 0.1 for column in perfect)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.25, 2.0, 1024.0]),
    shape=st.tuples(*[st.integers(1, 5)] * 2),
)
def test_mig_depends_neither_on_scale_nor_on_order(seed, scale, shape):
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((50, shape[0]))
    factors = rng.integers(0, 3, size=(50, shape[1]))
    factors[:2] = [[0], [1]]
    mig = find_metrics("mig")["mig"]
    score = mig(codes, factors, rows=50, bins=5)
    order = rng.permutation(50)
    assert 0 <= score <= 1
    # Powers of two scale without rounding, so that no value changes its bin.
    assert mig(codes[order] * scale, factors[order], rows=50, bins=5) == pytest.approx(score, abs=1e-12)
