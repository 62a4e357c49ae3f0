"""Scores whose top a baseline reaches are called saturated, by the anchors or the declared range."""

import pytest

from dis_bench.records.cell import NO_BUDGET
from dis_bench.records.record import read_records
from dis_bench.records.table import tabulate
from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.declared import Declared
from dis_bench.reports.headline import BASELINES, write_headlines
from dis_bench.reports.quantities import find_quantities
from dis_bench.reports.saturation import compare_with_baselines, name_saturated, say_baselines
from dis_bench.reports.settings import split_settings
from dis_bench.reports.tables import in_use, summarise
from tests.reports.made_up import write_anchors
from tests.reports.mixed import write_one

BUDGET = {"steps": 3000}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a baseline's and a model's MIG per seed."""

    def write_both(baseline, model, **values):
        for seed, mig in enumerate(baseline):
            write_one(
                tmp_path, "pca", {}, None, seed, NO_BUDGET, ("kl", "elbo"), values={**values, "mig": mig}
            )
        for seed, mig in enumerate(model):
            write_one(tmp_path, "mine", {}, None, seed, BUDGET, values={"mig": mig})
        return tmp_path

    return write_both


@pytest.fixture
def answered(tabulated):
    """Return a function from a folder to its comparison with baselines, and the answer on them."""

    def answer(root):
        records, _ = read_records(root)
        [setting], [table], quantities = tabulated(records, gather_anchors(root, []))
        used = in_use(table, quantities)
        answers = {one.series: one for one in write_headlines(setting, table, used)}
        return compare_with_baselines(setting, table, used), answers.get(BASELINES)

    return answer


def find(compared, name):
    return next(one for one in compared if one.score.name == name)


def test_a_baseline_that_reaches_a_perfect_code_saturates_the_score(write, answered):
    root = write([0.49, 0.50, 0.51], [0.10, 0.11, 0.12])
    write_anchors(root, {"mig": (0.52, 0.02)})
    compared, answer = answered(root)
    assert name_saturated(compared) == {"mig": "pca"}
    assert answer.sentences[0].endswith(
        "steps, MIG is saturated: a baseline reaches 95% of the way from noise to a perfect code."
    )
    assert answer.listed[0] == (
        "MIG is saturated by pca (0.500 ± 0.010, n = 3): noise scores 0.020 and a perfect code 0.520. "
        "It says little about which model is better."
    )
    assert (
        "MIG: the baseline pca (0.500 ± 0.010, n = 3) is better than the best other model, "
        "mine (0.110 ± 0.010, n = 3)." in answer.listed
    )


def test_the_share_of_the_way_decides(write, answered):
    root = write([0.5] * 3, [0.1] * 3)
    write_anchors(root, {"mig": (0.53, 0.02)})  # 94 % of it
    compared, answer = answered(root)
    assert name_saturated(compared) == {}
    assert "no baseline saturates a score: none reaches 95%" in answer.sentences[0]


def test_without_anchors_the_declared_range_counts(write, answered):
    compared, answer = answered(write([0.97] * 3, [0.99, 0.992, 0.994]))
    assert name_saturated(compared) == {"mig": "pca"}
    assert "its scale runs from 0.000 to 1.000, and what a perfect code scores is unknown" in answer.listed[0]
    assert find(compared, "mig").verdict == "better"
    assert answer.sentences[0].endswith(" saturated: a baseline reaches 95% of the score's scale.")


def test_lower_can_be_better(write):
    records, _ = read_records(write([0.03] * 3, [0.5] * 3))
    for record in records:
        said = {"label": {"mig": "MIG"}, "better": "lower", "range": [0.0, 1.0], "summary": "x"}
        record["declared"] = {
            "metrics": {"mig": said},
            "model": {"baseline": record["cell"]["model"] == "pca"},
        }
    quantities = find_quantities(tabulate(records), ["mig"], Declared(records))
    [setting] = split_settings(records)
    compared = compare_with_baselines(setting, summarise(setting, quantities), quantities)
    assert name_saturated(compared) == {"mig": "pca"}
    assert find(compared, "mig").verdict == "worse"
    _, told = say_baselines(compared)
    assert (
        "MIG: the baseline pca (0.030 ± 0.000, n = 3) is better than the best other model, "
        "mine (0.500 ± 0.000, n = 3)." in told
    )
    assert "above" not in " ".join(told)


def test_what_is_not_separated_is_said(write, answered):
    _, answer = answered(write([0.3, 0.4, 0.5], [0.4, 0.5, 0.6]))
    [sentence] = [one for one in answer.listed if one.startswith("MIG")]
    assert sentence == (
        "MIG: the best other model, mine (0.500 ± 0.100, n = 3), cannot be called better than every "
        "baseline; the best of these is pca (0.400 ± 0.100, n = 3)."
    )


def test_a_baseline_of_one_seed_saturates_but_is_not_compared(write, answered):
    root = write([0.3, 0.31, 0.32], [0.9, 0.91, 0.92])
    write_one(root, "raw", {}, None, 0, NO_BUDGET, lacks=("kl", "elbo"), values={"mig": 0.99})
    compared, answer = answered(root)
    assert name_saturated(compared) == {"mig": "raw"}
    assert find(compared, "mig").verdict == "better"  # than pca, with three seeds
    assert any("is better than every baseline with 3 seeds or more in " in one for one in answer.listed)
    assert answer.listed[-1].startswith("raw has fewer than 3 seeds: no ordering is claimed against it. ")
    assert "MIG, raw (0.990, n = 1)" in answer.listed[-1]  # its mean is better


def test_without_a_baseline_nothing_is_said(study, tabulated):
    study(model="betatcvae")
    [setting], [table], quantities = tabulated(study(model="betavae"))
    assert setting.baselines == ()
    assert BASELINES not in [one.series for one in write_headlines(setting, table, quantities)]


def test_what_a_record_declares_takes_precedence_over_what_is_installed(study):
    records = study(betas=[None], model="pca")
    assert split_settings(records)[0].baselines == ("pca",)  # an earlier record: the installed model says so
    for record in records:
        record["declared"] = {"model": {"note": "", "baseline": False}}
    assert split_settings(records)[0].baselines == ()
    records = study(betas=[None], model="old")
    for record in records:
        record["declared"] = {"model": {"note": "", "baseline": record["cell"]["model"] == "old"}}
    assert split_settings(records)[0].baselines == ("old",)
    assert not Declared().is_baseline("evil.py:x")
