"""A study run in stacks has the same records as one run cell by cell, even after interruptions."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from dis_bench.records.weights import read_weights
from dis_bench.runners.engines import gpu
from dis_bench.runners.engines.sizes import Choice, StackCost
from dis_bench.runners.estimate import _measure_group
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.run import build_pipeline, run_study
from dis_bench.runners.study import Study
from dis_bench.runners.training.cuda_graph import WARM_UP_CALLS
from dis_bench.runners.watch import Watcher

HERE = str(Path(__file__).parents[2] / "tiny.py")
TINY = Study(
    betas=[1, 4],
    datasets=[f"{HERE}:Tiny"],
    metrics=[f"{HERE}:mean_code"],
    seeds=2,
    steps=3,
    batch_size=8,
    latent_size=4,
    device="cpu",
    precision="fp32",
    kernels="torch",  # as stacks compute
)


def run(study, out, **options):
    return run_study(study, out, **{"workers": 0, "stack": True, **options})


def record(folder, number=1):
    return json.loads(
        Path(folder, "record.json" if number == 1 else f"record.{number}.json").read_text(encoding="utf-8")
    )


def test_the_table_is_that_of_cells_one_by_one(tmp_path):
    together = run(TINY, tmp_path / "together")
    one_by_one = run_study(TINY, tmp_path / "alone", workers=0)
    took = ["folder", "train_seconds", "score_seconds", "images_per_second"]
    # A code's mean is near 0: its rounding errors are those of numbers near 1.
    pd.testing.assert_frame_equal(
        together.drop(columns=took), one_by_one.drop(columns=took), rtol=1e-3, atol=1e-3
    )
    for folder, other in zip(together["folder"], one_by_one["folder"], strict=True):
        names = {path.name for path in Path(folder).iterdir()}
        assert names == {path.name for path in Path(other).iterdir()} | {"record.2.json"}
        logs = [pd.read_csv(Path(one, "training.csv")) for one in (folder, other)]
        pd.testing.assert_frame_equal(*logs, rtol=1e-3, atol=1e-3)


def test_a_cell_that_another_run_trained_meanwhile_is_scored(tmp_path):
    changed = {"models": ["pca"], "betas": (), "seeds": 1, "metrics": ["mig"], "allow_small": True}
    alone = dataclasses.replace(TINY, **changed)
    plan, store = alone.plan(), Store(tmp_path)
    jobs, pipeline = choose_jobs(plan, store, "missing"), build_pipeline(plan, store, "")
    run_study(dataclasses.replace(alone, metrics=[]), tmp_path, workers=0)
    [(_, scored)] = gpu.run_stacks(jobs, pipeline, workers=0, watch=lambda event: None)
    assert (scored["status"], scored["failure"], [*scored["scores"]]) == ("done", None, ["mig"])


def test_stacks_are_planned_without_compiled_kernels(tmp_path):
    study = dataclasses.replace(TINY, kernels="auto", betas=[1])
    assert {record(folder)["cell"]["kernels"] for folder in run(study, tmp_path)["folder"]} == {"torch"}
    with pytest.raises(
        InputError, match="--kernels compiled was given, but stacks train with torch's layers"
    ):
        run(dataclasses.replace(study, kernels="compiled"), tmp_path)


def test_records_say_what_they_were_trained_with_and_scores_come_second(tmp_path):
    table = run(TINY, tmp_path, command="as typed")
    first, second = (record(table["folder"][0], number) for number in (1, 2))
    assert first["status"] == "done"
    assert first["environment"]["stack"] == {
        "cells": 4,
        "convolutions": "torch",
        "captured": False,
        "measured": [],
    }
    assert first["scores"] == {}
    assert list(second["scores"]) == ["mean_code"]
    assert second["rescored"]["command"] == "as typed"
    seconds = first["timing"]["train_seconds"]  # the cell's share of its stack's
    assert first["timing"]["images_per_second"] == pytest.approx(3 * 8 / seconds)


def test_what_is_done_is_not_done_again_and_more_seeds_are(tmp_path):
    run(TINY, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("cells/*/*")}
    run(TINY, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("cells/*/*")} == before
    table = run(dataclasses.replace(TINY, seeds=3), tmp_path)
    assert record(table[table["seed"] == 2].iloc[0]["folder"])["environment"]["stack"]["cells"] == 2
    assert before.items() <= {path: path.read_bytes() for path in tmp_path.glob("cells/*/*")}.items()


def test_jobs_are_returned_as_they_were_given(tmp_path):
    store = Store(tmp_path)
    jobs = choose_jobs(TINY.plan(), store, "missing")
    pipeline = build_pipeline(TINY.plan(), store, "")
    ended = [*gpu.run_stacks(jobs, pipeline, workers=0, watch=lambda event: None)]
    assert {job for job, _ in ended} == {*jobs}
    assert [list(record["scores"]) for _, record in ended] == [["mean_code"]] * 4


def test_always_does_all_again(tmp_path):
    first = run(TINY, tmp_path)
    second = run(TINY, tmp_path, rerun="always")
    assert len(list((tmp_path / "superseded").iterdir())) == 4
    pd.testing.assert_series_equal(first["mean_code"], second["mean_code"])


def test_new_metrics_are_scored_without_training(tmp_path):
    run(dataclasses.replace(TINY, metrics=()), tmp_path)
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cells/*/weights.safetensors")}
    assert run(TINY, tmp_path)["mean_code"].notna().all()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("cells/*/weights.safetensors")} == weights


def test_a_diverging_cell_is_recorded_and_its_neighbours_go_on(tmp_path):
    settings = {"bounded.bound": [-1.0, 1e9]}
    study = dataclasses.replace(TINY, models=[f"{HERE}:Bounded"], betas=[1], settings=settings, seeds=1)
    table = run(study, tmp_path).set_index("bound")
    assert table["status"].to_dict() == {-1.0: "failed", 1e9: "done"}
    assert "not finite at step 1: loss = nan" in table["failure"][-1.0]
    assert table["mean_code"].notna().to_dict() == {-1.0: False, 1e9: True}
    assert [
        job.cell.hyperparameters["bound"] for job in choose_jobs(study.plan(), Store(tmp_path), "missing")
    ] == [-1]


def test_a_loss_that_is_not_made_for_stacks_is_trained_one_by_one_with_a_word(tmp_path):
    study = dataclasses.replace(TINY, models=[f"{HERE}:Diverging"], betas=[6, 1], seeds=1)
    with pytest.warns(UserWarning, match="2 cells of model diverging are trained one by one"):
        table = run(study, tmp_path).set_index("beta")
    assert table["status"].to_dict() == {1.0: "done", 6.0: "failed"}
    assert table["mean_code"].notna().to_dict() == {1.0: True, 6.0: False}


def test_one_that_says_so_needs_no_word(tmp_path):
    study = dataclasses.replace(TINY, models=[f"{HERE}:Alone"], betas=[6, 1], seeds=1)
    assert run(study, tmp_path).set_index("beta")["status"].to_dict() == {1.0: "done", 6.0: "failed"}


def test_a_stack_that_is_too_large_for_the_memory_is_halved(tmp_path, monkeypatch):
    sizes = []
    train = gpu.train_cells

    def small_only(cells, *given):
        sizes.append(len(cells))
        if len(cells) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return train(cells, *given)

    monkeypatch.setattr(gpu, "train_cells", small_only)
    assert run(TINY, tmp_path)["status"].tolist() == ["done"] * 4
    assert sizes == [4, 2, 1, 1, 2, 1, 1]


def test_an_estimate_of_a_stack_is_the_share_of_a_cell():
    plan = TINY.plan()
    pipeline = build_pipeline(plan, Store("no-such-folder"), "")
    group = choose_jobs(plan, Store("no-such-folder"), "missing")
    assert 0 < _measure_group(group, pipeline, steps=2) < 5
    alone = dataclasses.replace(TINY, models=[f"{HERE}:Alone"]).plan()
    jobs = choose_jobs(alone, Store("no-such-folder"), "missing")
    assert 0 < _measure_group(jobs, build_pipeline(alone, Store("no-such-folder"), ""), steps=3) < 5


def test_what_cannot_be_measured_is_trained_all_the_same(tmp_path, monkeypatch):
    def fail(group, pipeline):
        raise RuntimeError("no measuring\nand more")

    monkeypatch.setattr(gpu, "choose_stacks", fail)
    monkeypatch.setattr(gpu, "LARGEST", 3)
    with pytest.warns(UserWarning, match="stacks have 3 cells at most, unmeasured: .*: no measuring$"):
        table = run(TINY, tmp_path)
    assert table["status"].tolist() == ["done"] * 4
    sizes = [record(folder)["environment"]["stack"]["cells"] for folder in table["folder"]]
    assert sizes == [2] * 4


def test_what_was_chosen_is_what_trains_and_stands_in_the_records(tmp_path, monkeypatch):
    cost = StackCost(2, "patches", 0.5, 10**9, False)
    choice = Choice(2, "patches", False, (cost,))
    monkeypatch.setattr(gpu, "choose_stacks", lambda group, pipeline: choice)
    folder = run(TINY, tmp_path)["folder"][0]
    assert record(folder)["environment"]["stack"] == {
        "cells": 2,
        "convolutions": "patches",
        "captured": False,
        "measured": ["2 cells by patches, launched: 500 ms, 1 GB"],
    }


@pytest.mark.parametrize("broken", ["train_cells", "cells"])
def test_a_device_that_broke_ends_the_run_and_is_no_failure_of_the_other_cells(broken, tmp_path, monkeypatch):
    # Like an illegal access, after which every CUDA call of the process fails.
    def fail(*given, **options):
        raise RuntimeError("an illegal memory access was encountered")

    if broken == "train_cells":
        monkeypatch.setattr(gpu, "train_cells", fail)
    study = (
        TINY if broken == "train_cells" else dataclasses.replace(TINY, models=[f"{HERE}:Alone"], betas=[6])
    )
    monkeypatch.setattr(gpu, "check_device", fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        run(study, tmp_path)
    assert len(list((tmp_path / "cells").glob("*"))) == (broken == "cells")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_study_ends_in_records_that_need_no_gpu(tmp_path):
    study = dataclasses.replace(TINY, device="cuda", precision="auto", seeds=5, steps=WARM_UP_CALLS + 3)
    table = run_study(study, tmp_path)
    assert table["status"].tolist() == ["done"] * 10
    assert table["mean_code"].notna().all()
    for folder in table["folder"]:
        stack = record(folder)["environment"]["stack"]
        assert stack["captured"]
        assert stack["measured"]
        weights = read_weights(folder)
        assert {weight.device.type for weight in weights.values()} == {"cpu"}
        read_weights(folder)


def test_an_estimate_is_made_all_the_same_where_stacks_cannot_be_measured(monkeypatch):
    def fail(*given):
        raise RuntimeError("no measuring")

    monkeypatch.setattr("dis_bench.runners.estimate.choose_stacks", fail)
    plan = TINY.plan()
    store = Store("no-such-folder")
    assert 0 < _measure_group(choose_jobs(plan, store, "missing"), build_pipeline(plan, store, ""), 3) < 5


class Stopping(Watcher):
    """A watcher that interrupts at an event for which ``when`` is true."""

    def __init__(self, when):
        self.when = when

    def watch(self, event):
        if self.when(*event):
            raise KeyboardInterrupt


def test_an_interruption_keeps_finished_stacks_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "choose_stacks", lambda group, pipeline: Choice(2))
    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path, watcher=Stopping(lambda cell, what: cell.seed == 1))
    assert sorted(read_results(tmp_path)["seed"]) == [0, 0]
    assert len(list((tmp_path / "cells").iterdir())) == 2
    assert run(TINY, tmp_path)["mean_code"].notna().tolist() == [True] * 4


def test_a_kill_between_training_and_scoring_costs_only_the_scoring(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path, watcher=Stopping(lambda cell, what: what == "scoring mean_code"))
    assert len(read_results(tmp_path)) == 1  # the first; the others in its stack were not encoded yet
    jobs = choose_jobs(TINY.plan(), Store(tmp_path), "missing")
    assert [job.scores_only for job in jobs] == [True, False, False, False]


class Listing(Watcher):
    """A watcher that collects all events in order."""

    def __init__(self):
        self.seen = []

    def watch(self, event):
        cell, what = event
        self.seen.append((cell.seed, what if isinstance(what, str) else what.step))

    def finish(self, cell, record):
        self.seen.append((cell.seed, record["status"]))


@pytest.mark.slow
def test_workers_score_while_this_process_trains(tmp_path):
    watcher = Listing()
    table = run(TINY, tmp_path, workers=1, watcher=watcher)
    assert table["mean_code"].notna().all()
    for seed in (0, 1):
        own = [what for number, what in watcher.seen if number == seed]
        assert own.count("encoding") == own.count("scoring mean_code") == own.count("done") == 2


@pytest.mark.slow
def test_a_worker_that_dies_scoring_stops_neither_the_training_nor_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "choose_stacks", lambda group, pipeline: Choice(2))
    study = dataclasses.replace(TINY, metrics=[f"{HERE}:deadly"], seeds=1)
    table = run(study, tmp_path, workers=1)
    assert table["status"].tolist() == ["failed"] * 2
    assert all("killed 2 times" in reason and "training is kept" in reason for reason in table["failure"])
    assert read_results(tmp_path)["status"].tolist() == ["done"] * 2
