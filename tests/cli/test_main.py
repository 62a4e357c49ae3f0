"""The command line for a user: help, versions, and one sentence for every mistake."""

import os
import subprocess
import sys

import pytest

import dis_bench
from dis_bench.cli.main import main

HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "sklearn",
    "scipy",
    "matplotlib",
    "seaborn",
    "h5py",
    "numba",
    "tqdm",
    "pooch",
)


def fails(capsys, *words):
    """Return the one-sentence error of an invalid command line."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert line.startswith("dis-bench: error: ")
    assert out == ""
    return line


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["report", "--help"], ["list", "--help"], ["check", "--help"]]
)
def test_help_shows_examples_and_imports_nothing_heavy(words):
    code = (
        "import sys; from dis_bench.cli.main import main\n"
        f"try: main({words})\n"
        "except SystemExit as done: assert done.code == 0\n"
        f"heavy = set({HEAVY}) & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


def test_python_dash_m_is_the_same():
    done = subprocess.run([sys.executable, "-m", "dis_bench", "--version"], capture_output=True, text=True)
    assert done.stdout == f"dis-bench {dis_bench.__version__}\n"


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -u -m dis_bench list metrics | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_no_command_prints_help(capsys):
    assert main([]) == 0
    assert "dis-bench run --models betavae --betas 1 4 10" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rnu"], "unknown command 'rnu': did you mean 'run'?"),
        (["run", "--modles", "vae"], "unknown option '--modles': did you mean '--models'?"),
        (["run", "vae"], "unexpected argument 'vae'"),
        (["run", "--betas"], "argument --betas: expected at least one argument"),
        (["run", "--models", "betavea"], "unknown model 'betavea': did you mean 'betavae'?"),
        (["run", "--datasets", "dsprite"], "unknown dataset 'dsprite': did you mean 'dsprites'?"),
        (["run", "--metrics", "migg"], "unknown metric 'migg': did you mean 'mig'?"),
        (["run", "--network", "burges"], "unknown network 'burges': did you mean 'burgess'?"),
        (["run", "--likelihood", "bernouli"], "did you mean 'bernoulli'?"),
        (["run", "--budget", "quik"], "did you mean 'quick'?"),
        (["run", "--rerun", "allways"], "did you mean 'always'?"),
        (["run", "--betas", "-1"], "beta must be at least 0, but -1.0 was given."),
        (["run", "--betas", "-1e3"], "beta must be at least 0, but -1000.0 was given."),
        (["run", "--models", "mine.py"], "'mine.py' is a file; name an object in it as well: mine.py:Name."),
        (["run", "--betas", "abc"], "argument --betas: 'abc' is not a number"),
        (["run", "--betas", "nan"], "beta must be finite"),
        (["run", "--betas", "inf"], "beta must be finite"),
        (["run", "--seeds", "0"], "seeds must be a whole number of at least 1, but 0 was given."),
        (["run", "--seeds", "1.5"], "a range, such as 0-49, or a list, such as 3,7, but '1.5' was given"),
        (["run", "--steps", "0"], "steps must be a whole number of at least 1"),
        (["run", "--batch-size", "-3"], "batch_size must be a whole number of at least 1"),
        (["run", "--latent-size", "0"], "latent_size must be a whole number of at least 1"),
        (["run", "--lr", "0"], "lr must be a positive number"),
        (["run", "--lr", "nan"], "lr must be a positive number"),
        (["run", "--network", "tutorial", "--batch-size", "1"], "batch_size must be at least 2"),
        (["run", "--models", "vae", "--betas", "4"], "the dial of no chosen model is beta (vae: none)"),
        (["run", "--models", "factorvae", "--betas", "4"], "no chosen model is beta (factorvae: gamma)"),
        (["run", "--set", "betavae.beta"], "--set takes NAME.KEY=VALUE, e.g. betavae.beta=1,4, but"),
        (["run", "--set", "betavae.bta=1"], "unknown hyperparameter of betavae 'bta': did you mean 'beta'?"),
        (["run", "--set", "vae.beta=1"], "'vae': did you mean 'betavae'?"),
        (["run", "--set", "betavae.beta=x"], "beta must be a number, but 'x' was given."),
        (["run", "--betas", "1", "--set", "betavae.beta=2"], "given twice"),
        (["run", "--study", "no-such.toml"], "unknown study or study file 'no-such.toml'"),
        (["run", "--dry-run", "--rerun", "x"], "unknown rerun 'x'"),
        (["list", "modles"], "unknown kind 'modles': did you mean 'models'?"),
    ],
)
def test_mistakes(capsys, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert sentence in fails(capsys, *words)
    assert list(tmp_path.iterdir()) == []  # nothing was started


def test_no_cuda_when_asked(capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch sees no CUDA device here" in fails(capsys, "run", "--device", "cuda")


def test_out_that_is_a_file(capsys, tmp_path):
    (tmp_path / "out").write_text("")
    assert "is a file" in fails(capsys, "run", "--out", str(tmp_path / "out"))


def test_out_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in fails(capsys, "run", "--out", str(tmp_path / "file" / "out"))


def test_study_file_with_an_unknown_key(capsys, tmp_path):
    (tmp_path / "study.toml").write_text("beta = [1, 4]\n")
    assert "'beta': did you mean 'betas'?" in fails(capsys, "run", "--study", str(tmp_path / "study.toml"))


def test_study_file_that_is_not_toml(capsys, tmp_path):
    (tmp_path / "study.toml").write_text("betas = [1,\n")
    assert "is not TOML" in fails(capsys, "run", "--study", str(tmp_path / "study.toml"))


BAD = [
    "",
    "a\0b",
    "x" * 300,
    "y/" * 3_000,
    "\x1b[2J",
    "9" * 5_000,
    "a\udc80b",
    "/dev/null",
    "pipe",
    "text",
    "text/in",
]


@pytest.mark.parametrize(
    "words",
    [
        ["report"],
        ["report", "results", "--out"],
        ["score"],
        ["score", "codes.npz", "--metrics"],
        ["score", "codes.npz", "--out"],
        ["score", "codes.npz", "--seed"],
        ["score", "codes.npz", "--set"],
        ["score", "--encoder"],
        ["check", "metric"],
        ["check"],
        ["list"],
        ["data", "show"],
        ["data", "show", "dsprites", "--out"],
        ["data", "verify", "dsprites", "--data-dir"],
        ["run", "--models"],
        ["run", "--out"],
        ["run", "--study"],
        ["run", "--data-dir", "here", "--betas"],
        ["run", "--set"],
        ["run", "--source"],
        ["run", "--steps"],
        [],
    ],
    ids=" ".join,
)
def test_bad_words_end_in_one_short_printable_line(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("text")
    (tmp_path / "codes.npz").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    for word in BAD:
        if words == ["run", "--out"] and word in ("\x1b[2J", "a\udc80b"):
            continue  # folders that can be created
        line = fails(capsys, *words, word)
        assert line.isprintable()
        assert len(line) < 700


def test_a_folder_that_is_a_file(capsys, tmp_path):
    (tmp_path / "text").write_text("text")
    assert "is a file, not a result folder" in fails(capsys, "report", str(tmp_path / "text"))


def test_models_are_listed_with_their_published_grids(capsys):
    assert main(["list", "models"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "beta = 4: weight of the KL; 1 is the VAE, 0 an autoencoder; published: 1, 2, 4, 6, 8, 16" in out
    assert "lambda_od = 10: weight of the covariances; 0 is the VAE; published: 1, 2, 5, 10, 20, 50; " in out
    assert "estimator of the parts of the KL; one of mws, mss, mss_as_published" in out
    assert out.count("reports draw along it") > 12


def test_list_alone_has_everything_in_a_line_each(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("betavae", "dsprites", "shapes3d", "mig", "dci_forest"):
        assert f"    {name} " in out
    assert len(out.splitlines()) < 100
    assert main(["list", "all"]) == 0
    assert capsys.readouterr().out == out
