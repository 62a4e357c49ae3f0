"""Faults of other implementations that no metric's own test file covers.

docs/agreement.md lists all known ones, with the test that would fail if we had the fault, or the reason why
it cannot be avoided.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, find_metrics
from dis_bench.metrics.dci import completeness, disentanglement
from dis_bench.metrics.mig import mig
from dis_bench.metrics.unsupervised import mutual_info_score

from .cases import load_case, whole_grid

ALL = sorted(find_metrics(given=["log_variances"]))
NEED_SCIKIT_LEARN = {"betavae_score", "dci_forest", "dci_lasso", "sap"}
FEW_LEARN = {"train": 300, "test": 2_000, "labels": (300,), "train_points": 300, "train_votes": 300}


def score_by_name(name, codes, factors, **wanted):
    """Call a metric with those of the parameters that it has."""
    metric = find_metrics(name)[name]
    return metric(codes, factors, **{key: value for key, value in wanted.items() if key in metric.parameters})


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_every_metric_refuses_codes_that_are_not_finite(name, value):
    """Other implementations score them silently: three metrics stay above 0.79."""
    codes, factors = load_case("B_identity")
    codes = codes.copy()
    codes[7, 1] = value
    metric = find_metrics(name)[name]
    besides = {need: np.zeros(codes.shape) for need in metric.needs}
    with pytest.raises(InputError, match=f"code 1 is {value} in row 7"):
        metric(codes, factors, **besides)


def test_all_but_four_metrics_score_without_scikit_learn():
    """Elsewhere scikit-learn's defaults moved explicitness from 0.939 to 0.987."""
    program = f"""
import sys
sys.modules["sklearn"] = None  # importing it fails
import numpy as np
from dis_bench.metrics import score
factors = np.random.default_rng(0).integers(0, 3, (300, 2))
codes = factors + 0.1
log_variances = np.full(codes.shape, -4.0)
names = {sorted(set(ALL) - NEED_SCIKIT_LEARN)}
print(len(score(codes, factors, names, log_variances=log_variances, allow_small=True)))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert int(done.stdout) >= len(ALL) - len(NEED_SCIKIT_LEARN)


@pytest.mark.parametrize("name", ["dci", "dci_forest", "dci_lasso", "downstream", "explicitness"])
def test_rows_that_were_learned_from_do_not_judge(name):
    """Other implementations test on training rows, which can be memorised."""
    _, factors = load_case("B_identity")
    noise = np.random.default_rng(0).standard_normal((len(factors), 10))
    result = score_by_name(name, noise, factors, **FEW_LEARN)
    guessing = np.mean([np.bincount(column).max() / len(column) for column in factors.T])
    if name.startswith("dci"):
        assert result.informativeness == pytest.approx(guessing if name == "dci" else 0, abs=0.02)
    else:
        expected = {"downstream": {"300": guessing}, "explicitness": 0.5}[name]
        assert result == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("name", ["mig", "mig_sup", "mig_sampled", "jemmig", "dcimig"])
def test_factors_of_unequal_values_can_be_told_whole(name):
    """Other implementations divide by the logarithm of the number of values."""
    factors = np.minimum(whole_grid(4, 4, 4), 1)  # one of two values has a quarter of the rows
    metric = find_metrics(name)[name]
    besides = {need: np.full(factors.shape, -12.0) for need in metric.needs}
    assert metric(factors.astype(float), factors, rows=64, **besides) == pytest.approx(1, abs=1e-8)


def test_values_on_the_edges_of_bins_do_not_depend_on_the_type():
    """Other implementations compute edges in the codes' dtype, with rules that changed."""
    values = (np.arange(36) / 10).astype(np.float32)
    bins_of_type = {}
    for number in (np.float32, np.float64):
        codes = values.astype(number)
        edges = np.linspace(codes.min(), codes.max(), 6, dtype=number)[:-1]
        bins_of_type[number] = np.searchsorted(edges, codes, side="right") - 1
    assert (bins_of_type[np.float32] != bins_of_type[np.float64]).sum() == 4
    for codes in (values, values.astype(np.float64)):
        bins = Representation(codes[:, None], np.arange(36)[:, None], seed=None).bins(5, 36)
        assert np.array_equal(bins[:, 0], bins_of_type[np.float64])


def test_few_rows_lower_the_gap_of_perfect_codes():
    """Plug-in estimates cannot avoid this: the figures are those of docs/metrics.md."""
    codes, factors = load_case("A_identity")
    by_rows = [mig(codes, factors, rows=rows, seed=None) for rows in (100, 300, 1_000, 3_000, 10_000)]
    assert by_rows == pytest.approx([0.490, 0.690, 0.826, 0.878, 0.895], abs=0.001)


def test_the_bias_of_counting_is_the_one_that_is_documented():
    """It is also unavoidable: (bins - 1) (values - 1) / (2 rows) nats, if all bins are filled."""
    codes = np.random.default_rng(0).random((10_000, 30))
    factors = np.random.default_rng(1).integers(0, 40, (10_000, 1))
    information = Representation(codes, factors).mutual_information(20, 10_000)
    assert information.mean() == pytest.approx(19 * 39 / 20_000, rel=0.03)
    assert mutual_info_score(codes, factors) == pytest.approx(19 * 19 / 20_000, rel=0.03)


@pytest.mark.parametrize("position", [0, 2, 5])
def test_a_dead_code_changes_no_disentanglement_wherever_it_stands(position):
    """Other implementations end a loop at the first dead code: identity after one scores 0."""
    importances = np.insert(np.eye(5), position, 0, axis=0)
    assert disentanglement(importances) == pytest.approx(1, abs=1e-12)
    assert completeness(importances) == pytest.approx(1, abs=1e-12)


def test_importances_that_rounding_took_below_zero():
    """Other implementations take the logarithm of a tiny negative importance and raise."""
    importances = np.where(np.eye(5) > 0, 1.0, -1e-18)
    assert disentanglement(importances) == pytest.approx(1, abs=1e-12)
    assert completeness(importances) == pytest.approx(1, abs=1e-12)


def test_the_list_of_faults_names_tests_that_exist():
    folder = Path(__file__).parent
    _, _, text = (
        (folder.parents[1] / "docs" / "agreement.md").read_text().partition("## Faults known elsewhere\n")
    )
    named = set(re.findall(r"`(test_\w+)`", text.partition("\n## ")[0]))
    there = {
        name
        for file in folder.rglob("*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert len(named) > 20
    assert named <= there
