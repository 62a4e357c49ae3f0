"""Scoring by name: ``score``, ``score_representation`` and ``protocol``."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, find_metrics, protocol, score, score_representation
from dis_bench.metrics.bootstrap import bootstrap
from dis_bench.metrics.metric import metric
from dis_bench.metrics.mig import mig
from dis_bench.metrics.score_card import make_card

from .cases import load_case

# 400 rows are enough, whatever a protocol calls them.
FEWER = {
    "rows": 400,
    **dict.fromkeys(["train", "train_points", "train_votes"], 300),
    **dict.fromkeys(["test", "test_points", "test_votes"], 100),
    "labels": (10, 300),
}
FEW = {
    name: {parameter: FEWER[parameter] for parameter in metric.parameters if parameter in FEWER}
    for name, metric in find_metrics().items()
}


@pytest.fixture
def small():
    codes, factors = load_case("B_identity")
    return codes[:400], factors[:400]


def test_all_built_in_metrics_in_a_stable_order(small):
    scores = score(*small, parameters=FEW)
    assert isinstance(scores, pd.Series)
    names = list(find_metrics())
    assert names == sorted(names)
    assert {"betavae_score", "dci", "mig", "sap"} < set(names)
    columns = [next(name for name in names[::-1] if column.startswith(name)) for column in scores.index]
    assert list(dict.fromkeys(columns)) == names
    assert scores["betavae_score"] > 0.95
    assert scores["dci_disentanglement"] > 0.95
    assert scores["mig"] == mig(*small, rows=400)


def test_names_functions_and_files(small, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def rows_of(codes, factors, *, extra=0):\n    return len(codes) + extra\n")

    def width(codes, factors):
        return codes.shape[1]

    wanted = [f"{file}:rows_of", width, "mig", mig]
    scores = score(*small, wanted, parameters={"mig": {"rows": 400}, "rows_of": {"extra": 1}})
    assert scores.drop("mig").to_dict() == {"rows_of": 401.0, "width": 6.0}
    assert list(scores.index) == ["rows_of", "width", "mig"]
    assert list(score(*small, "mig", parameters={"mig": {"rows": 400}}).index) == ["mig"]


def test_metrics_that_need_log_variances_are_scored_where_they_are_given(small):
    assert "mig_sampled" not in find_metrics()
    names = list(find_metrics(given=["log_variances"]))
    assert set(names) == {*find_metrics(), "mig_sampled"}
    scores = score(
        *small,
        log_variances=np.full(small[0].shape, -4.0),
        parameters={**FEW, "mig_sampled": {"rows": 400, "samples": 400}},
    )
    assert 0.3 < scores["mig_sampled"] < 1
    assert scores["mig"] == mig(*small, rows=400)


def test_without_factors_the_metrics_that_look_at_codes_alone_are_scored(small):
    codes, factors = small
    alone = [name for name, metric in find_metrics().items() if not metric.reads_factors]
    assert list(find_metrics(has_factors=False)) == alone
    expected = score(codes, factors, alone, allow_small=True)
    pd.testing.assert_series_equal(score(codes, None, allow_small=True), expected)
    table = Representation(codes, None, allow_small=True)
    assert list(make_card(table, anchors=False).table.index) == alone
    assert list(bootstrap(table, resamples=2).index) == alone


def test_a_protocol_is_what_a_record_reads_back(small):
    used = protocol(["downstream", "mig"])
    assert json.loads(json.dumps(used)) == used
    assert used["downstream"]["labels"] == [10, 100, 1_000, 10_000]


def test_columns_carry_the_name_that_was_asked_for(small):
    @metric(keys=("a",))
    def pair(representation):
        return {"a": 1.0}

    assert score(*small, pair).to_dict() == {"pair_a": 1.0}


def test_refuses_two_metrics_of_one_name(small):
    def mig(codes, factors):
        return 0.0

    with pytest.raises(InputError, match="two metrics are called 'mig'"):
        score(*small, ["mig", mig])


def test_the_protocol_stands_beside_the_scores(small):
    scores, used = score_representation(Representation(*small), ["mig"], {"mig": {"rows": np.int64(400)}})
    assert used == {"mig": {"version": 1, "rows": 400, "bins": 20}}
    assert type(used["mig"]["rows"]) is int
    assert scores == {"mig": mig(*small, rows=400)}
    assert protocol(["mig"], {"mig": {"rows": 400}}) == used
    assert protocol()["dci"] == {"version": 2, "train": 10_000, "test": 5_000, "estimator": "fast"}


def test_a_file_is_versioned_by_its_content(tmp_path):
    versions = set()
    for name, body in (("one", "return 1.0"), ("two", "return 2.0")):
        file = tmp_path / f"{name}.py"
        file.write_text(f"def mine(codes, factors):\n    {body}\n")
        versions.add(protocol([f"{file}:mine"])["mine"]["version"])
    assert len(versions) == 2


def test_refuses_before_anything_is_computed(small):
    calls = []

    def never(codes, factors):
        calls.append(1)
        return 0.0

    for metrics, parameters, message in [
        ([never, "migg"], {}, "unknown metric 'migg': did you mean 'mig'"),
        ([never, "mig"], {"mig": {"bin": 1}}, "unknown parameter of mig 'bin'"),
        ([never, "mig"], {"sap": {}}, "unknown metric in parameters 'sap'"),
        ([never, 3], {}, "metric '3' must be a function"),
        (3, {}, "metrics must be names or functions, but 3 was given"),
        ([], {}, "no metric was named"),
        ([never, "mig"], {1: {}}, "metric in parameters must be one of mig, never, but 1 was given"),
        ([never, "mig"], {"mig": {1: 2}}, "parameter of mig must be one of bins, rows, but 1 was given"),
        (
            [never, "mig"],
            {"mig": {None: 2}},
            "parameter of mig must be one of bins, rows, but None was given",
        ),
        ([never, "mig"], {"mig": 20}, "parameters must map metrics to values by name, .* but 20 was given"),
        ([never, "mig"], ["mig"], r"parameters must map metrics to values .* but \['mig'\] was given"),
        ([never, "mig"], {"mig": {"bins": 10.5}}, "bins of mig must be a whole number"),
    ]:
        with pytest.raises(InputError, match=message):
            score(*small, metrics, parameters=parameters)
    assert calls == []


def test_refuses_metrics_that_fill_one_column(small):
    def dci_disentanglement(codes, factors):
        return 0.123

    with pytest.raises(InputError, match="'dci' and 'dci_disentanglement' both fill the column 'dci_dis"):
        score(*small, ["dci", dci_disentanglement])

    def pair(codes, factors):
        return {"a": 1.0}

    def pair_a(codes, factors):
        return 2.0

    for metrics in ([pair, pair_a], [pair_a, pair]):  # what a plain function fills, only running it tells
        with pytest.raises(InputError, match="fills the column 'pair_a' of another metric: rename it"):
            score(*small, metrics)
