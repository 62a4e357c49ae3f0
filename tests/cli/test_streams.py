"""The command line with bad streams, and with names that are not UTF-8."""

import html
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import dis_bench
from dis_bench.cli.main import main
from dis_bench.errors import InputError
from dis_bench.models.model import Hyperparameter
from tests.cli.test_run import TINY
from tests.reports.made_up import write_study

RUN = [sys.executable, "-m", "dis_bench", "run", "--betas", "4", *TINY]
OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def call(words, cwd, redirect="", **environment):
    command = f"{shlex.join(map(str, words))} {redirect}"
    environment = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", command], capture_output=True, cwd=cwd, env=environment, timeout=120)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a folder with one finished cell in ``results/``."""
    folder = tmp_path_factory.mktemp("done")
    assert call(RUN, folder, PYTHONIOENCODING="ascii").returncode == 0
    return folder


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii:strict"}, OLD_LOCALE]
)
def test_any_encoding_gets_the_table(done, environment):
    table = call(RUN, done, **environment)
    assert table.returncode == 0, table.stderr
    assert b"betavae, beta = 4" in table.stdout
    assert b"Next: dis-bench report" in table.stdout


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "| head -1", "| true"])
def test_streams_that_are_closed_are_no_error(tmp_path, redirect):
    finished = call([*RUN[:3], "list", "models"], tmp_path, f"{redirect}; exit ${{PIPESTATUS[0]}}")
    assert finished.returncode == 0
    assert finished.stderr == b""


@pytest.mark.parametrize("redirect", ["<&- >&- 2>&-", "| true; exit ${PIPESTATUS[0]}"])
def test_a_study_that_nobody_watches_is_kept(tmp_path, redirect):
    assert call(RUN, tmp_path, redirect).returncode == 0
    assert len(dis_bench.read_results(tmp_path / "results")) == 1


def test_a_full_disk_behind_stdout_is_told_of(tmp_path):
    finished = call([*RUN[:3], "list", "models"], tmp_path, "> /dev/full")
    assert finished.returncode == 1
    assert finished.stderr == b"dis-bench: error: the output could not be written: No space left on device.\n"


def test_a_study_in_a_folder_that_is_not_utf8(tmp_path):
    out = os.path.join(os.fsencode(tmp_path), b"r\xe9s")
    words = [*map(os.fsencode, RUN), b"--out", b"r\xe9s"]
    environment = {**os.environ, **OLD_LOCALE}
    run = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert b"Next: dis-bench report $'r\\xe9s'" in run.stdout
    copied = tmp_path / "copied"
    os.rename(out, copied)
    [record] = copied.glob("cells/*/record.json")
    assert "--out $'r\\xe9s'" in json.loads(record.read_text("utf-8"))["command"]
    assert main(["report", str(copied)]) == 0


@pytest.mark.parametrize("name", [b"r\xe9s", "rés 'ß'".encode(), b"\xff\xfe"])
def test_a_report_of_a_folder_of_any_name(tmp_path, name, capsys):
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    write_study(folder, betas=[4], seeds=[0], pictures=False, command=f"dis-bench run --out {folder.name}")
    (folder / "cells" / "broken").mkdir()  # so that a caveat names the folder
    (folder / "cells" / "broken" / "record.json").write_text("{", "utf-8")
    assert main(["report", str(folder)]) == 0
    written = [file for file in (folder / "report").rglob("*") if file.suffix != ".png" and file.is_file()]
    assert len(written) == 5
    for file in written:
        file.read_bytes().decode("utf-8")
    escaped = name.decode("utf-8", "backslashreplace")
    page = (folder / "report" / "index.html").read_text("utf-8")
    assert html.escape(escaped) in page or escaped.replace("'", "&#39;") in page


def test_a_hyperparameter_that_is_not_utf8_is_refused(capsys):
    word = Hyperparameter("word", "a", "a word")
    assert word.parse("β") == "β"
    with pytest.raises(InputError, match=r"word must be text in UTF-8, but 'a\\udce9' was given\."):
        word.parse("a\udce9")
