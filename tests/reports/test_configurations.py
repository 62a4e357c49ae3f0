"""Configurations differ in any of their values, and are sorted by number."""

import pandas as pd
import pytest

from dis_bench.reports.configurations import add_schedules, name_cells

CHOSEN = {
    "numbers": [{"beta": 10.0}, {"beta": 4.0}, {"beta": 20.0}, {"beta": 5.0}],
    "words": [{"beta": "strong"}, {"beta": "weak"}],
    "words and numbers": [{"beta": "auto"}, {"beta": 10}, {"beta": 2.0}],
    "truth": [{"beta": 1.0, "norm": True}, {"beta": 1.0, "norm": False}],
    "one and True": [{"norm": True}, {"norm": 1}],
    "None and a word": [{"norm": None}, {"norm": "None"}, {"norm": "layer"}],
    "a number as text": [{"size": "4"}, {"size": 4}],
    "missing and None": [{"a": 1.0}, {"a": 1.0, "norm": None}],
    "lists": [{"widths": [32, 64]}, {"widths": [32, 128]}],
    "a text that imitates": [{"a": "x, b = y", "b": "z"}, {"a": "x", "b": "y, b = z"}],
    "close": [{"beta": 4.0}, {"beta": 4.0000001}],
    "huge": [{"beta": 10**400}, {"beta": 1.0}],
}


def name(chosen, models=None):
    cells = pd.DataFrame({"seed": [0] * len(chosen), "given": range(len(chosen))})
    return name_cells(cells, models or ["m"] * len(chosen), chosen)


@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN.keys())
def test_two_configurations_never_share_a_label(chosen):
    cells = name(chosen)
    assert cells["label"].nunique() == len(chosen)
    assert (cells.groupby("series")["level"].nunique(dropna=False) == cells.groupby("series").size()).all()


def test_levels_of_a_dial_sort_as_numbers():
    assert list(name(CHOSEN["numbers"])["label"]) == [f"m, β = {beta}" for beta in (4, 5, 10, 20)]


def test_series_sort_by_the_numbers_in_their_names():
    chosen = [{"beta": b, "gamma": g} for g in (10, 20, 5) for b in (1.0, 4.0)]
    assert list(name(chosen)["series"].unique()) == [f"m, gamma = {gamma}" for gamma in (5, 10, 20)]


def test_models_sort_by_the_numbers_in_their_names():
    cells = name([{}, {}], models=["vae10", "vae2"])
    assert list(cells["label"]) == ["vae2", "vae10"]


@pytest.mark.parametrize(
    ("chosen", "dial"),
    [
        ([{"gamma": 5.0, "beta": 1.0}, {"gamma": 10.0, "beta": 4.0}], "beta"),
        ([{"gamma": 5.0, "beta": 1.0}, {"gamma": 10.0, "beta": 1.0}], "gamma"),
        ([{"gamma": 5.0}, {"gamma": 10.0}], "gamma"),
        ([{"norm": True}, {"norm": False}], ""),
        ([{"beta": "a", "size": 1}, {"beta": "b", "size": 2}], "size"),
        ([{"beta": 4.0}], "beta"),
        ([{}], ""),
    ],
)
def test_the_dial_is_beta_if_it_varies_else_the_first_number_that_varies(chosen, dial):
    assert set(name(chosen)["dial"]) == {dial}


def test_a_beta_that_is_no_dial_is_named_in_the_label_only():
    cells = name([{"beta": 4.0, "gamma": 5.0}, {"beta": 4.0, "gamma": 10.0}])
    assert list(cells["label"]) == ["m, gamma = 5, β = 4", "m, gamma = 10, β = 4"]
    assert list(cells["row"]) == ["m, gamma = 5", "m, gamma = 10"]
    assert set(cells["series"]) == {"m"}


@pytest.mark.parametrize(
    ("named", "dial"),
    [("gamma", "gamma"), ("capacity", "capacity"), (None, "beta"), ("fixed", "beta"), ("gone", "beta")],
)
def test_a_model_is_drawn_along_the_dial_that_it_names_where_that_varies(named, dial):
    chosen = [{"beta": b, "gamma": b, "capacity": b, "fixed": 1.0} for b in (1.0, 2.0)]
    cells = pd.DataFrame({"seed": [0, 0], "dial": [None, named]})  # one failed before its model was built
    assert set(name_cells(cells, ["m", "m"], chosen)["dial"]) == {dial}


def test_each_model_has_its_own_dial():
    chosen = [{"gamma": g, "beta": b} for g in (1.0, 2.0) for b in (1.0, 2.0)]
    cells = pd.DataFrame({"seed": [0] * 8, "dial": ["gamma"] * 4 + ["beta"] * 4})
    named = name_cells(cells, ["one"] * 4 + ["two"] * 4, chosen * 2)
    dials = named.groupby("model_name")["dial"].unique()
    assert [dials[model].tolist() for model in ("one", "two")] == [["gamma"], ["beta"]]
    assert named.loc[named["model_name"] == "one", "series"].unique().tolist() == [
        "one, beta = 1",
        "one, beta = 2",
    ]


def test_a_schedule_is_always_told_and_cells_that_differ_in_its_end_are_one_series():
    cells = [
        {"hyperparameters": {"beta": beta}, "schedules": {"beta": f"linear(0,{beta:g},0.1)"}}
        for beta in (4.0, 10.0)
    ]
    named = name([add_schedules(cell) for cell in cells])
    assert set(named["series"]) == {"m, beta schedule = linear(0,β,0.1)"}
    assert named["level"].tolist() == [4.0, 10.0]
    plain = {"hyperparameters": {"beta": 4.0}}
    both = name([add_schedules(cell) for cell in (*cells, plain)])
    assert both["series"].nunique() == 2
    assert both["label"].nunique() == 3
