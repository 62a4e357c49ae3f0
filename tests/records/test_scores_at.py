"""Scores along training, and shares held out: believed where they are whole and the cell asks for them."""

import re

import pytest

from dis_bench.records.along import is_codes, name_codes, name_unfinished_codes
from dis_bench.records.checks.cell import check_cell
from dis_bench.records.checks.record import check_record
from dis_bench.records.record import read_newest
from dis_bench.records.schema import Damaged
from tests.reports.made_up import write_cell

POINT = {"scores": {}, "protocol": {}, "unscored": {}, "small": []}


def make_record(tmp_path, monkeypatch, scores_at):
    """Return a record whose cell asks for scores at steps 8 and 20; its hash is not looked at."""
    folder = write_cell(tmp_path)
    record = read_newest(folder, problems=[])
    monkeypatch.setattr("dis_bench.records.checks.record.hash_identity", lambda identity: record["hash"])
    cell = {**record["cell"], "score_at": [8, 20]}
    return {**record, "cell": cell, "scores_at": scores_at}, folder.name


def test_scores_at_the_steps_of_the_cell_are_believed(tmp_path, monkeypatch):
    for some in ({}, {"8": POINT}, {"8": POINT, "20": {**POINT, "unscored": {"mig": "it failed"}}}):
        check_record(*make_record(tmp_path, monkeypatch, some))


@pytest.mark.parametrize(
    ("scores_at", "words"),
    [
        ([], "its scores_at is"),
        ({"9": POINT}, "scores_at has '9'"),
        ({"8": {"scores": {}, "unscored": {}, "small": []}}, "its scores at step 8 lacks protocol"),
        ({"8": {**POINT, "scores": {"mig": 0.5}}}, "score 'mig' belongs to no metric in the protocol"),
        (
            {"8": {**POINT, "scores": {"mig": 1.5}, "protocol": {"mig": {"version": 1}}}},
            "outside the range 0 to 1 of mig",
        ),
        ({"8": {**POINT, "unscored": {"mig": 3}}}, "its unscored is 3, not a text"),
        ({"8": {**POINT, "small": "mig"}}, "its small is 'mig', not a list"),
    ],
)
def test_other_scores_are_not(tmp_path, monkeypatch, scores_at, words):
    with pytest.raises(Damaged, match=re.escape(words)):
        check_record(*make_record(tmp_path, monkeypatch, scores_at))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("holdout", value) for value in (0.0, 1.0, -0.5, 1, True, "0.1", None)),
        *(("score_at", value) for value in ("8", {"8": 1}, [0], [8.0], [True], None)),
    ],
)
def test_a_cell_with_other_values_is_not(tmp_path, name, value):
    cell = read_newest(write_cell(tmp_path), problems=[])["cell"]
    check_cell({**cell, "holdout": 0.1, "score_at": [8]})
    with pytest.raises(Damaged, match=name):
        check_cell({**cell, name: value})


def test_names_of_codes_say_what_they_are():
    assert is_codes(name_codes(1000))
    for other in ("codes.npz", "codes.0.npz", "codes.01.npz", "codes.x.npz", "codes.1.npz.npz"):
        assert not is_codes(other)
    assert name_unfinished_codes(8).startswith("checkpoint")
