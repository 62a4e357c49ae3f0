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
    "dci_forest": {"train": 800, "test": 400},
    "dci_lasso": {"train": 800, "test": 400},
    "dcimig": {"rows": ROWS},
    "downstream": {"labels": (100, 800), "test": 400},
    "explicitness": {"train": 800, "test": 400},
    "factorvae_score": {"train_votes": 1_000, "test_votes": 1_000, "rows": ROWS},
    "gaussian_total_correlation": {"rows": ROWS},
    "gaussian_wasserstein_correlation": {"rows": ROWS},
    "gaussian_wasserstein_correlation_norm": {"rows": ROWS},
    "infomec": {"rows": ROWS},
    "irs": {"rows": ROWS},
    "jemmig": {"rows": ROWS},
    "mig": {"rows": ROWS},
    "mig_sampled": {"rows": ROWS},
    "mig_sup": {"rows": ROWS},
    "modularity": {"rows": ROWS},
    "mutual_info_score": {"rows": ROWS},
    "sap": {"train": 800, "test": 400},
    "sap_continuous": {"rows": ROWS},
}

# How far a score may move when the property says that it must not. 0 is exact but for rounding; codes are in
# float32 where a dead one is added.
TOLERANCES = {
    # Drawn pairs are others for other rows; a classifier sees the same features in another order.
    "betavae_score": {"codes permuted": 0.01, "rows permuted": 0.05, "dead code": 0.01},
    # Rows permuted: other rows train and test. Permuted codes break ties between splits in another way.
    "dci": {"codes permuted": 0.01, "rows permuted": 0.05, "dead code": 0.01},
    # As for dci; and codes are tried in another order if there are more of them.
    "dci_forest": {"codes permuted": 0.02, "rows permuted": 0.08, "dead code": 0.02},
    "dci_lasso": {"codes permuted": 1e-3, "rows permuted": 0.05, "dead code": 1e-3},
    "dcimig": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    # Fits that stop before they converge do so elsewhere when numbers are added up in another order.
    "downstream": {"codes permuted": 0.005, "rows permuted": 0.05, "dead code": 0.005},
    "explicitness": {"codes permuted": 1e-3, "rows permuted": 0.02, "dead code": 1e-3},
    "factorvae_score": {"codes permuted": 0, "rows permuted": 0.05, "dead code": 0},
    "gaussian_total_correlation": {"codes permuted": 0, "rows permuted": 0, "dead code": 1e-7},
    "gaussian_wasserstein_correlation": {"codes permuted": 0, "rows permuted": 0, "dead code": 1e-7},
    "gaussian_wasserstein_correlation_norm": {"codes permuted": 0, "rows permuted": 0, "dead code": 1e-7},
    "infomec": {"codes permuted": 1e-3, "rows permuted": 0.005, "dead code": 1e-3},
    # The test of dead codes rounds the others to float32, which scores that do not bin codes can tell.
    "irs": {"codes permuted": 0, "rows permuted": 0, "dead code": 1e-7},
    "jemmig": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    "mig": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    # Rows permuted: each gets other noise.
    "mig_sampled": {"codes permuted": 0, "rows permuted": 0.02, "dead code": 1e-7},
    "mig_sup": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    "modularity": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    "mutual_info_score": {"codes permuted": 0, "rows permuted": 0, "dead code": 0},
    # A dead code is as good as guessing, which may beat the second best code by the noise of the test rows.
    "sap": {"codes permuted": 0, "rows permuted": 0.05, "dead code": 0.03},
    "sap_continuous": {"codes permuted": 0, "rows permuted": 0, "dead code": 1e-7},
}
# By definition: completeness is in base D, and the mean over pairs of codes counts pairs with dead ones. Both
# make more dead codes look better.
MOVED_BY_DEAD_CODES = {
    "dci_completeness",
    "dci_forest_completeness",
    "dci_lasso_completeness",
    "mutual_info_score",
}
# As published: the mean over codes counts dead ones as 0.
LOWERED_BY_DEAD_CODES = {"modularity"}
# They look at the codes alone, and noise is as independent as the factors are.
BLIND_TO_FACTORS = {
    "gaussian_total_correlation",
    "gaussian_wasserstein_correlation",
    "gaussian_wasserstein_correlation_norm",
    "mutual_info_score",
}

# With these codes the scores are neither 0 nor 1.
FACTORS = np.minimum(draw_factors("A", ROWS), [2, 5, 7, 7, 7])
_rng = np.random.default_rng(0)
CODES = rotated_pairs(FACTORS, standardise(FACTORS, "A"), _rng) + 0.1 * _rng.standard_normal(FACTORS.shape)

every_metric = pytest.mark.parametrize("name", PROTOCOLS)


def scores(name, codes=CODES, factors=FACTORS, seed=0):
    log_variances = np.full(codes.shape, -4.0)
    table = Representation(codes, factors, log_variances=log_variances, seed=seed)
    return find_metrics(name)[name].scores(table, **PROTOCOLS[name])


@cache
def baseline(name):
    return scores(name)


def assert_close(ours, others, tolerance, but=()):
    assert ours.keys() == others.keys()
    for column in ours.keys() - set(but):
        assert ours[column] == pytest.approx(others[column], abs=max(tolerance, 1e-12)), column


def test_every_built_in_metric_is_here():
    built_in = set(find_metrics(given=["log_variances"]))
    assert set(PROTOCOLS) == built_in == set(TOLERANCES)
    assert built_in <= set(registry.plugins("metrics"))
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
    assert metric.outputs in (None, tuple(scores(name)))


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
    moved = MOVED_BY_DEAD_CODES | LOWERED_BY_DEAD_CODES
    assert_close(after, baseline(name), TOLERANCES[name]["dead code"], but=moved)
    for column in LOWERED_BY_DEAD_CODES & after.keys():
        assert after[column] == pytest.approx(baseline(name)[column] * 5 / 6, abs=1e-12)
    better = 1 if find_metrics(name)[name].higher_is_better else -1
    for column in MOVED_BY_DEAD_CODES & after.keys():
        assert better * after[column] >= better * baseline(name)[column] - 0.01


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
    table = Representation(CODES, FACTORS, log_variances=np.full(CODES.shape, -4.0))
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
    low, high = find_metrics(name)[name].range
    for column, value in scores(name, factors=FACTORS[:, :1]).items():
        assert low <= value <= high, column


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name not in BLIND_TO_FACTORS])
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
