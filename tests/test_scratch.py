"""Temporary files where only the result folder is writable."""

import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from dis_bench.scratch import temporary_files_in
from tests.cli.test_run import TINY


@pytest.fixture
def no_place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    monkeypatch.delenv("TMPDIR", raising=False)


def test_files_go_to_the_results_and_are_removed(no_place, tmp_path):
    def work():
        with temporary_files_in(tmp_path / "results"):
            assert tempfile.gettempdir() == os.environ["TMPDIR"]
            assert os.environ["TMPDIR"].startswith(str(tmp_path / "results"))
            tempfile.mkdtemp()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert list((tmp_path / "results").iterdir()) == []
    assert "TMPDIR" not in os.environ
    assert tempfile.tempdir is None


def test_a_folder_that_cannot_be_made_is_told_of_by_whoever_needs_it(no_place):
    with temporary_files_in("/proc/none"), pytest.raises(FileNotFoundError):
        tempfile.gettempdir()


def test_the_systems_own_place_is_better(tmp_path):
    before = dict(os.environ)
    with temporary_files_in(tmp_path / "results"):
        assert dict(os.environ) == before
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_nothing_else_can_be_written(tmp_path):
    """Make everything else read-only in a mount namespace, even shared memory."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("only root can make a file system read-only")
    script = """
        out=$1; shift
        mount --bind "$out" "$out" && mount -o remount,ro,bind / || exit 77
        mount -o remount,ro,bind /dev/shm
        touch /tmp/probe && exit 77
        set -e
        "$@" run --betas 4 --out "$out" $TINY
        "$@" report "$out"
        "$@" data show dsprites --out "$out/picture.png"
    """
    environment = {**os.environ, "HOME": "/nonexistent", "TINY": " ".join(TINY)}
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = ["unshare", "-m", "bash", "-c", script, "_", tmp_path, sys.executable, "-m", "dis_bench"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/", timeout=300)
    if done.returncode in (1, 77) and "dis_bench" not in done.stderr and not done.stdout:
        pytest.skip(f"no read-only file system here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "anchors",
        "cells",
        "picture.png",
        "plans",
        "report",
        "unfinished",
    ]
