"""Commands that run in sessions of their own, and the ways to kill them at random moments."""

from __future__ import annotations

import contextlib
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

from counted import FOLDER

from dis_bench.cli.main import main as dis_bench

MOMENTS = ("training.csv", "checkpoint.pt", "weights.safetensors", "codes.npz", "pictures.npz", "record.json")
END_SECONDS = 1_800  # in which a command and its workers must end, also on a busy machine
WAYS = ("kill -9, command", "kill -9, worker", "power cut", "SIGTERM", "closed terminal", "memory", "disk")


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
    steps: Path = field(init=False)
    temporary: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out, self.steps, self.temporary = (self.root / name for name in ("out", "steps", "tmp"))
        for folder in (self.steps, self.temporary):
            folder.mkdir(parents=True)
        os.environ[FOLDER], os.environ["TMPDIR"] = str(self.steps), str(self.temporary)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.root)  # torch's, made by importing it
        tempfile.tempdir = None

    def count(self) -> dict[str, int]:
        """Return the numbers of steps that were begun, by counter."""
        return {path.name: path.stat().st_size for path in self.steps.iterdir()}

    def taken(self) -> int:
        """Return the number of steps that were begun for all cells."""
        return sum(self.count().values())


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
