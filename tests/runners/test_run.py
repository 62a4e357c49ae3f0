"""Studies run from grid to table: cells are done, skipped or fail, and records hold the results."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.metrics import protocol
from dis_bench.records import record as record_module
from dis_bench.records.record import write_record
from dis_bench.records.seal import read_record
from dis_bench.records.store import Store
from dis_bench.records.table import read_results
from dis_bench.records.weights import read_weights
from dis_bench.runners.estimate import estimate
from dis_bench.runners.job import Job
from dis_bench.runners.remaining import choose_jobs
from dis_bench.runners.run import build_pipeline, run_study
from dis_bench.runners.scoring.evaluation import evaluate
from dis_bench.runners.study import Study
from dis_bench.runners.training.trainee import prepare
from dis_bench.runners.watch import Watcher
from tests.records.test_store import record_of
from tests.tiny import Tiny

HERE = str(Path(__file__).parent.parent / "tiny.py")
TINY = Study(
    models=["betavae"],
    betas=[1, 4],
    datasets=[f"{HERE}:Tiny"],
    metrics=[f"{HERE}:mean_code"],
    seeds=2,
    steps=3,
    batch_size=8,
    latent_size=4,
)


def run(study, out, **options):
    return run_study(study, out, workers=0, **options)


def records(out):
    return {path: path.read_bytes() for path in Path(out).glob("cells/*/record*.json")}


def test_the_grid(tmp_path):
    study = dataclasses.replace(TINY, models=["vae", "betavae"], settings={})
    cells = study.plan().cells
    assert [(c.model, c.hyperparameters.get("beta"), c.seed) for c in cells] == [
        ("vae", None, 0),
        ("betavae", 1.0, 0),
        ("betavae", 4.0, 0),
        ("vae", None, 1),
        ("betavae", 1.0, 1),
        ("betavae", 4.0, 1),
    ]
    assert len({cell.hash for cell in cells}) == 6


def test_equal_betas_are_one_cell():
    assert len(dataclasses.replace(TINY, betas=[1, 1.0, 4], seeds=1).plan().cells) == 2


def test_settings_are_read_as_their_type():
    by_set = dataclasses.replace(TINY, betas=(), settings={"betavae.beta": ["1", "4"]})
    assert by_set.plan().cells == TINY.plan().cells


def test_budgets_give_what_was_not_said():
    quick, paper = (Study(budget=budget).plan().cells[0] for budget in ("quick", "paper"))
    assert (paper.steps, paper.batch_size, paper.lr) == (300_000, 64, 1e-4)
    assert quick.steps < 5_000
    assert Study(budget="paper", steps=7).plan().cells[0].steps == 7


def test_a_study_ends_in_a_table_and_whole_folders(tmp_path):
    table = run(TINY, tmp_path, command="dis-bench run as typed")
    assert table["beta"].tolist() == [1, 1, 4, 4]
    assert table["status"].tolist() == ["done"] * 4
    assert table["elbo"].to_numpy() == pytest.approx(-(table["reconstruction"] + table["kl"]).to_numpy())
    assert table["beta_norm"].tolist() == pytest.approx([4 / 4096] * 2 + [16 / 4096] * 2)
    pd.testing.assert_frame_equal(table, read_results(tmp_path))
    for folder in map(Path, table["folder"]):
        names = {path.name for path in folder.iterdir()}
        assert names == {"record.json", "training.csv", "codes.npz", "pictures.npz", "weights.safetensors"}
    record = json.loads((Path(table["folder"][0]) / "record.json").read_text())
    assert record["command"] == "dis-bench run as typed"
    assert record["environment"]["torch"] == torch.__version__
    assert record["dial"] == "beta"
    assert table["dial_value"].tolist() == table["beta"].tolist()


def test_models_of_every_kind_end_in_one_table(tmp_path):
    study = dataclasses.replace(TINY, models=["betavae", "factorvae", "pca"], betas=[1], seeds=1)
    table = run(study, tmp_path).set_index("model")
    assert table["status"].tolist() == ["done"] * 3
    assert table["mean_code"].notna().all()
    assert table["kl"].notna().to_dict() == {"betavae": True, "factorvae": True, "pca": False}
    assert table["mse"]["pca"] < 0.05  # ten components are enough for squares
    folder = Path(table["folder"]["pca"])
    assert {path.name for path in folder.iterdir()} == {
        "record.json", "codes.npz", "pictures.npz", "weights.safetensors"
    }  # fmt: skip
    with np.load(folder / "codes.npz") as kept:
        assert sorted(kept) == ["codes", "factors"]
    log = pd.read_csv(Path(table["folder"]["factorvae"]) / "training.csv")
    assert {"loss_autoencoder", "loss_critic", "total_correlation", "kl_3"} <= {*log}


def test_kept_codes_give_the_score_again(tmp_path):
    table = run(dataclasses.replace(TINY, betas=[1], seeds=1), tmp_path)
    with np.load(Path(table["folder"][0]) / "codes.npz", allow_pickle=False) as kept:
        assert kept["codes"].shape == (256, 4)
        assert kept["codes"].mean() == pytest.approx(table["mean_code"][0], rel=1e-5)
        np.testing.assert_array_equal(np.unique(Tiny.grid.indices(kept["factors"])), np.arange(256))


def test_kept_weights_give_the_codes_again(tmp_path):
    table = run(dataclasses.replace(TINY, betas=[1], seeds=1), tmp_path)
    folder = Path(table["folder"][0])
    plan = dataclasses.replace(TINY, betas=[1], seeds=1).plan()
    trained = prepare(plan.cells[0], plan.models, plan.datasets, "cpu")
    trained.networks.load_state_dict(read_weights(folder))
    trained.networks.eval()
    evaluation = evaluate(trained)
    with np.load(folder / "codes.npz") as kept:
        np.testing.assert_allclose(evaluation.codes, kept["codes"], atol=1e-5)


def test_pictures_are_what_the_report_expects(tmp_path):
    table = run(dataclasses.replace(TINY, betas=[1], seeds=1), tmp_path)
    with np.load(Path(table["folder"][0]) / "pictures.npz", allow_pickle=False) as pictures:
        assert pictures["originals"].shape == pictures["reconstructions"].shape == (8, 1, 64, 64)
        assert pictures["traversals"].shape == (4, 9, 1, 64, 64)
        assert {pictures[name].dtype for name in ("originals", "reconstructions", "traversals")} == {
            np.dtype("u1")
        }
        assert set(np.unique(pictures["originals"])) == {0, 255}
        # Latent d at the middle of its row is 0, so every row has its own middle picture only by chance.
        assert pictures["kl_per_latent"].sum() == pytest.approx(table["kl"][0])


def test_what_is_done_is_not_done_again(tmp_path):
    run(TINY, tmp_path)
    before = records(tmp_path)
    assert choose_jobs(TINY.plan(), Store(tmp_path), "missing") == []
    run(TINY, tmp_path)
    assert records(tmp_path) == before
    more = dataclasses.replace(TINY, seeds=3)
    assert [job.cell.seed for job in choose_jobs(more.plan(), Store(tmp_path), "missing")] == [2, 2]


@pytest.mark.parametrize("seeds", [1, 5])
def test_planning_reads_each_record_once_and_no_package_for_each(tmp_path, monkeypatch, seeds):
    plan = dataclasses.replace(TINY, seeds=seeds).plan()
    for cell in plan.cells:
        with Store(tmp_path).new_folder(cell) as folder:
            write_record(folder, record_of(cell, scores={}, protocol=protocol(plan.metrics.values())))
    choose_jobs(plan, Store(tmp_path), "missing")
    read, looks = [], []
    monkeypatch.setattr(record_module, "read_record", lambda path: read.append(path) or read_record(path))
    monkeypatch.setattr(registry, "plugins", lambda kind: looks.append(kind) or {})
    assert choose_jobs(plan, Store(tmp_path), "missing") == []
    assert len(read) == len(set(read)) == len(plan.cells)
    assert len(looks) <= len(plan.metrics)  # to plan the study, for any number of cells


def test_a_record_that_cannot_be_believed_is_named_and_its_cell_done_again(tmp_path):
    table = run(dataclasses.replace(TINY, seeds=1), tmp_path)
    damaged = Path(table["folder"][0]) / "record.json"
    damaged.write_text(damaged.read_text().replace('"beta": 1.0', '"beta": 2.0'))
    with pytest.warns(UserWarning, match=f"{damaged} cannot be read"):
        again = run(dataclasses.replace(TINY, seeds=1), tmp_path)
    pd.testing.assert_frame_equal(again[["beta", "kl"]], table[["beta", "kl"]])
    assert len(list((tmp_path / "superseded").iterdir())) == 1


def test_a_score_that_no_record_can_hold_costs_no_training(tmp_path):
    metric = tmp_path / "odd.py"
    metric.write_text("def odd(codes, factors):\n    return {'a/b': 0.5}\n")
    table = run(dataclasses.replace(TINY, seeds=1, betas=[1], metrics=[f"{metric}:odd"]), tmp_path / "out")
    assert table["status"].tolist() == ["done"]
    record = json.loads((Path(table["folder"][0]) / "record.json").read_text())
    assert "score 'odd_a/b' has a name that can head no column" in record["unscored"]["odd"]


def test_always_does_all_again_and_keeps_the_old(tmp_path):
    first = run(TINY, tmp_path)
    second = run(TINY, tmp_path, rerun="always")
    assert len(list((tmp_path / "superseded").iterdir())) == 4
    same = ["reconstruction", "kl", "mse", "mean_code"]
    pd.testing.assert_frame_equal(first[same], second[same])  # the same seeds: the same numbers, bit for bit


def test_new_metrics_are_scored_without_training(tmp_path):
    bare = dataclasses.replace(TINY, metrics=())
    assert "mean_code" not in run(bare, tmp_path)
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cells/*/weights.safetensors")}
    before = records(tmp_path)
    assert choose_jobs(TINY.plan(), Store(tmp_path), "never") == []
    table = run(TINY, tmp_path)
    assert table["mean_code"].notna().all()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("cells/*/weights.safetensors")} == weights
    after = records(tmp_path)
    assert len(after) == 8
    assert before.items() <= after.items()  # the first records are unchanged


def test_a_metric_that_fails_does_not_cost_the_training(tmp_path):
    study = dataclasses.replace(TINY, metrics=[f"{HERE}:refusing"], seeds=1)
    table = run(study, tmp_path)
    assert table["status"].tolist() == ["done"] * 2
    record = json.loads((Path(table["folder"][0]) / "record.json").read_text())
    assert record["unscored"] == {"refusing": "refusing: 256 rows are not 60."}
    assert [job.scores_only for job in choose_jobs(study.plan(), Store(tmp_path), "missing")] == [True, True]


def test_a_diverging_cell_is_recorded_and_the_others_go_on(tmp_path):
    study = dataclasses.replace(TINY, models=[f"{HERE}:Diverging"], betas=[6, 1], seeds=1)
    table = run(study, tmp_path).set_index("beta")
    assert table["status"].to_dict() == {1.0: "done", 6.0: "failed"}
    assert "not finite at step 1: loss = nan" in table["failure"][6.0]
    assert [
        job.cell.hyperparameters["beta"] for job in choose_jobs(study.plan(), Store(tmp_path), "missing")
    ] == [6]
    assert choose_jobs(study.plan(), Store(tmp_path), "never") == []


def test_a_broken_plug_in_is_recorded_with_its_traceback(tmp_path):
    study = dataclasses.replace(TINY, models=[f"{HERE}:Broken"], seeds=1, betas=[1])
    table = run(study, tmp_path)
    assert "no_such_term" in table["failure"][0]
    record = json.loads((Path(table["folder"][0]) / "record.json").read_text())
    assert "tiny.py" in record["failure"]["traceback"]


def test_a_loss_that_draws_numbers_is_decided_by_the_seed(tmp_path):
    study = dataclasses.replace(TINY, models=[f"{HERE}:Drawing"], seeds=1, betas=[1])
    torch.manual_seed(1)
    first = run(study, tmp_path / "one")
    torch.manual_seed(2)
    assert run(study, tmp_path / "two")["kl"][0] == first["kl"][0]


def test_a_metric_that_keeps_failing_leaves_one_record(tmp_path):
    study = dataclasses.replace(TINY, metrics=[f"{HERE}:refusing"], seeds=1, betas=[1])
    for _ in range(3):
        run(study, tmp_path)
    assert len(records(tmp_path)) == 1


def test_codes_that_cannot_be_read_leave_the_others_in_peace(tmp_path):
    table = run(dataclasses.replace(TINY, metrics=(), seeds=1), tmp_path)
    codes = Path(table["folder"][0]) / "codes.npz"
    codes.write_bytes(codes.read_bytes()[:1000])
    table = run(dataclasses.replace(TINY, seeds=1), tmp_path)
    assert table["mean_code"].notna().tolist() == [False, True]
    assert "codes.npz cannot be read" in (Path(table["folder"][0]) / "record.2.json").read_text()


def test_a_finished_cell_without_its_codes_is_trained_again_for_a_new_score(tmp_path):
    table = run(dataclasses.replace(TINY, metrics=(), seeds=1, betas=[1]), tmp_path)
    (Path(table["folder"][0]) / "codes.npz").unlink()
    table = run(dataclasses.replace(TINY, seeds=1, betas=[1]), tmp_path)
    assert table["mean_code"].notna().all()


def test_a_cell_that_another_run_scored_otherwise_meanwhile_is_told(tmp_path):
    study = dataclasses.replace(TINY, betas=[1], seeds=1, metrics=["mig"], allow_small=True)

    told = []

    class Beside(Watcher):
        def finish(self, cell, record):
            other = dataclasses.replace(study, settings={"mig.bins": 7})
            assert run_study(other, tmp_path, workers=0)["mig"].notna().all()

        def warn(self, sentence):
            told.append(sentence)

    run_study(study, tmp_path, workers=0, watcher=Beside())
    [sentence] = told
    assert "another run has scored 1 cell with other parameters of mig meanwhile" in sentence


def test_a_score_of_earlier_code_that_stays_is_told(tmp_path):
    file, told = tmp_path / "mine.py", []
    file.write_text("def flaky(codes, factors):\n    return 0.5\n")
    study = dataclasses.replace(TINY, betas=[1], seeds=1, metrics=[f"{file}:flaky"], allow_small=True)
    run_study(study, tmp_path / "out", workers=0)
    file.write_text("def flaky(codes, factors):\n    raise ValueError('no')\n")
    watcher = Watcher()
    watcher.warn = told.append
    assert run_study(study, tmp_path / "out", workers=0, watcher=watcher)["flaky"].tolist() == [0.5]
    assert told[-1] == (
        "flaky failed for 1 cell that had a score by an earlier protocol, which the table shows"
    )


def test_a_table_that_mixes_protocols_warns(tmp_path):
    study = dataclasses.replace(TINY, betas=[1], seeds=[0], metrics=["mig"], allow_small=True)
    run_study(study, tmp_path, workers=0)
    run_study(dataclasses.replace(study, seeds=[1], settings={"mig.bins": 7}), tmp_path, workers=0)
    with pytest.warns(UserWarning, match="the scores of mig on .* come from 2 protocols, which a mean"):
        read_results(tmp_path)


def test_a_cell_that_another_run_finished_meanwhile_is_not_done_twice(tmp_path):
    study = dataclasses.replace(TINY, seeds=1, betas=[1])
    plan, store = study.plan(), Store(tmp_path)
    pipeline = build_pipeline(plan, store, "first")
    jobs = choose_jobs(plan, store, "missing")
    pipeline(jobs[0], lambda event: None)
    before = records(tmp_path)
    pipeline(jobs[0], lambda event: None)
    assert records(tmp_path) == before
    assert not (tmp_path / "superseded").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"models": [f"{HERE}:Seeded"], "betas": ()},
            "hyperparameter called 'seed', which is the name of a column",
        ),
        ({"metrics": [f"{HERE}:kl"]}, "metric called 'kl', which is the name of a column"),
        (
            {"models": [f"{HERE}:mean_code"], "betas": ()},
            "must be a subclass of dis_bench.models.model.Model",
        ),
        ({"seeds": 10**9}, "seeds must be at most 10,000"),
        ({"settings": "abc", "betas": ()}, "settings must be a table"),
        ({"settings": {"betavae.beta": []}, "betas": ()}, "must be a value or a list of values"),
        ({"settings": {"betavae": {"beta": 1}}, "betas": ()}, "write the key in quotes"),
        ({"models": [1]}, "models must be a list of names"),
        ({"latent_size": True}, "latent_size must be a whole number"),
    ],
)
def test_refusals(changes, sentence):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(TINY, **changes).plan()
    assert sentence in str(caught.value)


def test_two_plug_ins_of_one_name_are_refused(tmp_path):
    copy = tmp_path / "tiny.py"
    copy.write_bytes(Path(HERE).read_bytes())
    study = dataclasses.replace(TINY, models=[f"{HERE}:Drawing", f"{copy}:Drawing"])
    with pytest.raises(InputError, match="two models are called 'drawing'"):
        study.plan()


def test_nothing_starts_before_all_is_checked(tmp_path):
    with pytest.raises(InputError):
        run(dataclasses.replace(TINY, betas=[1, -1]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_estimate_measures_a_step():
    plan = TINY.plan()
    cost = estimate(plan, choose_jobs(plan, Store("no-such-folder"), "missing"))
    assert 0 < cost.step_seconds < 5
    assert cost.train_seconds == pytest.approx(3 * cost.step_seconds * -(-4 // cost.workers))


@pytest.mark.parametrize(("workers", "rounds"), [(1, 5), (2, 3), (4, 2), (5, 1), (9, 1)])
def test_estimate_counts_rounds_of_whole_cells(workers, rounds, monkeypatch):
    monkeypatch.setattr("dis_bench.runners.estimate._measure_step", lambda trainee, steps: 0.5)
    plan = dataclasses.replace(TINY, betas=[1], seeds=5, steps=10).plan()
    cost = estimate(plan, choose_jobs(plan, Store("no-such-folder"), "missing"), workers=workers)
    assert cost.train_seconds == pytest.approx(rounds * 0.5 * 10)


def test_estimate_gives_no_training_to_workers_that_only_score():
    first, *others = (Job(cell) for cell in TINY.plan().cells)
    scored = [dataclasses.replace(job, scores_only=True) for job in others]
    assert estimate(TINY.plan(), [first, *scored], steps=1, workers=8).workers == 1


def test_workers_give_the_same_numbers_as_this_process(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = run_study(TINY, tmp_path / "here", workers=0)
    finally:
        torch.set_num_threads(threads)
    there = run_study(TINY, tmp_path / "there", workers=2)
    same = ["reconstruction", "kl", "mse", "mean_code", "kl_0", "kl_3"]
    pd.testing.assert_frame_equal(here[same], there[same])


@pytest.mark.slow
def test_beta_costs_reconstruction_and_saves_kl_on_dsprites(tmp_path):
    study = Study(betas=[1, 20], seeds=1, steps=350, lr=1e-3, metrics=["mig"])
    table = run_study(study, tmp_path, workers=2).set_index("beta")
    first = [pd.read_csv(Path(folder) / "training.csv")["loss"].iloc[0] for folder in table["folder"]]
    assert (table["reconstruction"] < np.array(first) / 2).all()
    assert table["reconstruction"][1] < table["reconstruction"][20]
    assert table["kl"][1] > table["kl"][20]


def test_a_second_budget_shares_the_cells_of_a_model_without_steps(tmp_path):
    study = dataclasses.replace(TINY, models=["pca", "vae"], betas=(), seeds=1)
    first = run(study, tmp_path)
    both = run(dataclasses.replace(study, steps=4), tmp_path)
    assert first.groupby("model")["steps"].first().to_dict() == {"pca": 0, "vae": 3}
    kept = read_results(tmp_path)
    assert sorted(zip(kept["model"], kept["steps"], strict=True)) == [("pca", 0), ("vae", 3), ("vae", 4)]
    assert (
        both.loc[both["model"] == "pca", "hash"].tolist()
        == first.loc[first["model"] == "pca", "hash"].tolist()
    )
    assert kept["steps"].dtype == kept["batch_size"].dtype == "int64"


@pytest.mark.parametrize("stack", [False, True])
def test_schedules_and_norms_go_from_the_study_to_the_records(stack, tmp_path):
    settings = {"betavae.beta": "4,linear(0,4,0.5)"}
    study = dataclasses.replace(TINY, betas=(), settings=settings, clip_norm=1.0, seeds=1, precision="fp32")
    table = run(study, tmp_path, stack=stack)
    assert table["status"].tolist() == ["done", "done"]
    assert table["beta"].tolist() == table["dial_value"].tolist() == [4.0, 4.0]
    assert sorted(table["schedules"]) == ["", "beta=linear(0,4,0.5)"]
    assert table["clip_norm"].tolist() == [1.0, 1.0]
    for _, row in table.iterrows():
        log = pd.read_csv(Path(row["folder"]) / "training.csv")
        start = log["weighted_kl"][0] / log["kl"][0]
        assert start == pytest.approx(0.0 if row["schedules"] else 4.0, rel=0.2, abs=1e-6)
    before = records(tmp_path)
    run(study, tmp_path, stack=stack)
    assert records(tmp_path) == before
