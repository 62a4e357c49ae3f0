"""The properties of ``dis-bench check metric``, on built-in metrics and on broken ones.

``TOLERANCES`` must have every built-in metric and how closely each property holds, ``EXCEPTIONS`` every
property that does not hold for one, with the reason: a new metric fails here until it is listed.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dis_bench.metrics
from dis_bench import registry
from dis_bench.findings import DOES_NOT_APPLY, FAILED, PASSED, examine
from dis_bench.metrics import Metric, Representation, as_metric, find_metrics
from dis_bench.metrics.checks.properties import PROPERTIES, check_properties, degenerate_tables
from dis_bench.metrics.checks.trial import SMALLER, Trial, put_on_trial

from .. import broken

# How much a score may change, as a share of its range, when it should not: for codes in another order, rows
# in another order, a dead code, values of factors numbered differently. 0 is exact up to rounding.
MOVES = (
    "ignores_the_order_of_codes",
    "ignores_the_order_of_rows",
    "ignores_dead_codes",
    "ignores_the_names_of_values",
)
TOLERANCES = {
    # Other rows give other pairs; a classifier sees the same features in another order.
    "betavae_score": (0.01, 0.03, 0.01, 0.03),
    # Rows permuted: other rows train and test. Permuted codes break ties between splits in another way.
    "dci": (0.01, 0.03, 0.01, 0.01),
    # As for dci; and codes are tried in another order if there are more of them.
    "dci_forest": (0.01, 0.03, 0.01, 0.01),
    "dci_lasso": (1e-3, 0.01, 1e-3, 1e-3),
    "dcimig": (0, 0, 0, 0),
    # Fits that stop before convergence stop elsewhere if numbers are added in another order.
    "downstream": (0.005, 0.03, 0.005, 0.005),
    "explicitness": (1e-3, 0.01, 1e-3, 1e-3),
    "factorvae_score": (0, 0.05, 0, 0.05),
    "gaussian_total_correlation": (0, 0, 0, 0),
    # One code per value: square roots of eigenvalues that are 0 up to rounding.
    "gaussian_wasserstein_correlation": (1e-5, 0, 0, 0),
    "gaussian_wasserstein_correlation_norm": (1e-7, 0, 0, 0),
    "infomec": (1e-3, 0.005, 1e-3, 1e-3),
    "irs": (0, 0, 0, 0),
    "jemmig": (0, 0, 0, 0),
    "mig": (0, 0, 0, 0),
    # Rows permuted: each gets other noise.
    "mig_sampled": (0, 0.02, 0, 0),
    "mig_sup": (0, 0, 0, 0),
    "modularity": (0, 0, 0, 0),
    "mutual_info_score": (0, 0, 0, 0),
    "sap": (0, 0.03, 0, 0.005),
    "sap_continuous": (0, 0, 0, 0),
}
BASE_D = "by definition: completeness is in base D, so that more dead codes make it look better"
NUMBERS = "it regresses the values of factors, which it takes as numbers"
BLIND = "it looks at the codes alone, and noise is as independent as the factors are"
TIES = "as published: of codes that vary equally little, the first one gets the vote"
TWINS = "as published: of codes that split equally well, the seed and their order choose one"
EXCEPTIONS = {
    ("factorvae_score", "ignores_the_order_of_codes"): (FAILED, TIES),
    ("dci", "ignores_the_order_of_codes"): (FAILED, TWINS),
    ("dci_forest", "ignores_the_order_of_codes"): (FAILED, TWINS),
    ("dci", "ignores_dead_codes"): (FAILED, BASE_D),
    ("dci_forest", "ignores_dead_codes"): (FAILED, BASE_D),
    ("dci_lasso", "ignores_dead_codes"): (FAILED, BASE_D),
    ("modularity", "ignores_dead_codes"): (FAILED, "as published: the mean over codes counts dead ones as 0"),
    ("mutual_info_score", "ignores_dead_codes"): (FAILED, "as published: pairs with dead codes count as 0"),
    ("dci_forest", "ignores_the_names_of_values"): (DOES_NOT_APPLY, NUMBERS),
    ("dci_lasso", "ignores_the_names_of_values"): (DOES_NOT_APPLY, NUMBERS),
    ("sap_continuous", "ignores_the_names_of_values"): (DOES_NOT_APPLY, NUMBERS),
    ("gaussian_total_correlation", "prefers_the_factors_to_noise"): (DOES_NOT_APPLY, BLIND),
    ("gaussian_wasserstein_correlation", "prefers_the_factors_to_noise"): (DOES_NOT_APPLY, BLIND),
    ("gaussian_wasserstein_correlation_norm", "prefers_the_factors_to_noise"): (DOES_NOT_APPLY, BLIND),
    ("mutual_info_score", "prefers_the_factors_to_noise"): (DOES_NOT_APPLY, BLIND),
}
MOVED_BY_DEAD_CODES = {
    "dci_completeness",
    "dci_forest_completeness",
    "dci_lasso_completeness",
    "mutual_info_score",
}

every_metric = pytest.mark.parametrize("name", TOLERANCES)
every_property = pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)


@cache
def trial_of(name):
    """Return a trial of a metric, cached so that no table is scored twice."""
    metric = find_metrics(name)[name]
    parameters = {key: value for key, value in SMALLER.items() if key in metric.parameters}
    tolerances = dict(zip(MOVES, TOLERANCES[name], strict=True))
    return Trial(metric, parameters=parameters, tolerance=0, tolerances=tolerances)


def scores(name, codes=None, factors=None, seed=0):
    """Score a table, by default the mixed codes."""
    trial = trial_of(name)
    mixed = trial.mixed
    table = mixed._replace(
        codes=mixed.codes if codes is None else codes, factors=mixed.factors if factors is None else factors
    )
    return trial.score_again(table, seed)


def assert_close(ours, others, tolerance, but=()):
    assert ours.keys() == others.keys()
    for column in ours.keys() - set(but):
        assert ours[column] == pytest.approx(others[column], abs=max(tolerance, 1e-12)), column


def test_every_built_in_metric_is_here():
    built_in = set(find_metrics(given=["log_variances"]))
    assert set(TOLERANCES) == built_in
    assert built_in <= set(registry.plugins("metrics"))
    assert {name for name, _ in EXCEPTIONS} <= built_in
    assert {property for _, property in EXCEPTIONS} <= {holds.__name__ for holds in PROPERTIES}


def test_every_metric_of_every_module_is_here():
    """A metric without an entry point would otherwise be on no list."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(dis_bench.metrics.__path__, "dis_bench.metrics.")
    ]
    declared = {
        value.name for module in modules for value in vars(module).values() if isinstance(value, Metric)
    }
    assert declared == set(TOLERANCES)


def test_every_function_of_the_module_that_reads_a_trial_is_on_the_list():
    from dis_bench.metrics.checks import properties

    public = {
        value
        for name, value in vars(properties).items()
        if not name.startswith("_")
        and getattr(value, "__annotations__", {}) == {"trial": "Trial", "return": "str"}
    }
    assert public == set(PROPERTIES)


@every_property
@every_metric
def test_property(name, holds):
    verdict, reason = EXCEPTIONS.get((name, holds.__name__), (PASSED, "the rule"))
    finding = examine(holds, trial_of(name))
    assert finding.verdict == verdict, (reason, finding.detail)


@every_metric
def test_declares_what_tables_need(name):
    metric = find_metrics(name)[name]
    assert metric.name == name
    assert len(metric.summary) > 20
    assert metric.source
    assert isinstance(metric.version, int)
    assert metric.range[0] < metric.range[1]
    assert metric.outputs in (None, tuple(scores(name)))


@pytest.mark.parametrize("name", ["dci", "dci_forest", "dci_lasso", "modularity", "mutual_info_score"])
@pytest.mark.parametrize("value", [0.0, 3.7])
@pytest.mark.parametrize("position", [0, 5])
def test_what_a_dead_code_changes_by_definition(name, value, position):
    trial = trial_of(name)
    before = trial.scores(trial.mixed)
    after = scores(name, np.insert(trial.mixed.codes, position, value, axis=1))
    if name == "modularity":
        assert after[name] == pytest.approx(before[name] * 5 / 6, abs=1e-12)
        return
    assert_close(after, before, trial.tolerances["ignores_dead_codes"], but=MOVED_BY_DEAD_CODES)
    better = 1 if trial.metric.higher_is_better else -1
    for column in MOVED_BY_DEAD_CODES & after.keys():
        assert better * after[column] >= better * before[column] - 0.01


@every_metric
def test_no_degenerate_table_is_refused(name):
    trial = trial_of(name)
    for table in degenerate_tables(trial):
        assert trial.scores(table).keys() == trial.scores(trial.mixed).keys()


@every_metric
def test_a_constant_factor_changes_nothing(name):
    trial = trial_of(name)
    assert scores(name, factors=np.insert(trial.mixed.factors, 2, 9, axis=1)) == trial.scores(trial.mixed)


@every_metric
def test_whole_numbers_that_are_not_ranks_change_nothing(name):
    trial = trial_of(name)
    assert scores(name, factors=trial.mixed.factors * 10 - 3) == trial.scores(trial.mixed)


@every_metric
def test_one_seed_one_value_whatever_the_global_stream(name):
    first = trial_of(name).scores(trial_of(name).mixed, seed=4)
    np.random.seed(1)  # noqa: NPY002
    assert scores(name, seed=4) == first


@every_metric
def test_arrays_tensors_and_float32_are_one(name):
    trial = trial_of(name)
    _, codes, factors = trial.mixed
    expected = trial.scores(trial.mixed)
    assert scores(name, codes.astype(np.float32)) == expected
    log_variances = torch.full(codes.shape, -4.0)
    tensors = Representation(
        torch.tensor(codes.astype(np.float32)), torch.tensor(factors), log_variances=log_variances
    )
    assert trial.metric.scores(tensors, **trial.parameters) == expected


@cache
def table_that_all_have_read():
    trials = [trial_of(name) for name in TOLERANCES]
    table = trials[0].represent(trials[0].mixed)
    for trial in trials:
        trial.metric.scores(table, **trial.parameters)
    return table


@every_metric
def test_a_shared_table_gives_what_a_fresh_one_gives(name):
    trial = trial_of(name)
    shared = trial.metric.scores(table_that_all_have_read(), **trial.parameters)
    assert shared == trial.scores(trial.mixed)


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


# By which properties each fault is caught; "sound" has none.
FAULTS = {
    "sound": set(),
    "declared": set(),
    "refuses_one_code": set(),
    "wants_many_rows": set(),
    "nan_on_dead_codes": {"ignores dead codes", "survives degenerate codes"},
    "counts_dead_codes": {"ignores dead codes"},
    "order_of_codes": {"ignores the order of codes", "ignores dead codes"},
    "first_of_ties": {"ignores the order of codes"},
    "order_of_rows": {"ignores the order of rows"},
    "unseeded": {"gives one score per seed"},
    "modifies_its_input": {"leaves its input alone"},
    "writes_to_the_representation": {"leaves its input alone"},
    "upside_down": {"prefers the factors to noise"},
    "constant": {"prefers the factors to noise"},
    "out_of_range": {"stays within its range"},
    "says_the_same_of_two": {"tells its scores apart"},
    "caveat_crashes": {"tells its scores apart"},
    "returns_an_array": {"returns finite numbers"},
    "a_column_per_code": {"returns finite numbers"},
    "crashes": {"returns finite numbers"},
    "ends_the_program": {"returns finite numbers"},
    "reads_names_as_numbers": {"ignores the names of values"},
    "says_that_it_reads_numbers": set(),
    "crashes_on_one_code": {"survives degenerate codes"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_property_that_names_it(name):
    findings = check_properties(put_on_trial(as_metric(getattr(broken, name))))
    failed = {finding.name: finding.detail for finding in findings if finding.verdict == FAILED}
    assert failed.keys() == FAULTS[name], failed
    assert all(finding.why for finding in findings)


def test_a_failure_gives_its_numbers():
    trial = put_on_trial(as_metric(broken.out_of_range))
    [failed] = [finding for finding in check_properties(trial) if finding.verdict == FAILED]
    score = trial.scores(trial.mixed)["out_of_range"]
    assert failed.detail == (
        f"given rotated factors with a little noise, out_of_range is {score:.6g}; expected 0 to 1."
    )


def test_what_cannot_score_ordinary_codes_is_not_tried_further():
    first, *others = check_properties(put_on_trial(as_metric(broken.crashes)))
    assert (
        "raises AttributeError: 'numpy.ndarray' object has no attribute 'no_such_attribute'" in first.detail
    )
    assert {finding.verdict for finding in others} == {DOES_NOT_APPLY}


@pytest.mark.parametrize("name", ["dci", "dci_forest"])
def test_only_ties_make_trees_depend_on_the_order_of_codes(name):
    finding = examine(PROPERTIES[3], trial_of(name))
    assert finding.detail.startswith("given a code of two factors and one of the first of them")


def test_the_order_of_codes_that_tie_is_checked():
    finding = examine(PROPERTIES[3], put_on_trial(as_metric(broken.first_of_ties)))
    assert "given a code of two factors and one of the first of them, first_of_ties is" in finding.detail


def test_ties_of_the_factorvae_score_go_to_the_first_code():
    trial = trial_of("factorvae_score")
    finding = examine(PROPERTIES[3], trial)
    assert "given one code per value, the last one first, factorvae_score is 0.8" in finding.detail
    shuffled = trial.mixed._replace(given="no ties", codes=trial.mixed.codes[:, ::-1])
    assert trial.scores(shuffled) == trial.scores(trial.mixed)


def test_what_a_plain_function_did_not_say_is_not_held_against_it():
    details = {
        finding.name: finding.detail
        for name in ("upside_down", "constant")
        for finding in check_properties(put_on_trial(as_metric(getattr(broken, name))))
        if finding.verdict == FAILED
        for finding in [finding._replace(name=name)]
    }
    for name, detail in details.items():
        assert "as for any plain function; if lower is better, declare @metric" in detail, name
    assert "expected the first to be higher, as for" in details["constant"]
    assert "expected the first to be higher by more than 0." in details["upside_down"]
