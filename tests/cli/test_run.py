"""``dis-bench run`` as a user calls it, in processes of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dis_bench
from dis_bench.cli import run
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.records import claims
from dis_bench.runners import estimate, remaining, study

HERE = str(Path(__file__).parent.parent / "tiny.py")
TINY = [
    *("--datasets", f"{HERE}:Tiny", "--metrics", f"{HERE}:mean_code", "--steps", "3", "--seeds", "1"),
    *("--batch-size", "4", "--latent-size", "3"),
]
STUDY = {
    "datasets": [f"{HERE}:Tiny"],
    "metrics": [f"{HERE}:mean_code"],
    "steps": 3,
    "seeds": 1,
    "batch_size": 4,
    "latent_size": 3,
}


def command(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "dis_bench", *words], capture_output=True, text=True, timeout=120, **options
    )


def test_an_option_that_is_given_twice_has_the_values_of_both(capsys):
    twice = ["--models", "pca", "--models", "betavae", "--betas", "1", "--betas", "4,6"]
    assert main(["run", "--dry-run", *twice, *TINY]) == 0
    planned = capsys.readouterr().out
    assert all(f"tiny {cell}" in planned for cell in ("pca ", "betavae beta=1 ", "betavae beta=4 "))
    assert "4 cells" in planned


def test_run_prints_a_table_and_what_comes_next(tmp_path):
    done = command("run", "--betas", "1", "4", *TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mean code" in done.stdout
    assert done.stdout.strip().endswith("Next: dis-bench report")
    table = dis_bench.read_results(tmp_path / "results")
    assert table["beta"].tolist() == [1.0, 4.0]
    record = next(Path(tmp_path).glob("results/cells/*/record.json")).read_text()
    assert '"command": "dis-bench run --betas 1 4 --datasets' in record

    again = command("run", "--betas", "1", "4", *TINY, cwd=tmp_path)
    assert "2 of 2 cells are done already" in again.stdout


def test_failed_cells_end_in_exit_code_1(tmp_path):
    words = ["--models", f"{HERE}:Diverging", "--betas", "1", "6", *TINY, "--out", "out"]
    done = command("run", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "not finite at step 1" in done.stderr
    assert "Next: dis-bench report out" in done.stdout


def test_dry_run_lists_the_cells_and_an_estimate_and_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--dry-run", "--models", "vae", "betavae", "--betas", "2", *TINY]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^to do +tiny vae seed=0 +steps=3 +[0-9a-f]{12}$", out, re.M)
    assert re.search(r"^to do +tiny betavae beta=2 seed=0 ", out, re.M)
    assert "2 cells, 2 of them to do." in out
    assert re.search(r"Training takes about \d+ s on \d+ worker", out)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_a_file_for_a_folder_as_a_run_does(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["run", "--dry-run", *TINY, "--out", str(tmp_path / "file")]) == 2
    assert "is a file; give a folder, e.g. --out results." in capsys.readouterr().err


def test_a_dry_run_that_takes_long_has_a_bar_for_each_part(tmp_path, monkeypatch):
    shown = []

    def record(iterable, desc, unit):
        shown.append((desc, unit, len(iterable)))
        return iterable

    for module in (study, remaining, estimate):
        monkeypatch.setattr(module, "bar", record)
    words = ["--dry-run", "--models", "vae", "betavae", *TINY, "--seeds", "2", "--out", str(tmp_path)]
    assert main(["run", *words]) == 0
    assert shown == [("plan", "model", 2), ("plan", "cell", 4), ("estimate", "model", 2)]


def test_published_grids_are_priced_before_they_are_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = f"{Path(__file__).parent.parent / 'models' / 'small.py'}:Small"
    words = ["--models", "betavae", "controlvae", "--set", "betavae.beta=1", *TINY, "--network", small]
    assert main(["run", "--grid", "published", *words]) == 0
    out = capsys.readouterr().out
    cost, results = out.index("Training takes about"), out.index("Next: dis-bench report")
    assert "3 cells, 3 of them to do." in out[:results]
    assert cost < results
    table = dis_bench.read_results(tmp_path / "results")
    assert sorted(table["capacity"].dropna()) == [16.0, 18.0]
    assert table["beta"].dropna().tolist() == [1.0]


def test_a_study_file_may_ask_for_the_published_grid(tmp_path):
    (tmp_path / "study.toml").write_text('models = ["dipvae1"]\ngrid = "published"\nseeds = 1\n')
    wanted = run._read_study({}, str(tmp_path / "study.toml"))
    study, grid = wanted.study, wanted.grid
    assert grid == "published"
    assert study.settings == {"dipvae1.lambda_od": [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]}
    with pytest.raises(InputError, match="unknown grid 'publish': did you mean 'published'"):
        run._read_study({"grid": "publish"}, None)


def test_dry_run_says_which_cells_other_runs_have(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claim = claims.claim(Path("results/unfinished"), "tiny-betavae-beta2-seed0-000000000000")
    words = ["run", "--dry-run", "--betas", "2", "4", *TINY]
    assert main(words) == 0
    assert "held" not in capsys.readouterr().out  # its hash differs
    folder = next(iter(Path("results/unfinished").glob("owner.*")))
    cell = run._read_study({"betas": [2.0], **STUDY}, None)[0].plan().cells[0]
    folder.rename(str(folder).replace("tiny-betavae-beta2-seed0-000000000000", cell.folder))
    assert main(words) == 0
    out = capsys.readouterr().out
    assert re.search(rf"^held +tiny betavae beta=2 seed=0 .* by process {os.getpid()} on \S+$", out, re.M)
    assert re.search(r"^to do +tiny betavae beta=4 seed=0 ", out, re.M)
    claim.release()


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
from dis_bench.cli.main import main
from dis_bench.errors import InputError
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_told_in_a_sentence_and_the_same_command_goes_on(tmp_path):
    # A limit on the size of files simulates a full disk: weights do not fit, a record does.
    words = ["run", "--betas", "1", "4", *TINY]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert (
        done.stderr.count("File too large; where larger files are allowed, the same command continues") == 2
    )
    folders = cells(tmp_path / "results")
    assert len(folders) == 2
    assert all({path.name for path in one.iterdir()} == {"record.json", "training.csv"} for one in folders)
    assert command(*words, cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_a_killed_command_leaves_nothing_behind_the_next_one(tmp_path):
    words = ["run", "--betas", "1", "4", *TINY, "--steps", "4000"]
    process = subprocess.Popen([sys.executable, "-m", "dis_bench", *words], cwd=tmp_path)
    unfinished = tmp_path / "results" / "unfinished"
    deadline = time.monotonic() + 100
    while not list(unfinished.glob("owner.*/training.csv")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert list(unfinished.glob("owner.*"))
    while any(not owner.is_stale(0) for owner in claims._list_claims(unfinished)):
        time.sleep(0.05)  # the workers exit when their parent does
    assert main(["report", str(tmp_path / "results")]) == 2  # no results, and nothing left behind
    assert list(unfinished.iterdir()) == []


def test_flags_win_over_the_study_file(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(
        f"""
        models = ["betavae"]
        datasets = ["{HERE}:Tiny"]
        metrics = ["{HERE}:mean_code"]
        steps = 5
        seeds = 2
        latent_size = 3
        out = "elsewhere"
        [settings]
        "betavae.beta" = [1, 8]
        """,
        encoding="utf-8",
    )
    assert main(["run", "--study", "study.toml", "--seeds", "1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"beta=(\d+) seed=(\d) +steps=(\d)", out) == [("1", "0", "5"), ("8", "0", "5")]


@pytest.mark.parametrize(
    ("given", "betas"),
    [
        ({}, {"betavae": [1, 16], "adagvae": [1, 16], "hfs": [8], "relax": 5}),
        ({"set": ["adagvae.beta=4"]}, {"betavae": [1, 16], "adagvae": [4], "hfs": [8], "relax": 5}),
        ({"set": ["relax.beta=4"]}, {"betavae": [1, 16], "adagvae": [1, 16], "hfs": [8], "relax": 4}),
        ({"set": ["hfs.beta=3"]}, {"betavae": [1, 16], "adagvae": [1, 16], "hfs": [3], "relax": 5}),
        ({"betas": [2.0]}, {"betavae": [2], "adagvae": [2], "hfs": [8], "relax": 5}),
        ({"betas": [2.0], "set": ["hfs.beta=3"]}, {"betavae": [2], "adagvae": [2], "hfs": [3], "relax": 5}),
    ],
)
def test_typed_betas_replace_those_of_the_models_that_they_concern(given, betas, tmp_path):
    (tmp_path / "relax.py").write_text("def relax(codes, factors, *, beta=2.0): return beta")
    (tmp_path / "study.toml").write_text(
        f"""
        models = ["betavae", "adagvae", "hfs"]
        datasets = ["{HERE}:Tiny"]
        metrics = ["{tmp_path}/relax.py:relax"]
        betas = [1, 16]
        seeds = 1
        [settings]
        "hfs.beta" = 8
        "relax.beta" = 5.0
        """,
        encoding="utf-8",
    )
    plan = run._read_study(given, str(tmp_path / "study.toml")).study.plan()
    found = {"relax": plan.protocols["tiny"]["relax"]["beta"]}
    for cell in plan.cells:
        found.setdefault(cell.model, []).append(cell.hyperparameters["beta"])
    assert found == betas


def cells(out):
    return [path for path in Path(out).glob("cells/*") if not path.name.startswith(".")]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path):
    words = ["run", "--betas", *map(str, range(8)), *TINY, "--steps", "60", "--batch-size", "64"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dis_bench", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # If the tests themselves run in the background, Ctrl-C is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 100
    while not cells(tmp_path / "results") and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and its workers
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    kept = int(re.search(r"stopped; (\d) finished cells are kept in results", out)[1])
    placed = len(list((tmp_path / "results" / "cells").iterdir()))
    assert placed == len(cells(tmp_path / "results"))  # no partial cell
    assert 1 <= kept <= placed < 8  # a cell that was stopped in its scoring keeps its training

    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{kept} of 8 cells are done already" in done.stdout
    assert len(dis_bench.read_results(tmp_path / "results")) == 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_a_scheduler_stops_a_run_with_a_checkpoint_and_a_code_of_its_own(name, tmp_path):
    words = ["run", "--betas", "1", "4", *TINY, "--steps", "4000", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dis_bench", *words],
        **{"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
        start_new_session=True,
    )
    unfinished = tmp_path / "results" / "unfinished"
    deadline = time.monotonic() + 100
    while not any(path.stat().st_size for path in unfinished.glob("owner.*/training.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(2):  # schedulers repeat themselves
        os.killpg(process.pid, getattr(signal, name))  # to the command and its worker
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "Traceback" not in err
    assert "stopped; 0 finished cells are kept in results, and the same command resumes" in out
    assert len(list(unfinished.glob("[!.]*/checkpoint.pt"))) == 1
    assert list(unfinished.glob("owner.*")) == []


@pytest.fixture
def heeds_ctrl_c():
    """Take Ctrl-C as a terminal's command does; tests in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGUSR1", 75), ("SIGTERM", 75)])
def test_a_command_that_is_stopped_while_it_plans_says_so_too(name, code, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "_read_study", lambda *_: os.kill(os.getpid(), getattr(signal, name)))
    before = signal.getsignal(signal.SIGUSR1)
    assert main(["run"]) == code
    assert capsys.readouterr().err == "dis-bench: stopped.\n"
    assert signal.getsignal(signal.SIGUSR1) == before


def test_parts_and_workers_may_be_in_a_file_or_typed(tmp_path, capsys):
    file = tmp_path / "study.toml"
    file.write_text('seeds = "3,7"\nworkers = 2\nshard = "1/2"\n', encoding="utf-8")
    wanted = run._read_study({"shard": "2/2"}, str(file))
    assert wanted.options == {"workers": 2, "shard": "2/2"}
    assert wanted.study.seeds == "3,7"
    for words in (["--shard", "3/2"], ["--workers", "-1"], ["--seeds", "a"], ["--seeds", "3-1"]):
        assert main(["run", *words]) == 2
    assert capsys.readouterr().err.count("dis-bench: error: ") == 4


@pytest.mark.parametrize("words", [["--keep", "none", "weights"], ["--metrics", "none", "mig"]])
def test_none_stands_alone(words, capsys):
    assert main(["run", "--dry-run", *words]) == 2
    said = f"'none' of {words[0][2:]} must stand alone, but {' '.join(words[1:])} was given."
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("steps", [["1,2"], ["1", "2"]])
def test_shares_and_steps_are_typed_as_lists_are(steps, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(run, "_print_plan", lambda wanted, *_: seen.append(wanted.study) or 0)
    file = tmp_path / "study.toml"
    file.write_text("score_at = [3]\nholdout = 0.5\n", encoding="utf-8")
    assert main(["run", "--study", str(file), "--dry-run", "--holdout", "0.25", "--score-at", *steps]) == 0
    assert main(["run", "--study", str(file), "--dry-run"]) == 0
    assert [(study.holdout, study.score_at) for study in seen] == [(0.25, [1, 2]), (0.5, [3])]
    assert main(["run", "--score-at", "1,x"]) == 2
    assert "argument --score-at: 'x' is not a whole number" in capsys.readouterr().err
