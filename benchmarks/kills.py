"""Kill a study at random moments, in every way, and compare the table that the same command then ends with.

    python benchmarks/kills.py                        # 50 kills: half an hour
    python benchmarks/kills.py --json kills.json      # goes on where the file ends, if it was stopped
    python benchmarks/kills.py --short                # ten of a small study, as the suite runs them

The study has four kinds of model: with one player, with two, on pairs, without steps. After each kill the
same command runs to its end. Then all columns of the table except times must be those of an undisturbed run;
each cell must have been trained from its last checkpoint, and a finished one not at all; and no process,
temporary file, claim or unfinished folder may be left. Steps are counted when they are drawn, one ahead of
those that are taken, so that a stop without any loss may count one as trained again.

A full disk is a small tmpfs that a file fills, or where none can be mounted, a limit on the size of files.
Memory that runs out is a limit of a control group at which the kernel kills, or where none can be made, a
limit on the address space. A power cut is a copy of the folder, taken while the run writes to it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scipy.stats
import sklearn.decomposition
import torch._dynamo
import torch.multiprocessing
from counted import FOLDER
from machine import describe_machine, print_machine, print_table
from tqdm import tqdm

from dis_bench import read_results
from dis_bench.cli.main import main as dis_bench
from dis_bench.records.checkpoint import read_checkpoint
from dis_bench.records.columns import TIMES
from dis_bench.records.record import read_newest
from dis_bench.runners import run

# Imported once, before commands are forked, which would otherwise import them each time.
LOADED = (run, scipy.stats, sklearn.decomposition, torch._dynamo, torch.multiprocessing)

ROOT = Path(__file__).parent.parent
COUNTED, TINY, SMALL = (
    ROOT / place for place in ("benchmarks/counted.py", "tests/tiny.py", "tests/models/small.py")
)
STEPLESS = "fitted"
MOMENTS = ("training.csv", "checkpoint.pt", "weights.safetensors", "codes.npz", "pictures.npz", "record.json")
END_SECONDS = 1_800  # in which a command and its workers must end, also on a busy machine
WAYS = ("kill -9, command", "kill -9, worker", "power cut", "SIGTERM", "closed terminal", "memory", "disk")


@dataclass
class Study:
    """A study to kill.

    Attributes:
        steps: of each cell.
        seeds: of each model.
        betas: of the model with one player.
        minutes: between checkpoints.
        workers: numbers of workers to choose from, where the way to kill leaves a choice.
    """

    steps: int
    seeds: int
    betas: tuple[int, ...]
    minutes: float
    workers: tuple[int, ...]

    def words(self, out: Path, workers: int) -> list[str]:
        """Return the command line."""
        models = [f"{COUNTED}:{name}" for name in ("Steps", "Players", "Pairs", "Fitted")]
        return [
            *("run", "--models", *models, "--set", f"steps.beta={','.join(map(str, self.betas))}"),
            *("--datasets", f"{TINY}:Tiny", "--network", f"{SMALL}:Small", "--metrics", f"{TINY}:mean_code"),
            *("--steps", str(self.steps), "--seeds", str(self.seeds), "--batch-size", "16"),
            *("--latent-size", "4", "--precision", "fp32", "--kernels", "torch", "--device", "cpu"),
            *("--checkpoint-minutes", str(self.minutes), "--workers", str(workers), "--out", str(out)),
        ]


@dataclass
class Command:
    """A command that runs as the leader of a session of its own."""

    pid: int
    terminal: int | None = None
    code: int | None = None

    def runs(self) -> bool:
        """Return True until the command has ended."""
        if self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def wait(self) -> int:
        """Wait until the command has ended, and return its exit code."""
        deadline = time.monotonic() + END_SECONDS
        while self.runs():
            if time.monotonic() > deadline:
                os.killpg(self.pid, signal.SIGKILL)
                raise TimeoutError("a command does not end")
            if self.terminal is not None:
                with contextlib.suppress(OSError):  # what it prints would otherwise block it
                    os.set_blocking(self.terminal, False)
                    os.read(self.terminal, 1 << 16)
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def members(self) -> list[int]:
        """List the living processes of its session."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(fields[3]) == self.pid and fields[0] != "Z":
                    found.append(int(stat.parent.name))
        return found

    def workers(self) -> list[int]:
        """List its worker processes."""
        found = []
        for pid in self.members():
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


def start(words: list[str], log: Path, *, terminal: bool = False) -> Command:
    """Start a command in a session of its own, forked from this process, which has imported it all."""
    sys.stdout.flush()
    pid, handle = pty.fork() if terminal else (os.fork(), -1)
    if pid:
        return Command(pid, handle if terminal else None)
    code = 70
    try:
        if not terminal:
            os.setsid()
            with open(log, "ab") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.argv[1:] = words
        code = dis_bench(words)
    except BaseException:
        with open(log, "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    finally:
        os._exit(code)


@dataclass
class Place:
    """The folders of one try: results, temporary files and counted steps."""

    root: Path
    out: Path = field(init=False)
    draws: Path = field(init=False)
    temporary: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out, self.draws, self.temporary = (self.root / name for name in ("out", "draws", "tmp"))
        for folder in (self.draws, self.temporary):
            folder.mkdir(parents=True)
        os.environ[FOLDER], os.environ["TMPDIR"] = str(self.draws), str(self.temporary)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.root)  # torch's, made by importing it
        tempfile.tempdir = None

    def drawn(self) -> int:
        """Return the number of steps that were drawn for all cells."""
        return sum(path.stat().st_size for path in self.draws.iterdir())


def table(out: Path) -> Any:
    """Return the table of a result folder without places and times."""
    found = read_results(out)
    return found.drop(columns=["folder", *(name for name in TIMES if name in found)])


def steps_left(out: Path, cells: dict[str, int]) -> int:
    """Return the steps from the checkpoints of all cells to their ends.

    Args:
        out: the result folder after a kill.
        cells: steps of each cell by name.
    """
    left = 0
    for name, steps in cells.items():
        if any(is_done(folder) for folder in (out / "cells" / name, *unfinished(out, name))):
            continue
        states = [read_checkpoint(folder, name.rpartition("-")[2]) for folder in unfinished(out, name)]
        left += steps - max((state["step"] for state in states if state), default=0)
    return left


def unfinished(out: Path, name: str) -> list[Path]:
    """List the folders of an unfinished cell, claimed or not."""
    return [path for path in (out / "unfinished").glob(f"*{name}") if path.is_dir()]


def is_done(folder: Path) -> bool:
    """Return True if a folder has a valid record of a finished cell."""
    record = read_newest(folder, []) if folder.is_dir() else None
    return record is not None and record["status"] == "done"


def leftovers(place: Place, command: Command) -> list[str]:
    """List what a finished command should not leave behind."""
    found = [str(path.relative_to(place.out)) for path in place.out.rglob(".*")]
    found += [f"unfinished/{path.name}" for path in (place.out / "unfinished").glob("[!.]*")]
    found += [f"temporary {path.name}" for path in place.temporary.iterdir()]
    found += [f"shared memory {path.name}" for path in Path("/dev/shm").glob(f"torch_{command.pid}_*")]
    return found


def wait_for_moment(command: Command, out: Path, rng: random.Random, seconds: float) -> str:
    """Wait until a random moment; return it in words, or an empty text if the command ended before."""
    if rng.random() < 0.5:
        end = time.monotonic() + rng.uniform(0.02, 0.9) * seconds
        while command.runs() and time.monotonic() < end:
            time.sleep(0.005)
        return "some time" if command.runs() else ""
    name, number = rng.choice(MOMENTS), rng.randint(1, 3)
    seen: set[str] = set()
    while command.runs():
        with contextlib.suppress(OSError):
            seen |= {str(path) for path in out.glob(f"unfinished/*/{name}") if path.stat().st_size}
        if len(seen) >= number:
            time.sleep(rng.choice([0, 0, 0.002, 0.01, 0.05, 0.3]))
            return f"{name} no. {number}"
        time.sleep(0.001)
    return ""


@contextlib.contextmanager
def small_disk(place: Place) -> Iterator[bool]:
    """Mount a small file system as the result folder, if this process may; yield whether it did."""
    place.out.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", place.out], capture_output=True, check=False
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            kept = place.root / "kept"
            shutil.copytree(place.out, kept)
            subprocess.run(["umount", place.out], check=True)
            place.out.rmdir()
            kept.rename(place.out)


def fill(folder: Path) -> Path:
    """Fill the disk of a folder, and return the file that does."""
    filler = folder / "filler"
    with open(filler, "wb", 0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


@contextlib.contextmanager
def memory_group() -> Iterator[Path | None]:
    """Make a control group of memory within that of this process; yield None if it may not."""
    group = None
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        own = next(line.split(":", 2)[2] for line in lines if line.split(":")[1] == "memory")
        group = Path(f"/sys/fs/cgroup/memory{own}/dis-bench-kills-{os.getpid()}")
        group.mkdir()
        if not (group / "memory.limit_in_bytes").exists():
            group.rmdir()
            group = None
    try:
        yield group if group is not None and group.is_dir() else None
    finally:
        if group is not None and group.is_dir():
            for _ in range(200):
                with contextlib.suppress(OSError):  # until its last process has gone
                    group.rmdir()
                    break
                time.sleep(0.05)


def limit_memory(command: Command, group: Path | None) -> str:
    """Let the next allocations of a command fail, or the kernel kill at them."""
    if group is not None:
        for pid in command.members():
            with contextlib.suppress(OSError):
                (group / "cgroup.procs").write_text(str(pid))
        used = sum(_resident(pid) for pid in command.members())
        # Pages that were counted before stay with the group that they came from.
        counted = int((group / "memory.usage_in_bytes").read_text("utf-8"))
        (group / "memory.limit_in_bytes").write_text(str(counted + (2 << 20)))
        return f"control group, {used >> 20} MB resident"
    for pid in command.workers() or command.members():
        size = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
    return "RLIMIT_AS"


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1]) * resource.getpagesize()
    return 0


@contextlib.contextmanager
def prepared(way: str, place: Place) -> Iterator[Any]:
    """Prepare what a way to kill needs before the command starts."""
    if way == "disk":
        with small_disk(place) as mounted:
            yield mounted
    elif way == "memory":
        with memory_group() as group:
            yield group
    else:
        yield None


def disturb(way: str, command: Command, place: Place, prepared: Any, rng: random.Random) -> str:
    """Disturb a running command in a way, and wait until it has ended; return a remark."""
    remark = ""
    if way == "kill -9, worker":
        workers = command.workers()
        os.kill(rng.choice(workers) if workers else command.pid, signal.SIGKILL)
        remark = "" if workers else "no worker yet: the command"
    elif way == "kill -9, command":
        os.kill(command.pid, signal.SIGKILL)
    elif way == "power cut":
        copy = place.root / "copy"
        copy_moving(place.out, copy)
        os.killpg(command.pid, signal.SIGKILL)
        command.wait()
        shutil.rmtree(place.out)
        copy.rename(place.out)
    elif way == "SIGTERM":
        os.kill(command.pid, rng.choice([signal.SIGTERM, signal.SIGUSR1]))
    elif way == "closed terminal":
        assert command.terminal is not None
        os.close(command.terminal)
        command.terminal = None
    elif way == "memory":
        remark = limit_memory(command, prepared)
    elif way == "disk" and prepared:
        filler = fill(place.out)
        command.wait()
        filler.unlink()
        remark = "tmpfs"
    elif way == "disk":
        for pid in command.members():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        remark = "RLIMIT_FSIZE"
    command.wait()
    return remark


def copy_moving(source: Path, target: Path) -> None:
    """Copy a folder while its files change, as a power cut would find it."""
    target.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(source.iterdir()):
            if path.is_dir():
                copy_moving(path, target / path.name)
            else:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy2(path, target / path.name)


def kill_once(
    way: str,
    study: Study,
    place: Place,
    cells: dict[str, int],
    wanted: Any,
    rng: random.Random,
    seconds: float,
) -> dict[str, Any]:
    """Kill a study once, run the same command again, and report how it went."""
    workers = 1 if way == "kill -9, worker" else rng.choice(study.workers)
    words = study.words(place.out, workers)
    log = place.root / "log"
    with prepared(way, place) as means:
        command = start(words, log, terminal=way == "closed terminal")
        moment = wait_for_moment(command, place.out, rng, seconds)
        remark = disturb(way, command, place, means, rng) if moment else ""
        code = command.wait()
        if command.terminal is not None:
            os.close(command.terminal)
    deadline = time.monotonic() + 30
    while (orphans := command.members()) and time.monotonic() < deadline:
        time.sleep(0.05)
    left, before = steps_left(place.out, cells), place.drawn()
    done = sum(is_done(folder) for folder in place.out.glob("cells/[!.]*"))
    after = start(words, log)
    last = after.wait()
    same = (place.out / "cells").is_dir() and table(place.out).equals(wanted)
    total = sum(cells.values())
    return {
        "way": way,
        "moment": moment or "it had ended",
        "workers": workers,
        "code": code,
        "cells done": done,
        "steps": total,
        "trained again": place.drawn() - total,
        "from its checkpoint": "yes"
        if place.drawn() - before == left
        else f"no: {place.drawn() - before} for {left}",
        "same table": "yes" if same and last == 0 else f"no: exit code {last}",
        "left over": ", ".join(leftovers(place, after) + [f"process {pid}" for pid in orphans]) or "nothing",
        "remark": remark,
    }


def run_undisturbed(study: Study, place: Place) -> tuple[Any, dict[str, int], float]:
    """Run a study to its end; return its table, the steps of its cells by name, and its seconds."""
    begin = time.monotonic()
    command = start(study.words(place.out, 0), place.root / "log")
    if command.wait() != 0:
        raise RuntimeError((place.root / "log").read_text("utf-8", "replace"))
    seconds = time.monotonic() - begin
    records = [read_newest(folder, []) for folder in place.out.glob("cells/*")]
    cells = {Path(record["folder"]).name: record["cell"]["steps"] for record in records if record}
    if place.drawn() != sum(cells.values()):
        raise RuntimeError(f"{place.drawn()} steps were drawn for {sum(cells.values())}")
    return table(place.out), cells, seconds


def read_rows(path: Path | None) -> list[dict[str, Any]]:
    """Read the kills that an earlier call kept."""
    if path is None or not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["kills"]
    return rows


def write_rows(path: Path | None, rows: list[dict[str, Any]]) -> None:
    """Keep kills, and their summary, in a file."""
    if path is not None:
        kept = {"machine": describe_machine("torch"), "summary": summarise(rows), "kills": rows}
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each way: kills, faults, and the most steps that one cell or all trained again."""
    return [
        {
            "way": way,
            "kills": len(some),
            "while it ran": sum(row["moment"] != "it had ended" for row in some),
            "faults": sum(map(is_fault, some)),
            "steps trained again, at most": max(row["trained again"] for row in some),
            "of steps in all": max(row["steps"] for row in some),
        }
        for way in dict.fromkeys(row["way"] for row in rows)
        if (some := [row for row in rows if row["way"] == way])
    ]


def is_fault(row: dict[str, Any]) -> bool:
    """Return True if a kill was not survived as it should be."""
    return (row["same table"], row["from its checkpoint"], row["left over"]) != ("yes", "yes", "nothing")


def main() -> int:
    """Kill, and print what happened; return 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, metavar="N", help="(default: 50, or 10 of a small study)")
    parser.add_argument("--short", action="store_true", help="a small study")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="in turn (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep each kill there; go on after those")
    options = parser.parse_args()
    small, large = Study(40, 1, (1,), 0.002, (0,)), Study(400, 1, (1, 4), 0.01, (0, 0, 1))
    study = small if options.short else large
    kills = options.kills or (10 if options.short else 50)
    rows = read_rows(options.json)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        wanted, cells, seconds = run_undisturbed(study, Place(Path(scratch, "whole")))
        for number in tqdm(range(len(rows), kills), desc="killing", disable=None):
            place = Place(Path(scratch, str(number)))
            way, rng = options.ways[number % len(options.ways)], random.Random(f"{options.seed}-{number}")
            rows.append(kill_once(way, study, place, cells, wanted, rng, seconds))
            tqdm.write(
                f"{way}, {rows[-1]['moment']}: {'a fault' if is_fault(rows[-1]) else 'survived'}", sys.stderr
            )
            if is_fault(rows[-1]):
                print((place.root / "log").read_text("utf-8", "replace")[-3000:], file=sys.stderr)
            shutil.rmtree(place.root)
            write_rows(options.json, rows)
    print_table(rows)
    print()
    print_table(summarise(rows))
    faults = sum(map(is_fault, rows))
    undisturbed = f"{len(cells)} cells of {study.steps} steps, {seconds:.1f} s undisturbed"
    print(f"\n{len(rows)} kills of {undisturbed}: {faults} faults.")
    print_machine(describe_machine("torch"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
