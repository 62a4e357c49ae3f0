"""A study that is killed ten times, in every way, ends with the table of an undisturbed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
