"""Tables smaller than a protocol wants: how it is cut, and that the scores are marked."""

from __future__ import annotations

import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, find_metrics, score, score_representation
from dis_bench.metrics.mig import mig
from dis_bench.metrics.protocol_rows import cut_protocol, row_blocks

from .cases import load_case


@pytest.fixture
def small():
    codes, factors = load_case("B_identity")
    return codes[:300], factors[:300]


@pytest.mark.parametrize(
    ("parameters", "ends"),
    [
        ({"rows": 10, "bins": 3}, (10,)),
        ({"train": 10, "test": 5}, (10, 15)),
        ({"labels": (3, 7), "test": 5}, (7, 12)),
        ({"train_points": 10, "test_points": 5}, ()),
        ({"rows": "all"}, ()),
        ({"labels": "abc", "test": 5}, ()),
        ({"labels": (), "test": 5}, ()),
    ],
)
def test_blocks_of_rows_are_known_by_the_names_of_parameters(parameters, ends):
    assert row_blocks(parameters) == ends


@pytest.mark.parametrize(
    ("parameters", "rows", "cut"),
    [
        ({"rows": 10_000, "bins": 20}, 300, {"rows": 300, "bins": 20}),
        ({"train": 10_000, "test": 5_000}, 300, {"train": 200, "test": 100}),
        ({"train": 10_000, "test": 5_000}, 3, {"train": 2, "test": 1}),
        ({"labels": (10, 100, 1_000), "test": 500}, 300, {"labels": (10, 100), "test": 100}),
        ({"labels": (1_000,), "test": 500}, 300, {"labels": (200,), "test": 100}),
    ],
)
def test_a_protocol_is_cut_to_the_rows_that_there_are(parameters, rows, cut):
    assert cut_protocol(parameters, rows) == cut


def test_a_protocol_that_can_be_had_stays_as_it_is():
    parameters = {"train": 200, "test": 100}
    assert cut_protocol(parameters, 300) is parameters


def test_small_scores_are_those_of_the_cut_protocol_and_are_marked(small):
    names = ["betavae_score", "mig", "sap", "sap_continuous"]
    scores = score(*small, names, parameters={"sap_continuous": {"rows": 300}}, allow_small=True)
    protocols = {"mig": {"rows": 300}, "sap": {"train": 200, "test": 100}, "sap_continuous": {"rows": 300}}
    assert scores.to_dict() == score(*small, names, parameters=protocols).to_dict()
    assert scores.attrs["small"] == ["mig", "sap"]
    assert score(*small, names, parameters=protocols, allow_small=True).attrs["small"] == []


def test_without_leave_the_refusal_says_how_many_rows_are_wanted(small):
    for name, wanted in (("mig", "10000 rows"), ("sap", "10000 training and 5000 test rows")):
        with pytest.raises(InputError, match=rf"wants {wanted}, but there are 300: .*--allow-small"):
            score(*small, name)


def test_the_protocol_is_the_one_that_was_scored(small):
    table = Representation(*small, allow_small=True)
    assert score_representation(table, ["mig"]).protocol == {"mig": {"version": 1, "rows": 300, "bins": 20}}
    assert table.small == {"mig"}
    called = Representation(*small, allow_small=True)
    assert mig(called) == mig(*small, rows=300)
    assert called.small == {"mig"}


def test_every_built_in_metric_scores_a_small_table_and_says_so(small):
    table = Representation(*small, log_variances=small[0] * 0 - 4, allow_small=True)
    values = score_representation(table).values
    assert set(values) - table.small == {"betavae_score"}  # it draws pairs from any number of rows
    assert {"downstream_10", "downstream_100"} <= table.small
    assert "downstream_1000" not in values
    assert set(find_metrics(given=["log_variances"])) >= {"mig_sampled"}
