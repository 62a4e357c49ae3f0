"""Tables smaller than a protocol needs: the reduced protocol, and the marked scores."""

from __future__ import annotations

import pytest

from dis_bench.errors import InputError
from dis_bench.metrics import Representation, find_metrics, score, score_representation
from dis_bench.metrics.metric import metric
from dis_bench.metrics.mig import mig
from dis_bench.metrics.protocols import check_rows, cut_protocol, row_blocks

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
        ({"labels": (5, 5), "test": 5}, ()),
        ({"labels": (0, 5), "test": 5}, ()),
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
        ({"labels": (10, 50), "test": 5_000}, 1_000, {"labels": (10, 50), "test": 950}),
        ({"labels": (10, 100, 1_000, 10_000), "test": 5_000}, 1_000, {"labels": (10, 100), "test": 334}),
        ({"labels": (200,), "test": 5_000}, 300, {"labels": (200,), "test": 100}),
        ({"labels": (201,), "test": 5_000}, 300, {"labels": (200,), "test": 100}),
        ({"labels": (10, 1_000), "test": 100}, 550, {"labels": (10,), "test": 50}),
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
    assert scores.attrs["small"] == ["betavae_score", "mig", "sap"]
    enough = score(*small, names, parameters=protocols, allow_small=True)
    assert enough.attrs["small"] == ["betavae_score"]
    assert score(*small, names, parameters=protocols).attrs["small"] == []


@pytest.mark.parametrize("name", ["betavae_score", "factorvae_score"])
def test_what_draws_from_all_rows_is_small_below_the_rows_of_a_study(name):
    codes, factors = load_case("B_identity")
    for rows, small in ((14_999, [name]), (15_000, [])):
        scores = score(codes[:rows], factors[:rows], name, allow_small=True)
        assert scores.attrs["small"] == small


def test_without_leave_the_refusal_says_how_many_rows_are_wanted(small):
    for name, wanted in (("mig", "10000 rows"), ("sap", "10000 training and 5000 test rows")):
        with pytest.raises(InputError, match=rf"needs {wanted}, but there are 300: .*allow_small=True"):
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
    assert set(values) == table.small
    assert {"downstream_10", "downstream_100"} <= table.small
    assert "downstream_1000" not in values
    assert set(find_metrics(given=["log_variances"])) >= {"mig_sampled"}


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (
            {"rows": 500},
            "own: the protocol needs 500 rows, but there are 300: give more rows, ask for fewer "
            "(parameters={'own': {'rows': 300}}), or score what there is, marked as such (allow_small=True).",
        ),
        ({"train": 300, "test": 100}, "(parameters={'own': {'train': 225, 'test': 75}})"),
        ({"labels": (10, 400), "test": 100}, "needs 400 labelled and 100 test rows, but there are 300"),
        ({"labels": (10, 400), "test": 100}, "(parameters={'own': {'labels': (10,), 'test': 60}})"),
    ],
)
def test_a_refusal_says_what_helps(parameters, sentence):
    with pytest.raises(InputError) as refusal:
        check_rows({"own": parameters}, 300)
    assert sentence in str(refusal.value)
    check_rows({"own": parameters}, 300, allow_small=True)
    check_rows({"own": parameters}, 500)


def test_what_no_leave_can_help_is_not_advised():
    with pytest.raises(InputError) as refusal:
        score([[0.0], [1.0]], [[0], [1]], "sap", allow_small=True)
    assert str(refusal.value) == "sap: at least 2 training and 1 test rows are needed, but there are 2."

    @metric()
    def greedy(representation, *, n_rows=20_000):
        return len(representation.rows(n_rows).codes)

    for allow_small in (False, True):
        with pytest.raises(InputError) as refusal:
            score(*load_case("B_identity"), greedy, allow_small=allow_small)
        assert str(refusal.value) == (
            "greedy: 20000 rows are needed, but there are 15000: give more rows, or ask for fewer."
        )


def test_too_few_rows_are_refused_before_anything_is_computed(small):
    calls = []

    def first(codes, factors):
        calls.append(1)
        return 0.0

    with pytest.raises(InputError, match="sap: the protocol needs 10000 training and 5000 test rows"):
        score(*small, [first, "sap"])
    assert calls == []
