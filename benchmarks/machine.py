"""Shared by benchmarks: describe the machine, measure commands, print tables."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from dis_bench.cores import count_cores

MEMORY_SECONDS = 0.2  # between two readings of a process's memory, each of which delays it by milliseconds
EVENT_SECONDS = 0.005
DIS_BENCH = (sys.executable, "-m", "dis_bench")  # from the environment that runs the benchmark


def describe_machine(*packages: str) -> dict[str, Any]:
    """Describe the machine, the date, and the versions of Python and given packages."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": count_cores(),
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as cores"),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "date": date.today().isoformat(),
    }


def memory_mb(*roots: int) -> float:
    """Return the memory of processes and all descendants in MB; NaN if unknown.

    It is Linux's proportional set size, in which pages shared by several processes are counted once.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        return float("nan")
    parents = _parents()
    family = set(roots)
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(map(_pss_kb, family)) / 1e3


def _parents() -> dict[int, int]:
    """Return the parent of every process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()  # a name may contain spaces and brackets
        except OSError:  # it has ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(after_name[1])
    return parents


def _pss_kb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1.024 for line in lines if line.startswith("Pss:")), 0.0)


class Cost(NamedTuple):
    """The cost of a command: wall time (s), and peak memory with children (MB)."""

    seconds: float
    memory_mb: float


def run_command(*arguments: str, until: Callable[[], bool] | None = None) -> Cost:
    """Run ``dis-bench`` with the given arguments, hiding its output.

    Args:
        arguments: the words after ``dis-bench``.
        until: polled continuously; the command is killed when it returns True, and its memory is not read. By
            default the command runs to its end.

    Raises:
        RuntimeError: the command failed; the message contains the end of its output.
    """
    peak = 0.0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        begin = time.perf_counter()
        process = subprocess.Popen([*DIS_BENCH, *arguments], stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and not (until and until()):
                if until is None:
                    peak = max(peak, memory_mb(process.pid))
                time.sleep(MEMORY_SECONDS if until is None else EVENT_SECONDS)
            seconds = time.perf_counter() - begin
            ended = process.poll() is not None
        finally:
            process.kill()  # its workers exit with it
            process.wait()
        if ended and process.returncode:
            output.seek(0)
            raise RuntimeError(f"dis-bench {' '.join(arguments)} failed: {output.read()[-500:]}")
    return Cost(seconds, peak)


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print a Markdown table with the first row's keys, and at least three digits."""
    print(f"| {' | '.join(rows[0])} |\n{'|---' * len(rows[0])}|")
    for row in rows:
        print(f"| {' | '.join(map(format_number, row.values()))} |")


def format_number(value: Any) -> str:
    """Format a number with three digits or all integer ones; None is a dash."""
    if value is None or value != value:
        return "–"  # noqa: RUF001
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def print_machine(machine: dict[str, Any]) -> None:
    """Print the machine as one line below a table."""
    print(f"\n{', '.join(f'{key}: {value}' for key, value in machine.items())}")
