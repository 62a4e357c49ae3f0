"""Scores along training: those of the codes at some steps, without any other change to the training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dis_bench.errors import InputError
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from dis_bench.reports.along import gather_score_curves
from dis_bench.reports.report import build_report
from dis_bench.runners import stages
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from dis_bench.runners.watch import Watcher
from tests.runners.test_run import HERE

STUDY = Study(
    models=["betavae"],
    betas=[4],
    datasets=[f"{HERE}:Tiny"],
    metrics=["mig", f"{HERE}:mean_code"],
    allow_small=True,
    steps=24,
    batch_size=16,
    seeds=1,
    score_at=[20, 8],
)


class StopAt(Watcher):
    """Stops a study as Ctrl-C does, at some moment."""

    def __init__(self, moment):
        self.moment = moment

    def watch(self, news):
        if self.moment(news[1]):
            raise KeyboardInterrupt


def run(study, out, **options):
    run_study(study, out, workers=0, **options)
    store = Store(out)
    records = [store.find(cell) for cell in study.plan().cells]
    assert all(record["status"] == "done" for record in records), records[0]["failure"]
    return records


def read(record, name):
    with open(f"{record['folder']}/{name}", "rb") as file:
        return file.read()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    [record] = run(STUDY, tmp_path_factory.mktemp("whole"))
    return record


def test_a_record_has_the_scores_at_each_step(whole):
    assert whole["cell"]["score_at"] == [8, 20]
    assert [*whole["scores_at"]] == ["8", "20"]
    for point in whole["scores_at"].values():
        assert {*point["scores"]} == {"mig", "mean_code"}
        assert point["protocol"] == whole["protocol"]
        assert point["small"] == whole["small"]
    assert len({point["scores"]["mean_code"] for point in [*whole["scores_at"].values(), whole]}) == 3
    with np.load(f"{whole['folder']}/codes.8.npz") as codes, np.load(f"{whole['folder']}/codes.npz") as last:
        assert codes["codes"].shape == last["codes"].shape
        assert whole["scores_at"]["8"]["scores"]["mean_code"] == pytest.approx(
            codes["codes"].mean(), abs=1e-6
        )
        assert (codes["factors"] == last["factors"]).all()


def test_the_training_is_bit_for_bit_what_it_is_without(whole, tmp_path):
    [plain] = run(replace(STUDY, score_at=()), tmp_path)
    for name in ("weights.safetensors", "training.csv", "codes.npz"):
        assert read(plain, name) == read(whole, name)
    assert plain["scores"] == whole["scores"]
    assert plain["hash"] != whole["hash"]
    assert "scores_at" not in plain
    assert "score_at" not in plain["cell"]


MOMENTS = {
    "between two steps": lambda what: getattr(what, "step", 0) == 14,
    "at a step that is scored": lambda what: getattr(what, "step", 0) == 8,
    "while it encodes": lambda what: what == "encoding at step 20",
    "while it scores": lambda what: what == "scoring step 20",
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_cell_that_goes_on_has_what_one_that_never_stopped_has(moment, whole, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(STUDY, tmp_path, watcher=StopAt(moment))
    trained = []

    def train(*given, original=stages.train, **options):
        return original(*given, **{**options, "watch": lambda _, done: trained.append(done.step)})

    monkeypatch.setattr(stages, "train", train)
    [record] = run(STUDY, tmp_path)
    assert trained != [*range(1, 25)]  # it went on
    assert record["scores_at"] == whole["scores_at"]
    assert record["scores"] == whole["scores"]
    for name in ("weights.safetensors", "training.csv", "codes.npz"):
        assert read(record, name) == read(whole, name)


def test_codes_that_a_checkpoint_lacks_are_trained_again(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(STUDY, tmp_path, watcher=StopAt(MOMENTS["between two steps"]))
    [kept] = (tmp_path / "unfinished").glob("*/checkpoint-codes.8.npz")
    kept.unlink()
    [record] = run(STUDY, tmp_path)
    assert record["scores_at"] == whole["scores_at"]
    assert not list((tmp_path / "unfinished").glob("*/*"))


def test_a_metric_that_is_added_later_is_scored_at_each_step_without_training(tmp_path, monkeypatch):
    run(replace(STUDY, metrics=["mig"]), tmp_path)
    monkeypatch.setattr(stages, "train", None)
    [record] = run(STUDY, tmp_path)
    assert all({*point["scores"]} == {"mig", "mean_code"} for point in record["scores_at"].values())
    [again] = run(replace(STUDY, settings={"mig.bins": 7}), tmp_path)
    assert [point["protocol"]["mig"]["bins"] for point in again["scores_at"].values()] == [7, 7]
    assert again["scores_at"]["8"]["scores"]["mean_code"] == record["scores_at"]["8"]["scores"]["mean_code"]


def test_codes_of_a_step_that_cannot_be_read_cost_its_scores_alone(tmp_path):
    [record] = run(replace(STUDY, metrics=["mig"]), tmp_path)
    with open(f"{record['folder']}/codes.8.npz", "ab") as file:
        file.write(b"more")
    [record] = run(STUDY, tmp_path)
    assert "codes.8.npz cannot be read" in record["scores_at"]["8"]["unscored"]["mean_code"]
    assert "mean_code" in record["scores_at"]["20"]["scores"]
    assert "mean_code" in record["scores"]


def test_cells_in_a_stack_have_them_too(tmp_path):
    study = replace(STUDY, betas=[1, 4], kernels="torch", precision="fp32", metrics=[f"{HERE}:mean_code"])
    alone = run(study, tmp_path / "alone")
    stacked = run(study, tmp_path / "stacked", stack=True)
    for one, other in zip(alone, stacked, strict=True):
        assert other["environment"]["stack"]["cells"] == 2
        for step in ("8", "20"):
            scores = [record["scores_at"][step]["scores"]["mean_code"] for record in (one, other)]
            assert scores[0] == pytest.approx(scores[1], rel=1e-2, abs=1e-4)


def test_a_model_that_is_fitted_after_its_steps_is_fitted_at_each_of_them(tmp_path):
    study = replace(STUDY, models=["ae_ica"], betas=[], metrics=["mig"], score_at=[8, 24])
    [record] = run(study, tmp_path / "along")
    [plain] = run(replace(study, score_at=()), tmp_path / "plain")
    for name in ("weights.safetensors", "training.csv", "codes.npz"):
        assert read(plain, name) == read(record, name)
    with (
        np.load(f"{record['folder']}/codes.24.npz") as codes,
        np.load(f"{record['folder']}/codes.npz") as last,
    ):
        assert (codes["codes"] == last["codes"]).all()
    assert record["scores_at"]["24"]["scores"] == record["scores"]


def test_a_model_without_steps_has_none(tmp_path):
    [record] = run(replace(STUDY, models=["pca"], betas=[], metrics=["mig"]), tmp_path)
    assert "scores_at" not in record
    assert record["scores"]


def test_a_report_draws_them_where_there_are_any(whole, tmp_path):
    curve = gather_score_curves([whole])[whole["hash"]]
    assert curve.step.tolist() == [8, 20, 24]
    assert curve.scores["mig"].tolist() == [
        *(whole["scores_at"][step]["scores"]["mig"] for step in ("8", "20")),
        whole["scores"]["mig"],
    ]
    run(replace(STUDY, holdout=0.2, metrics=["mig"]), tmp_path)
    run(replace(STUDY, score_at=(), metrics=["mig"]), tmp_path)
    report = build_report(tmp_path)
    assert [setting.title for setting in report.settings] == [
        f"tiny (rendered), 24 steps, holdout {share}, score at {steps}"
        for share, steps in (("0", "none"), ("0.2", "8, 20"))
    ]
    drawn = [name for name in report.files if "scores-along" in name]
    assert drawn == ["plots/scores-along-tiny-rendered-24steps-2.png"]
    page = report.files["index.html"].decode()
    assert "Scores along training" in page
    assert "KL held-out" in page
    assert page.count("kept out of training, per seed") == 1
    assert {"heldout_kl", "heldout_elbo", "holdout"} <= {*read_results(tmp_path)}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        *(("holdout", value, "between 0 and 1") for value in (-0.1, 1, 1.5, float("nan"), "0.1", True)),
        ("holdout", 1e-9, "keeps none of the 256 images"),
        ("holdout", 0.95, "fewer than the batch_size 16"),
        ("score_at", 5, "must be a list of steps"),
        ("score_at", [0], "at least 1"),
        ("score_at", [2.0], "whole number"),
        ("score_at", [3, 4, 3], "3 was given twice"),
        ("score_at", [25], "of the training, which has 24, but 25"),
        ("score_at", [*range(1, 102)], "100 steps at most"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_starts(option, value, words):
    with pytest.raises(InputError, match=words):
        replace(STUDY, **{option: value}).plan()


def test_no_holdout_and_no_steps_leave_the_identity_as_it_was():
    [cell] = replace(STUDY, holdout=0, score_at=[]).plan().cells
    assert not {"holdout", "score_at"} & {*cell.identity}
    [other] = replace(STUDY, holdout=0.1).plan().cells
    assert other.identity["holdout"] == 0.1
    [last] = replace(STUDY, score_at=[24, 8]).plan().cells
    assert json.dumps(last.identity["score_at"]) == "[8, 24]"
