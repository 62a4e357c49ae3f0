"""Compared cells differ in nothing but model, hyperparameters and seed."""

import copy
import re

import pytest

from dis_bench.records.record import read_records
from dis_bench.reports.settings import _unique, format_value, split_settings
from tests.records.kept_store import put_encoder
from tests.reports.made_up import PROTOCOL, write_study


def test_one_study_is_one_setting(study):
    [setting] = split_settings(study())
    assert setting.title == "dsprites (rendered), 3,000 steps"
    assert setting.slug == "dsprites-rendered-3000steps"
    assert setting.protocol == PROTOCOL
    assert len(setting.cells) == 9


def test_models_share_a_setting(study):
    study()
    [setting] = split_settings(study(betas=[None], model="vae"))
    assert list(setting.cells["series"].unique()) == ["betavae", "vae"]


def test_betas_sort_as_numbers(study):
    [setting] = split_settings(study(betas=[10, 4, 1, 0.5], seeds=[0]))
    assert list(setting.cells["beta"]) == [0.5, 1, 4, 10]
    assert list(setting.cells["label"]) == [f"betavae, β = {beta}" for beta in ("0.5", "1", "4", "10")]


@pytest.mark.parametrize(
    ("change", "titles"),
    [
        ({"source": "official"}, ["dsprites (official), 3,000 steps", "dsprites (rendered), 3,000 steps"]),
        ({"steps": 300_000}, ["dsprites (rendered), 3,000 steps", "dsprites (rendered), 300,000 steps"]),
        ({"dataset": "shapes3d"}, ["dsprites (rendered), 3,000 steps", "shapes3d (rendered), 3,000 steps"]),
    ],
)
def test_what_must_not_be_mixed(study, change, titles):
    study()
    settings = split_settings(study(**change))
    assert [setting.title for setting in settings] == titles
    assert [len(setting.cells) for setting in settings] == [9, 9]


def test_titles_say_what_else_differs(study):
    records = study(seeds=[0])
    others = copy.deepcopy(records)
    for record in others:
        record["cell"]["lr"] = 1e-4
        record["hash"] += "x"
    titles = [setting.title for setting in split_settings(records + others)]
    assert titles == [f"dsprites (rendered), 3,000 steps, lr {lr}" for lr in ("0.0001", "0.0005")]
    assert len({setting.slug for setting in split_settings(records + others)}) == 2


def test_cells_with_clipped_gradients_are_another_setting(study):
    records = study(seeds=[0])
    clipped = copy.deepcopy(records)
    for record in clipped:
        record["cell"]["clip_norm"] = 1.0
        record["hash"] += "x"
    titles = [setting.title for setting in split_settings(records + clipped)]
    assert sorted(titles) == [f"dsprites (rendered), 3,000 steps, clip norm {norm}" for norm in ("1", "none")]


def test_scheduled_cells_are_a_series_of_the_same_setting(study):
    records = study(seeds=[0], betas=[1.0, 4.0])
    scheduled = copy.deepcopy(records)
    for record in scheduled:
        beta = record["cell"]["hyperparameters"]["beta"]
        record["cell"]["schedules"] = {"beta": f"linear(0,{beta:g},0.1)"}
        record["hash"] += "x"
    [setting] = split_settings(records + scheduled)
    cells = setting.cells.groupby("series")["level"].apply(list).to_dict()
    assert cells == {"betavae": [1.0, 4.0], "betavae, beta schedule = linear(0,β,0.1)": [1.0, 4.0]}


def test_another_protocol_is_another_setting(study):
    study(seeds=[0])
    settings = split_settings(
        study(seeds=[1], protocol={**PROTOCOL, "mig": {"version": 1, "rows": 10_000, "bins": 40}})
    )
    assert [setting.title.rpartition(", ")[2] for setting in settings] == ["mig bins 20", "mig bins 40"]
    assert [list(setting.cells["seed"]) for setting in settings] == [[0, 0, 0], [1, 1, 1]]


def test_a_metric_that_was_not_asked_for_contradicts_nobody(study):
    study(seeds=[0])
    [setting] = split_settings(study(seeds=[1], protocol={"mig": PROTOCOL["mig"]}))
    assert len(setting.cells) == 6


def test_a_metric_that_failed_in_one_seed_leaves_its_cell_with_those_that_agree(study):
    first = {"mig": {**PROTOCOL["mig"], "bins": 20}, "sap": {"version": "a"}}
    second = {"mig": {**PROTOCOL["mig"], "bins": 40}, "sap": {"version": "b"}}
    study(betas=[4], seeds=range(6), protocol=first)
    study(betas=[4], seeds=range(6, 9), protocol=second)
    study(betas=[4], seeds=[9], protocol={"mig": second["mig"]})
    settings = split_settings(study(betas=[4], seeds=[10], failed=[(4, 10)]))
    assert {tuple(setting.cells["seed"]) for setting in settings} == {(0, 1, 2, 3, 4, 5, 10), (6, 7, 8, 9)}
    assert [setting.title.partition("steps, ")[2] for setting in settings] == [
        "mig bins 20, sap version a",
        "mig bins 40, sap version b",
    ]


def test_a_trained_cell_stays_before_encoders_that_have_more_metrics(tmp_path):
    write_study(tmp_path, betas=[4], seeds=[0], pictures=False, protocol={"mig": PROTOCOL["mig"]})
    put_encoder(tmp_path, source="rendered", fingerprint="dsprites-rendered-f00d")
    [setting] = split_settings(read_records(tmp_path)[0])
    assert setting.title == "dsprites (rendered), 3,000 steps"


def test_no_two_settings_have_one_title(study):
    short, long = {"mig": {"version": 1}}, {"mig": {"version": 1, "rows": 10_000}}
    study(betas=[4], seeds=[0], protocol=short)
    settings = split_settings(study(betas=[4], seeds=[1], protocol=long))
    titles = ["dsprites (rendered), 3,000 steps", "dsprites (rendered), 3,000 steps, mig rows 10,000"]
    assert sorted(setting.title for setting in settings) == titles
    alike = {"mig": {"version": "1"}}  # a text, which looks like the number
    settings = split_settings(study(betas=[4], seeds=[2], protocol=alike))
    assert len({setting.title for setting in settings}) == 3


def test_failed_cells_stay_in_their_setting(study):
    [setting] = split_settings(study(failed=[(4.0, 1)]))
    assert (len(setting.cells), len(setting.done)) == (9, 8)


def test_other_hyperparameters_make_series_only_where_they_vary(study):
    study(model="betatcvae", others={"alpha": 1.0, "gamma": 10.0}, betas=[1, 4])
    [setting] = split_settings(study(model="betatcvae", others={"alpha": 1.0, "gamma": 20.0}, betas=[1, 4]))
    assert list(setting.cells["series"].unique()) == ["betatcvae, gamma = 10", "betatcvae, gamma = 20"]


def test_versions_of_a_model_are_not_one_configuration(study):
    records = study(seeds=[0], betas=[4])
    other = copy.deepcopy(records[0])
    other["cell"]["model_version"] = "dis-bench 0.2.0"
    other["hash"] = "another"
    [setting] = split_settings([*records, other])
    assert list(setting.cells["series"]) == ["betavae [dis-bench 0.1.0]", "betavae [dis-bench 0.2.0]"]


def test_models_of_two_files_are_told_apart(study):
    study(model="a/mine.py:MyVAE", seeds=[0], betas=[4])
    [setting] = split_settings(study(model="b/mine.py:MyVAE", seeds=[0], betas=[4]))
    assert list(setting.cells["series"]) == ["a/mine.py:MyVAE", "b/mine.py:MyVAE"]


def test_a_copied_cell_counts_once(study):
    records = study()
    [setting] = split_settings(records + copy.deepcopy(records))
    assert len(setting.cells) == 9


def test_names_of_files_are_plain_short_and_unlike(study):
    datasets = ["a/../b", "a.../b", "L" * 180, "L" * 181, "-", "\u202e"]
    for dataset in datasets:
        records = study(dataset=dataset, betas=[1], seeds=[0])
    slugs = [setting.slug for setting in split_settings(records)]
    assert len(set(slugs)) == len(slugs) == len(datasets)
    assert all(re.fullmatch(r"[a-z0-9-]{1,180}", slug) for slug in slugs)


def test_a_number_added_to_a_name_makes_no_second_of_another_name():
    assert _unique(["a", "a", "a-2", "a"]) == ["a", "a-2", "a-2-2", "a-3"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.0, "4"),
        (0.25, "0.25"),
        (4.0000001, "4.0000001"),
        (300_000, "300,000"),
        (True, "True"),
        ("adam", "adam"),
    ],
)
def test_values_for_people(value, text):
    assert format_value(value) == text
