"""Anchors are kept with the results of a study: each is computed once, and none fails a run."""

import dataclasses

import pytest

from dis_bench.records.anchors import read_anchors
from dis_bench.records.store import Store
from dis_bench.runners.run import run_study
from dis_bench.runners.scoring.anchors import keep_anchors
from tests.runners.test_run import HERE, TINY

STUDY = dataclasses.replace(TINY, seeds=1, betas=[1])


def files(out):
    return {path: path.stat().st_mtime_ns for path in (out / "anchors").iterdir()}


def test_a_study_leaves_anchors_once(tmp_path):
    run_study(STUDY, tmp_path, workers=0)
    [anchor], problems = read_anchors(tmp_path)
    assert problems == []
    cell = STUDY.plan().cells[0]
    assert [anchor[name] for name in ("dataset", "fingerprint", "dataset_version", "dataset_parameters")] == [
        *(cell.dataset, cell.fingerprint, cell.dataset_version, "none"),
    ]
    assert (anchor["latent_size"], anchor["rows"]) == (4, 256)
    assert (anchor["metric"], anchor["grid"]) == ("mean_code", [8, 8, 4])
    assert anchor["scores"]["mean_code"]["perfect"] == pytest.approx(0, abs=1e-12)
    assert abs(anchor["scores"]["mean_code"]["chance"]) < 4 / 32  # the mean of 1,024 standard normal numbers
    before = files(tmp_path)
    run_study(STUDY, tmp_path, workers=0)
    assert files(tmp_path) == before
    run_study(dataclasses.replace(STUDY, latent_size=5), tmp_path, workers=0)
    assert len(files(tmp_path)) == 2
    assert before.items() <= files(tmp_path).items()


def test_a_metric_that_refuses_has_no_anchors(tmp_path):
    run_study(dataclasses.replace(STUDY, metrics=[f"{HERE}:refusing"]), tmp_path, workers=0)
    assert [anchor["scores"] for anchor in read_anchors(tmp_path)[0]] == [{}]


def test_a_metric_that_was_not_tried_gets_none(tmp_path):
    plan = dataclasses.replace(STUDY, metrics=[*STUDY.metrics, f"{HERE}:refusing"]).plan()
    keep_anchors(plan, ["mean_code"], Store(tmp_path))
    assert [anchor["metric"] for anchor in read_anchors(tmp_path)[0]] == ["mean_code"]


def test_a_failure_does_not_cost_the_run(tmp_path):
    (tmp_path / "anchors").write_text("in the way")
    with pytest.warns(UserWarning, match="no anchors were kept: "):
        table = run_study(STUDY, tmp_path, workers=0)
    assert table["status"].tolist() == ["done"]


def test_damaged_anchors_are_computed_again(tmp_path):
    run_study(STUDY, tmp_path, workers=0)
    [path] = (tmp_path / "anchors").iterdir()
    whole = path.read_bytes()
    path.write_bytes(b"")
    run_study(STUDY, tmp_path, workers=0)
    assert path.read_bytes() == whole


def test_a_folder_without_anchors_has_none(tmp_path):
    assert read_anchors(tmp_path) == ([], [])
