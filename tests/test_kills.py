"""A study that is killed ten times, in every way, ends with the table of an undisturbed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dis_bench.records.checkpoint import discard_checkpoint, write_checkpoint

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_ten_kills_are_survived():
    command = [sys.executable, ROOT / "benchmarks" / "kills.py", "--short"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| kill", "| power", "| SIG"))]
    assert len(rows) > 4
    assert "10 kills of 4 cells" in done.stdout


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_a_lost_checkpoint_is_a_fault(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import kills

    name, out, seen = "tiny-pairs-seed0-123456789abc", tmp_path / "out", tmp_path / "seen"
    folder = out / "unfinished" / name
    folder.mkdir(parents=True)
    cells = {name: kills.Counted(40, "pairs"), "tiny-fitted-seed0-cba987654321": kills.Counted(0, "fitted")}
    write_checkpoint(folder, "123456789abc", {"step": 20})
    kills.keep_checkpoints(out, seen)
    assert kills.list_lost(out, seen, cells, {}) == []
    assert kills.list_lost(out, seen, cells, {"pairs": 21}) == []  # the step in flight
    assert kills.list_lost(out, seen, cells, {"pairs": 22}) == [f"{name}: 20 of 21"]
    assert kills.list_lost(out, seen, cells, {"pairs": 40}) == []  # it was encoding
    write_checkpoint(folder, "123456789abc", {"step": 10})
    assert kills.list_lost(out, seen, cells, {}) == [f"{name}: 10 of 20"]
    discard_checkpoint(folder)
    [lost] = kills.list_lost(out, seen, cells, {})
    row = {"same table": "yes", "from its checkpoint": "yes", "lost": "nothing", "left over": "nothing"}
    assert not kills.is_fault(row)
    assert kills.is_fault(row | {"lost": lost})
