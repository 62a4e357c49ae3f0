"""Anchors are shown beside the scores for which they hold, and beside no others."""

import copy
import dataclasses

import pytest

from dis_bench.records.anchors import read_anchors
from dis_bench.records.record import read_records
from dis_bench.reports.anchors import gather_anchors, match_anchors
from dis_bench.reports.caveats import find_caveats
from dis_bench.reports.settings import split_settings
from dis_bench.runners.run import run_study
from tests.reports.made_up import LATENTS, PROTOCOL, write_anchors
from tests.runners.test_run import TINY

CELL = {"dataset": "dsprites", "latent_size": LATENTS}


@pytest.fixture
def folder(tmp_path):
    write_anchors(tmp_path, {"mig": (0.8, 0.1)})
    return tmp_path


def test_anchors_by_score(folder):
    write_anchors(folder, {"dci_disentanglement": (1.0, 0.0), "dci_completeness": (0.9, 0.2)})
    assert match_anchors(gather_anchors(folder, []), CELL, PROTOCOL) == {
        "mig": (0.8, 0.1),
        "dci_disentanglement": (1.0, 0.0),
        "dci_completeness": (0.9, 0.2),
    }


@pytest.mark.parametrize(
    ("cell", "protocol"),
    [
        ({**CELL, "dataset": "shapes3d"}, PROTOCOL),
        ({**CELL, "latent_size": LATENTS + 1}, PROTOCOL),
        (CELL, {"mig": {**PROTOCOL["mig"], "bins": 40}}),
        (CELL, {"mig": {**PROTOCOL["mig"], "version": 2}}),
        (CELL, {"sap": PROTOCOL["mig"]}),
        (CELL, {}),
    ],
)
def test_anchors_of_something_else_are_no_anchors(folder, cell, protocol):
    assert match_anchors(gather_anchors(folder, []), cell, protocol) == {}


def test_what_contradicts_itself_is_left_out(folder):
    write_anchors(folder, {"mig": (0.8, 0.1)}, grid=[3, 6])
    assert match_anchors(gather_anchors(folder, []), CELL, PROTOCOL) == {"mig": (0.8, 0.1)}
    write_anchors(folder, {"mig": (0.7, 0.1)}, grid=[3, 7])
    assert match_anchors(gather_anchors(folder, []), CELL, PROTOCOL) == {}


OF_DATASET = {
    "fingerprint": "dsprites-rendered-f00d",
    "dataset_version": "dis-bench 0.1.0",
    "dataset_parameters": "none",
}


@pytest.mark.parametrize("changed", OF_DATASET)
def test_anchors_of_other_factors_are_no_anchors(study, tmp_path, changed):
    records = study(seeds=[0])
    write_anchors(tmp_path, {"mig": (0.7, 0.1)}, **{**OF_DATASET, changed: "another"})
    [setting] = split_settings(records, gather_anchors(tmp_path, []))
    assert setting.anchors == {}
    write_anchors(tmp_path, {"mig": (0.8, 0.1)}, **OF_DATASET)
    [setting] = split_settings(records, gather_anchors(tmp_path, []))
    assert setting.anchors == {"mig": (0.8, 0.1)}


def test_anchors_that_name_the_dataset_take_precedence_over_earlier_ones(study, folder):
    write_anchors(folder, {"mig": (0.7, 0.1)}, **OF_DATASET)
    [setting] = split_settings(study(seeds=[0]), gather_anchors(folder, []))
    assert setting.anchors == {"mig": (0.7, 0.1)}


@pytest.mark.parametrize(
    "kept", [{"scores": {"mig": [0.1] * 5}}, {"importances": {"dci": [[0.1] * 5] * LATENTS}}]
)
def test_earlier_anchors_of_another_number_of_factors_are_no_anchors(study, tmp_path, kept):
    records = study(seeds=[0])
    for record in records:
        record["per_factor"] = kept
    records[0]["per_factor"] = {"importances": {"dci": []}}  # as of codes without a number of latents
    write_anchors(tmp_path, {"mig": (0.7, 0.1)}, grid=[1, 3, 6])
    [setting] = split_settings(records, gather_anchors(tmp_path, []))
    assert setting.anchors == {}
    write_anchors(tmp_path, {"mig": (0.8, 0.1)})
    [setting] = split_settings(records, gather_anchors(tmp_path, []))
    assert setting.anchors == {"mig": (0.8, 0.1)}


def test_what_contradicts_itself_is_said(study, folder):
    records, contradicts = study(seeds=[0]), "contradict each other"
    assert not any(contradicts in caveat for caveat in find_caveats(records, [], gather_anchors(folder, [])))
    write_anchors(folder, {"mig": (0.7, 0.1)}, grid=[3, 7])
    caveats = find_caveats(records, [], gather_anchors(folder, []))
    [caveat] = [caveat for caveat in caveats if contradicts in caveat]
    assert caveat.startswith("What a perfect code and noise score on dsprites in MIG is not shown: several ")


@pytest.mark.parametrize("damage", ["{", "[]", "", '{"schema": 2}'])
def test_damaged_files_are_told_of(folder, damage):
    (folder / "anchors" / "damaged.json").write_text(damage)
    problems = []
    assert len(gather_anchors(folder, problems)) == 1
    [problem] = problems
    assert problem.startswith(f"{folder}/anchors/damaged.json cannot be read (")


def test_a_folder_without_anchors_is_no_problem(tmp_path):
    problems = []
    assert gather_anchors(tmp_path, problems) == []
    assert problems == []


def test_each_setting_has_its_own(study, folder):
    other = {"mig": {**PROTOCOL["mig"], "bins": 40}}
    study(seeds=[0], dataset="shapes3d")
    study(seeds=[0])
    records = study(seeds=[0], steps=99, protocol=other)
    found = {s.title: s.anchors for s in split_settings(records, gather_anchors(folder, []))}
    assert found == {
        "dsprites (rendered), 99 steps": {},
        "dsprites (rendered), 3,000 steps": {"mig": (0.8, 0.1)},
        "shapes3d (rendered), 3,000 steps": {},
    }


def test_cells_that_were_scored_in_two_ways_do_not_share_anchors(study, folder):
    records = study(seeds=[0, 1])
    scored_again = copy.deepcopy(records[0])
    scored_again["protocol"]["mig"]["version"] = 2
    settings = split_settings([scored_again, *records[1:]], gather_anchors(folder, []))
    assert sorted(len(setting.cells) for setting in settings if setting.anchors) == [len(records) - 1]


def test_what_a_run_keeps_is_found(tmp_path):
    run_study(dataclasses.replace(TINY, seeds=1, betas=[1]), tmp_path, workers=0)
    [kept], _ = read_anchors(tmp_path)
    problems = []
    [setting] = split_settings(read_records(tmp_path)[0], gather_anchors(tmp_path, problems))
    assert setting.anchors["mean_code"]._asdict() == kept["scores"]["mean_code"]
    assert problems == []
