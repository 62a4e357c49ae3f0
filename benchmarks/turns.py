"""Systems that take turns on a machine, each in new processes timed together."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from machine import MEMORY_SECONDS, memory_mb
from tqdm import tqdm


@dataclass(frozen=True)
class Setting:
    """The training task, and its length in each turn."""

    network: str
    dataset: str
    batch: int
    steps: int
    warmup: int
    images: int | None  # unpacked by the plain way; None for all


class System(NamedTuple):
    """A way to use the machine: ``processes`` times ``work(line, setting, option)``."""

    name: str
    work: Callable[[Connection, Setting, Any], None]
    processes: int
    option: Any


class Turn(NamedTuple):
    """The answers of a system's processes in one round, and their peak memory in MB."""

    answers: list[Any]
    memory_mb: float


class Clock:
    """A clock for the steps after the warm-up, started when all processes are ready."""

    def __init__(self, line: Connection, setting: Setting) -> None:
        self.line, self.first, self.last = line, setting.warmup, setting.warmup + setting.steps

    def tick(self, step: int) -> None:
        """Record that a step is done; steps count from 1."""
        if step == self.first:
            wait_for_others(self.line)
            self.begin = time.perf_counter()
        elif step == self.last:
            self.line.send(time.perf_counter() - self.begin)
            self.line.recv()


def wait_for_others(line: Connection) -> None:
    """Report that this process is ready, and wait until all are."""
    line.send("ready")
    line.recv()


def take_turn(system: System, setting: Setting) -> Turn:
    """Run one system alone on the machine, in new processes.

    Raises:
        EOFError: one of its processes ended; its stderr says why.
    """
    lines, processes = start(system, setting)
    pids = [process.pid for process in processes]
    peak = 0.0
    try:
        for line in lines:
            while not line.poll(MEMORY_SECONDS):
                peak = max(peak, memory_mb(*pids))
            line.recv()
        for line in lines:
            line.send("go")
        answers = [line.recv() for line in lines]
        peak = max(peak, memory_mb(*pids))
        for line in lines:
            line.send("end")
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join()
    return Turn(answers, peak)


def start(system: System, setting: Setting) -> tuple[list[Connection], list[Any]]:
    """Start the processes of a system, and return them with a connection to each."""
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    for _ in range(system.processes):
        line, theirs = context.Pipe()
        process = context.Process(target=system.work, args=(theirs, setting, system.option))
        process.start()
        theirs.close()  # so that their end of the connection closes when they end
        lines.append(line)
        processes.append(process)
    return lines, processes


def take_rounds(systems: list[System], setting: Setting, rounds: int) -> dict[str, list[Turn]]:
    """Run all systems in turn for some rounds."""
    turns: dict[str, list[Turn]] = {system.name: [] for system in systems}
    with tqdm(total=rounds * len(systems), unit="turn", leave=False, disable=None) as bar:
        for number in range(rounds):
            for system in systems if number % 2 == 0 else reversed(systems):
                bar.set_description_str(f"{setting.network}, {system.name}")
                turns[system.name].append(take_turn(system, setting))
                bar.update()
    return turns
