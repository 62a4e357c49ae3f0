"""``dis-bench score``: its output, and a one-sentence error for invalid input."""

import csv
import errno
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from dis_bench.cli.main import main
from dis_bench.metrics import score
from dis_bench.records.claims import ClaimLost
from dis_bench.records.store import Store
from tests.cli import test_main

TINY = f"{Path(__file__).parent.parent / 'tiny.py'}:Tiny"
CODES = np.random.default_rng(0).standard_normal((60, 3))
FACTORS = np.stack([np.arange(60) % 3, np.arange(60) % 4], axis=1)


def change(table, value, row=7, column=1):
    table = table.astype(float)
    table[row, column] = value
    return table


def save(path, **arrays):
    np.savez(path, **{"codes": CODES, "factors": FACTORS, **arrays})
    return str(path)


def fails(capsys, *words):
    """Return the one-sentence error of an invalid command line."""
    assert main(["score", *words]) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert line.startswith("dis-bench: error: ")
    assert out == ""
    return line


def test_help_shows_examples_and_imports_nothing_heavy():
    test_main.test_help_shows_examples_and_imports_nothing_heavy(["score", "--help"])


def test_a_file_is_scored(tmp_path, capsys):
    path = save(tmp_path / "codes.npz", log_variances=CODES * 0 - 4)
    out = tmp_path / "scores.csv"
    words = ["--allow-small", "--metrics", "mig", "mig_sampled", "--bootstrap", "5", "--out", str(out)]
    assert main(["score", path, *words]) == 0
    text = capsys.readouterr().out
    assert "60 rows; codes: 3; factors: 2, of 3, 4 values." in text
    assert "mig* " in text
    [mig, sampled] = csv.DictReader(out.read_text().splitlines())
    assert (mig["name"], sampled["name"]) == ("mig", "mig_sampled")
    assert f"{float(mig['score']):.3f}" in text
    assert float(mig["low"]) < float(mig["high"])
    before = out.read_bytes()
    assert "already exists" in fails(capsys, path, *words)
    assert out.read_bytes() == before


def test_a_metric_that_is_named_twice_is_scored_once(tmp_path, capsys):
    words = [save(tmp_path / "codes.npz"), "--allow-small", "--no-anchors", "--metrics"]
    assert main(["score", *words, "mig", "dis_bench.metrics.mig:mig", "sap", "mig"]) == 0
    assert capsys.readouterr().out.count("mig*") == 1


def test_anchors_can_be_left_out(tmp_path, capsys):
    words = [save(tmp_path / "codes.npz"), "--allow-small", "--metrics", "mig"]
    texts = []
    for more in ([], ["--no-anchors"]):
        assert main(["score", *words, *more]) == 0
        texts.append(capsys.readouterr().out)
    assert "perfect   chance" in texts[0]
    assert "perfect" not in texts[1]


def test_parameters_are_set_and_shown(tmp_path, capsys):
    path, out = save(tmp_path / "codes.npz"), tmp_path / "scores.csv"
    words = ["--allow-small", "--no-anchors", "--out", str(out)]
    words += ["--metrics", "mig", "modularity", "downstream"]
    words += ["--set", "mig.bins=3", "modularity.count_dead=False", "downstream.labels=10,20"]
    assert main(["score", path, *words, "--set", "downstream.test=20", "downstream.penalty=0.5"]) == 0
    assert (
        "Different from the defaults: mig bins=3; modularity count_dead=False; "
        "downstream labels=[10, 20], test=20, penalty=0.5."
    ) in " ".join(capsys.readouterr().out.split())
    rows = {row["name"]: row for row in csv.DictReader(out.read_text().splitlines())}
    assert list(rows) == ["mig", "modularity", "downstream_10", "downstream_20"]
    assert rows["mig"]["changed"] == "bins=3"
    expected = score(CODES, FACTORS, ["mig"], parameters={"mig": {"bins": 3}}, allow_small=True)
    assert float(rows["mig"]["score"]) == pytest.approx(expected["mig"], abs=1e-12)


def test_a_terminal_without_arrows(tmp_path, monkeypatch):
    printed = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, encoding="ascii", write_through=True))
    assert main(["score", save(tmp_path / "codes.npz"), "--allow-small", "--metrics", "mig"]) == 0
    assert b"mig* ^" in printed.getvalue()


def test_a_recorded_command_names_a_file_that_is_not_utf8_as_a_shell_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["score", save(os.fsdecode(b"r\xe9s.npz")), "--name", "mine", "--out", "made", "--no-anchors"]
    monkeypatch.setattr(sys, "argv", ["dis-bench", *words, "--allow-small", "--metrics", "mig"])
    assert main() == 0
    [record] = Path("made").glob("cells/*/record.json")
    command = json.loads(record.read_text("utf-8"))["command"]
    assert command.startswith("dis-bench score $'r\\xe9s.npz' --name mine ")


def test_an_encoder_is_scored(tmp_path, capsys, monkeypatch):
    """Score moments of Tiny's squares: place and size, perfect except for the units."""
    (tmp_path / "moments.py").write_text(
        "import torch\n"
        "def encode(images):\n"
        "    image = images[:, 0].double()\n"
        "    ys, xs = image.amax(2), image.amax(1)\n"
        "    return torch.stack([xs.argmax(1), ys.argmax(1), image.sum((1, 2)).sqrt()], dim=1)\n"
    )
    monkeypatch.chdir(tmp_path)
    words = [
        "--encoder",
        "moments.py:encode",
        "--dataset",
        TINY,
        "--allow-small",
        "--metrics",
        "sap_continuous",
    ]
    assert main(["score", *words]) == 0
    text = capsys.readouterr().out
    assert "256 rows; codes: 3; factors: 3, of 8, 8, 4 values." in text
    assert "sap_continuous* ↑    1.000     1.000" in text


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"codes": change(CODES, np.nan)}, "code 1 is nan in row 7"),
        ({"codes": change(CODES, np.inf)}, "code 1 is inf in row 7"),
        ({"codes": CODES[:50]}, "50 rows of codes and 60 rows of factors"),
        ({"codes": CODES[:1], "factors": FACTORS[:1]}, "at least 2 rows, but 1 was given"),
        ({"factors": FACTORS * 0}, "every factor has a single value"),
        ({"factors": change(FACTORS, 0.5)}, "factor 1 is 0.5 in row 7"),
        ({"factors": change(FACTORS, np.nan)}, "factor 1 is nan in row 7"),
        ({"factors": FACTORS.astype(str)}, "factors must be numbers"),
        ({"codes": CODES[:, 0]}, "codes must be a table [N, D]"),
        ({"codes": CODES.astype(object)}, "cannot be read as plain arrays: ValueError: Object arrays"),
        ({"log_variances": CODES[:, :2]}, "log_variances must have the shape of the codes"),
        ({}, "mig: the protocol needs 10000 rows, but there are 60"),
    ],
)
def test_arrays_that_cannot_be_scored(tmp_path, capsys, arrays, sentence):
    assert sentence in fails(capsys, save(tmp_path / "codes.npz", **arrays), "--metrics", "mig")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"codes": CODES.astype(str)}, "codes must be numbers, but an array of <U"),
        ({"codes": CODES * 1j}, "codes must be numbers, but an array of complex128 was given"),
        ({"codes": CODES * 1e300}, "codes must be finite and within float32, but code 0 is 1.2573022109339"),
        ({"codes": CODES * 1e-100}, "which cannot tell apart all values of code 0: it varies by"),
        ({"codes": CODES + 1e12}, "at a size of 1e+12; subtract a constant"),
        ({"log_variances": CODES.astype(str)}, "log_variances must be numbers, but an array of <U"),
    ],
    ids=["texts", "complex", "huge", "tiny", "far from 0", "log-variances"],
)
def test_no_record_keeps_codes_that_float32_does_not_hold(tmp_path, capsys, arrays, sentence):
    words = [save(tmp_path / "codes.npz", **arrays), "--allow-small", "--metrics", "mig"]
    assert sentence in fails(capsys, *words, "--out", str(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_a_code_that_is_constant_but_for_arithmetic_is_kept(tmp_path):
    codes = CODES.copy()
    codes[:, 1] = 5 + 1e-15 * CODES[:, 1]
    words = [save(tmp_path / "codes.npz", codes=codes), "--allow-small", "--no-anchors", "--metrics", "mig"]
    assert main(["score", *words, "--out", str(tmp_path / "results")]) == 0


def test_a_card_has_the_scores_of_the_codes_as_given(tmp_path):
    codes = np.stack([FACTORS[:, 0] + 1e-9 * CODES[:, 0], CODES[:, 1]], axis=1)
    path, out = save(tmp_path / "codes.npz", codes=codes), tmp_path / "scores.csv"
    words = ["score", path, "--allow-small", "--no-anchors", "--metrics", "mig", "jemmig", "--out", str(out)]
    assert main(words) == 0
    printed = {row["name"]: float(row["score"]) for row in csv.DictReader(out.read_text().splitlines())}
    assert printed == score(codes, FACTORS, ["mig", "jemmig"], allow_small=True).to_dict()


def test_a_folder_with_nothing_but_hidden_files_holds_no_results_yet(tmp_path):
    hidden = tmp_path / "results" / "cells" / ".DS_Store"
    hidden.parent.mkdir(parents=True)
    hidden.write_bytes(b"")
    words = [save(tmp_path / "codes.npz", codes=CODES), "--allow-small", "--no-anchors"]
    assert main(["score", *words, "--out", str(tmp_path / "results")]) == 0


def test_a_claim_that_another_process_took_over_is_told_in_a_sentence(tmp_path, capsys, monkeypatch):
    def lose(store, claim, name):
        raise ClaimLost

    monkeypatch.setattr(Store, "place", lose)
    words = [save(tmp_path / "codes.npz", codes=CODES), "--allow-small", "--no-anchors", "--metrics", "mig"]
    assert main(["score", *words, "--out", str(tmp_path / "results")]) == 1
    assert "stopped: another process has taken over codes-codes-seed0-" in capsys.readouterr().err


def test_a_card_lists_few_of_many_constant_codes(tmp_path, capsys):
    path = save(tmp_path / "codes.npz", codes=np.zeros((60, 2000)))
    assert main(["score", path, "--allow-small", "--no-anchors", "--metrics", "mig"]) == 0
    assert "18, 19 and 1,980 more." in " ".join(capsys.readouterr().out.split())


def test_files_that_cannot_be_read(tmp_path, capsys):
    assert "there is no file" in fails(capsys, str(tmp_path / "codes.npz"))
    assert "there is no file" in fails(capsys, str(tmp_path))
    whole = Path(save(tmp_path / "codes.npz")).read_bytes()
    np.save(tmp_path / "one.npy", CODES)
    for name, content in (
        ("cut.npz", whole[: len(whole) // 2]),
        ("empty.npz", b""),
        ("text.npz", b"1,2,3\n"),
        ("one.npy", (tmp_path / "one.npy").read_bytes()),
    ):
        (tmp_path / name).write_bytes(content)
        assert "is not a complete npz file" in fails(capsys, str(tmp_path / name))
    damaged = bytearray(whole)
    damaged[200] ^= 255
    (tmp_path / "damaged.npz").write_bytes(damaged)
    assert "cannot be read as plain arrays: BadZipFile" in fails(capsys, str(tmp_path / "damaged.npz"))
    for array, others in (("codes", {"factors": FACTORS}), ("factors", {"codes": CODES, "labels": FACTORS})):
        np.savez(tmp_path / "part.npz", **others)
        for words in (["--metrics", "mig", "mutual_info_score"], ["--out", str(tmp_path / "results")]):
            assert f"has no array '{array}'; it has: {', '.join(others)}." in fails(
                capsys, str(tmp_path / "part.npz"), *words
            )


def test_a_file_without_factors_is_scored_by_metrics_of_codes_alone(tmp_path, capsys):
    np.savez(tmp_path / "codes.npz", codes=CODES)
    for words in ([], ["--metrics", "all"], ["--metrics", "mutual_info_score"]):
        assert main(["score", str(tmp_path / "codes.npz"), "--allow-small", *words]) == 0
        text = capsys.readouterr().out
        assert "60 rows; codes: 3; no factors." in text
        assert "mutual_info_score* " in text
        assert ("gaussian_total_correlation* " in text) == ("mutual_info_score" not in words)


ENCODERS = """
import numpy as np, torch
constant = 3
def encode(images): return images.flatten(1)[:, :2] * 1.0
def raises(images): raise RuntimeError("CUDA out of\\nmemory")
def one_row(images): return np.zeros((1, 4))
def flat(images): return np.zeros(len(images))
def nothing(images): return None
def ragged(images): return [[1.0], [1.0, 2.0]]
def ends(images): raise SystemExit(3)
def both(images): return (images.flatten(1) * 1.0,) * 3
def lazy(images): return (image for image in images)
network = torch.nn.Linear(3, 2)
def words(images): return np.full((len(images), 2), "a")
def not_a_number(images):
    codes = np.zeros((len(images), 4))
    codes[5, 2] = np.nan
    return codes
def drifts(images): return np.zeros((len(images), 3 if len(images) == 256 else 4))
class Model: pass
"""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("encoder.py:raises", "failed on [256, 1, 64, 64] images: RuntimeError: CUDA out of memory."),
        (
            "encoder.py:one_row",
            "must return codes [256, D], with the same D for all images, but it returned an array [1, 4]",
        ),
        ("encoder.py:flat", "it returned an array [256]"),
        ("encoder.py:nothing", "but it returned None"),
        ("encoder.py:ragged", "rows of different lengths were given"),
        ("encoder.py:ends", "the encoder failed on [256, 1, 64, 64] images: SystemExit: 3."),
        ("encoder.py:both", "returned a tuple of 3: wrap it"),
        ("encoder.py:lazy", "but it returned an array of object"),
        ("encoder.py:Failing()", "unknown attribute"),
        ("encoder.py:network", "failed on [256, 1, 64, 64] images: RuntimeError"),
        ("encoder.py:words", "must return numbers, but it returned an array of <U1"),
        ("encoder.py:not_a_number", "finite numbers, but code 2 of image "),
        ("encoder.py:encod", "did you mean 'encode'?"),
        ("encoder.py:constant", "cannot be called: it is a int"),
        ("encoder.py:Model", "is a class: name a function"),
        ("encoder.py", "named as file.py:function or module:function"),
        ("none.py:encode", "there is no file"),
        ("no_such_module:encode", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_encoders_that_cannot_be_scored(tmp_path, monkeypatch, capsys, name, sentence):
    (tmp_path / "encoder.py").write_text(ENCODERS)
    monkeypatch.chdir(tmp_path)
    words = ["--encoder", name, "--dataset", TINY, "--metrics", "mig", "--allow-small"]
    assert sentence in fails(capsys, *words)


@pytest.mark.parametrize(
    ("rows", "advice"),
    [([], "there are 256: give more rows"), (["--rows", "100"], "--set mig.rows=100), or")],
)
def test_too_few_rows_are_told_before_an_encoder_runs(tmp_path, monkeypatch, capsys, rows, advice):
    (tmp_path / "encoder.py").write_text(ENCODERS)
    monkeypatch.chdir(tmp_path)
    words = ["--encoder", "encoder.py:raises", "--dataset", TINY, "--metrics", "mig", *rows]
    assert advice in fails(capsys, *words)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("raises", "metric 'raises' failed: ZeroDivisionError: division by zero."),
        ("ends", "metric 'ends' failed: SystemExit: 0."),
        ("endless", "metric 'endless' failed: RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_a_metric_that_fails_is_named(tmp_path, capsys, name, sentence):
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "def raises(codes, factors): return 1 / 0\n"
        "def ends(codes, factors): sys.exit(0)\n"
        "def endless(codes, factors): return endless(codes, factors)\n"
    )
    path = save(tmp_path / "codes.npz")
    assert sentence in fails(capsys, path, "--metrics", f"{tmp_path / 'mine.py'}:{name}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give either a file"),
        (["codes.npz", "--encoder", "encoder.py:encode"], "one of the two"),
        (["codes.npz", "--dataset", "dsprites"], "--dataset requires --encoder, but a file was given"),
        (["codes.npz", "--data-dir", "x"], "--data-dir requires --encoder"),
        (["codes.npz", "--metrics", "migg"], "unknown metric 'migg': did you mean 'mig'"),
        (
            ["codes.npz", "--metrics", "all", "mig"],
            "'all' of metrics must stand alone, but all mig was given.",
        ),
        (["codes.npz", "--metrics", "udr"], "unknown metric 'udr'"),
        (["codes.npz", "--set", "mig.bin=40"], "unknown parameter of mig 'bin': did you mean 'bins'?"),
        (["codes.npz", "--set", "migg.bins=40"], "'migg': did you mean 'mig'?"),
        (["codes.npz", "--metrics", "sap", "--set", "mig.bins=40"], "'mig': There are: sap."),
        (["codes.npz", "--set", "mig.bins=many"], "bins of mig must be a whole number, but 'many' was given"),
        (["codes.npz", "--set", "modularity.count_dead=0"], "must be True or False, but '0' was given"),
        (
            ["codes.npz", "--set", "mig.bins"],
            "--set takes NAME.KEY=VALUE, e.g. mig.bins=40, but 'mig.bins'",
        ),
        (["codes.npz", "--set", "mig.bins="], "but 'mig.bins=' was given"),
        (["codes.npz", "--set", "bins=40"], "but 'bins=40' was given"),
        (
            ["codes.npz", "--set", "mig.bins=2", "--set", "mig.bins=3"],
            "mig.bins takes one value, since a metric has one protocol per study",
        ),
        (
            ["codes.npz", "--metrics", "odd.py:odd", "--set", "odd.of=1"],
            "odd.of cannot be given as text, as its default is None",
        ),
        (["--encoder", "encoder.py:encode", "--set", "mig_sampled.rows=9"], "unknown metric 'mig_sampled'"),
        (["codes.npz", "--seed", "-1"], "--seed must be a whole number of at least 0"),
        (["codes.npz", "--name", ""], "--name requires --out DIR"),
        (["codes.npz", "--bootstrap", "1"], "--bootstrap must be 0, for no intervals, or at least 2"),
        (["codes.npz", "--bootstrap", "x"], "invalid int value"),
        (["codes.npz", "--bootstrap", "100001"], "--bootstrap must be at most 100,000, but 100001 was given"),
        (["codes.npz", "--out", "no/where.csv"], "there is no folder 'no'"),
        (["codes.npz", "--alow-small"], "did you mean '--allow-small'?"),
        (["--encoder", "encoder.py:encode", "--rows", "1"], "--rows must be a whole number of at least 2"),
        (["--encoder", "encoder.py:encode", "--dataset", "dsprite"], "did you mean 'dsprites'"),
        (["--encoder", "encoder.py:encode", "--source", "real"], "unknown source"),
        (
            ["--encoder", "encoder.py:encode", "--metrics", "mig_sampled"],
            "needs log_variances, which an encoder",
        ),
    ],
)
def test_mistakes(tmp_path, monkeypatch, capsys, words, sentence):
    (tmp_path / "encoder.py").write_text(ENCODERS)
    (tmp_path / "odd.py").write_text("def odd(codes, factors, of=None): return 1.0")
    monkeypatch.chdir(tmp_path)
    save("codes.npz")
    assert sentence in fails(capsys, *words)


@pytest.mark.parametrize(
    "words",
    [["score", "codes.npz", "--out", "scores.csv"], ["data", "show", "dsprites", "--out", "show.png"]],
)
def test_what_cannot_be_written_ends_in_a_sentence(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    save("codes.npz")
    *words, name = words
    folder = tmp_path / "removed"
    folder.mkdir()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    monkeypatch.setattr("dis_bench.datasets.picture.draw_picture", full)
    monkeypatch.setattr("pandas.DataFrame.to_csv", full)
    more = ["--allow-small", "--metrics", "mig", "--no-anchors"] if words[0] == "score" else []
    assert main([*words, str(folder / name), *more]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dis-bench: stopped: No space left on device ('{name}'); once there is space")


def test_values_of_factors_beyond_int32_are_kept_as_classes(tmp_path, capsys):
    save(tmp_path / "codes.npz", factors=FACTORS * 2**33)
    words = ["--allow-small", "--metrics", "mig", "--no-anchors", "--out", str(tmp_path / "out")]
    assert main(["score", str(tmp_path / "codes.npz"), *words]) == 0
    [file] = (tmp_path / "out").glob("cells/*/codes.npz")
    assert (np.load(file)["factors"] == FACTORS).all()
