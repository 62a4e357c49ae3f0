"""Run jobs on the nodes of a Ray cluster: a task for each cell, or each stack.

This process decides what runs again. Ray retries nothing by itself: it neither tells a job that kills its
workers from a node that dies, nor releases the claims of either.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from dis_bench.records import claims
from dis_bench.records.durable import remove_file, write_whole
from dis_bench.records.processes import make_stamp
from dis_bench.records.schema import Record
from dis_bench.records.store import KEPT
from dis_bench.runners.engines.cluster.carrier import Carrier
from dis_bench.runners.engines.cluster.connection import Connection, NodeLost, WorkerKilled
from dis_bench.runners.engines.cluster.errand import Errand, Token
from dis_bench.runners.engines.cluster.nodes import Nodes
from dis_bench.runners.engines.cluster.parcel import Unfit, pack
from dis_bench.runners.engines.cluster.task import release_ended
from dis_bench.runners.engines.local import MOST_DEATHS, POLL_SECONDS, WorkerDied
from dis_bench.runners.engines.sizes import LARGEST, group_jobs, split_group
from dis_bench.runners.job import Job, Pipeline
from dis_bench.runners.stopping import delaying_stops
from dis_bench.runners.watch import Watcher

STOP_SECONDS = 10.0  # for tasks to write their checkpoints
MESSAGE_SECONDS = 60.0  # for the last messages of a task to arrive
SWEEP_SECONDS = 10.0  # between two releases of claims, if there is nothing to do but wait
MOST_NODES = 3  # that may die during one job

Finished = Iterator[tuple[Job, Record | None]]


@dataclass(eq=False)
class _Task:
    """Jobs that a task does one after another or as a stack, and what is known of it."""

    jobs: list[Job]
    deaths: int = 0
    lost_nodes: int = 0
    node: str = ""
    process: str = ""
    messages: int = 0
    found_unshared: bool = False


class RayEngine:
    """An engine that runs jobs on a cluster, within a block that holds the connection.

    Args:
        pipeline: does the jobs.
        address: ``HOST:PORT`` of the cluster's head, or ``auto``.
        workers: largest number of tasks at a time; None takes all processors, or GPUs.
        stacked: whether a task is a stack of similar cells.
        watcher: receiver of events.

    Raises:
        InputError: there is no such cluster, or one of its nodes cannot do the jobs.
    """

    def __init__(
        self, pipeline: Pipeline, address: str, workers: int | None, stacked: bool, watcher: Watcher
    ) -> None:
        self._pipeline, self._workers, self._stacked, self._watcher = pipeline, workers, stacked, watcher
        self._on_gpu = pipeline.device == "cuda"
        self._study = secrets.token_hex(8)
        folder = pipeline.store.unfinished.absolute()
        self._token = Token(folder / f".try.{make_stamp()}.token", self._study)
        self._carrier = Carrier(pipeline)
        self._waiting: deque[_Task] = deque()
        self._running: dict[int, tuple[Any, _Task]] = {}
        self._unread: deque[tuple[int, str, Any]] = deque()  # messages
        self._count = 0
        self._dead: set[str] = set()
        self._swept = 0.0
        self._is_shared = True
        parcel = pack(pipeline)
        with delaying_stops() as heed_stops:
            self._cluster = Connection(address)
            try:
                self._nodes = Nodes(self._cluster, self._on_gpu)
                self._parcel = self._cluster.share(parcel)
                self._keep_token()
                unshared = self._nodes.check(self._study, self._token, self._parcel, heed_stops)
                self._nodes.count_slots()
                if unshared:
                    self._carry(str(unshared[0]))
            except BaseException:
                self.__exit__()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        remove_file(self._token.path)
        self._cluster.__exit__()

    def run(self, jobs: Sequence[Job]) -> Finished:
        """Yield (job, record) as jobs finish, with None for cells that other runs have.

        Raises:
            KeyboardInterrupt: the study was interrupted; the tasks were stopped.
            WorkerDied: there are no nodes any more, or one that has joined cannot do the jobs.
        """
        self._waiting.extend(_Task(some) for some in self._split(jobs))
        with delaying_stops() as heed_stops:  # Ray would raise another interrupt than that of a scheduler
            try:
                while self._waiting or self._running:
                    heed_stops()
                    self._nodes.count_slots()
                    yield from self._start_tasks()
                    ended = self._wait()
                    yield from self._read_messages()
                    for number in ended:
                        yield from self._end(number)
            finally:
                self._stop()

    def wait(self, cells: int) -> None:
        """Wait for cells of other runs, and release those whose processes ended on a node."""
        now = time.monotonic()
        if self._is_shared and now - self._swept > SWEEP_SECONDS:
            self._swept = now
            root = self._pipeline.store.root.absolute()
            for node in self._nodes.list_usable():
                self._cluster.call_on(node, release_ended, root, self._token, parcel=self._parcel)
        self._watcher.wait(cells)

    def _split(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """Split jobs into those of one task each: cells, or parts of stacks for all GPUs."""
        if not self._stacked:
            return [[job] for job in jobs]
        groups = group_jobs(jobs, self._pipeline)
        most = max(1, self._workers or self._nodes.slots)
        return [part for group in groups for part in split_group(group, min(LARGEST, -(-len(group) // most)))]

    def _carry(self, node: str) -> None:
        """Send results through Ray from now on, as a node does not see the folder."""
        self._is_shared = False
        root = self._pipeline.store.root
        self._watcher.note(f"node {node} does not see '{root}', so results come through Ray")

    def _keep_token(self) -> None:
        """Keep the file by which nodes know the result folder, also from others' sweeps."""
        try:
            os.utime(self._token.path)
        except FileNotFoundError:
            write_whole(self._token.path, self._token.content.encode())

    def _start_tasks(self) -> Finished:
        most = self._workers or self._nodes.slots
        while self._waiting and len(self._running) < most:
            task = self._waiting.popleft()
            errand, done = self._write_errand(task)
            yield from done
            if errand is None:
                continue
            self._count += 1
            task.node = task.process = ""
            task.messages = 0
            call = self._cluster.submit(
                self._count, errand, self._parcel, cpus=1 + (errand.workers or 0), gpus=int(self._on_gpu)
            )
            self._running[self._count] = call, task

    def _write_errand(self, task: _Task) -> tuple[Errand | None, list[tuple[Job, Record | None]]]:
        """Write what a task is to do; also return the jobs that need no task."""
        workers = self._nodes.count_scoring() if self._stacked else None
        if self._is_shared:
            self._keep_token()
            return Errand(self._study, tuple(task.jobs), workers, self._token), []
        done, task.jobs = self._carrier.claim_all(task.jobs)
        if not task.jobs:
            return None, done
        return self._carrier.write_errand(self._study, task.jobs, workers), done

    def _wait(self) -> list[int]:
        """Wait a moment for a task to end; return the numbers of those that did."""
        if not self._running:
            time.sleep(POLL_SECONDS)
            return []
        numbers = {call: number for number, (call, _) in self._running.items()}
        return [numbers[call] for call in self._cluster.wait(numbers, POLL_SECONDS)]

    def _read_messages(self) -> Finished:
        """Forward the events of tasks, and yield the jobs that they finished."""
        try:
            self._unread.extend(self._cluster.take_messages())
        except WorkerKilled as error:
            raise WorkerDied(f"the process that gathers results from the cluster is gone; {KEPT}") from error
        while self._unread:
            number, kind, value = self._unread.popleft()
            if number in self._running:
                yield from self._read(self._running[number][1], kind, value)

    def _read(self, task: _Task, kind: str, value: Any) -> Finished:
        task.messages += 1
        if kind == "event":
            self._watcher.watch(value)
        elif kind == "node":
            task.node = value
        elif kind == "started":
            task.process = value
        elif kind == "unshared":
            task.found_unshared = True
        elif kind == "checkpoint":
            self._carrier.keep_checkpoint(*value)
        elif kind == "stopped":
            self._carrier.put_back(*value)
        elif kind == "finished":
            job, record, outcome = value
            task.jobs.remove(job)
            yield (job, record) if outcome is None else self._carrier.put_down(job, record, outcome)

    def _end(self, number: int) -> Finished:
        """Handle the end of a task, and start again what it has not done."""
        call, task = self._running[number]
        try:
            yield from self._read_rest(task, self._cluster.result(call))
            how = "interrupted"
        except NodeLost:
            how = ""
        except WorkerKilled as error:
            how = str(error)
        except Unfit as error:
            raise WorkerDied(f"node {self._nodes.name(task.node)} {error}; {KEPT}") from error
        del self._running[number]
        self._carrier.release(task.jobs)
        if not task.jobs:
            return
        if task.found_unshared:
            task.found_unshared = False
            if self._is_shared:
                self._carry(self._nodes.name(task.node))
            self._waiting.appendleft(task)
            return
        if task.process:  # it has ended, perhaps on another machine, whose processes cannot be seen here
            claims.free(self._pipeline.store.unfinished, task.process)
        yield from self._lose_node(task) if not how else self._lose_worker(task, how)

    def _read_rest(self, task: _Task, sent: int) -> Finished:
        """Read messages until all that a task has sent are here."""
        deadline = time.monotonic() + MESSAGE_SECONDS
        while task.messages < sent and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS / 10)
            yield from self._read_messages()

    def _lose_node(self, task: _Task) -> Finished:
        """Start the jobs of a dead node again elsewhere, or give them up."""
        task.lost_nodes += 1
        if task.node not in self._dead:
            self._dead.add(task.node)
            name = self._nodes.name(task.node)
            self._watcher.note(
                f"node {name} died: its cells start again elsewhere, from their last checkpoints"
            )
        if task.lost_nodes < MOST_NODES:
            self._waiting.append(task)
        else:
            yield from self._give_up(task, f"its node died {task.lost_nodes} times")

    def _lose_worker(self, task: _Task, how: str) -> Finished:
        """Start the jobs of a killed process once more, after the others."""
        task.deaths += 1
        if task.deaths < MOST_DEATHS:
            self._waiting.append(task)
            return
        where = f"on node {self._nodes.name(task.node)}: {how.rstrip('.')}"
        yield from self._give_up(
            task,
            f"its worker process was killed {task.deaths} times ({where}), usually because memory ran out",
        )

    def _give_up(self, task: _Task, reason: str) -> Finished:
        for job in task.jobs:
            yield job, self._pipeline.give_up(job, reason)

    def _stop(self) -> None:
        """Stop all tasks: wait for their checkpoints, then kill those that are left."""
        self._waiting.clear()
        if not self._running:
            return
        for call, _ in self._running.values():
            self._cluster.cancel(call, force=False)
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(WorkerDied):
            while self._running and time.monotonic() < deadline:
                for number in self._wait():
                    self._end_stopped(number)
        for call, task in self._running.values():
            self._cluster.cancel(call, force=True)
            self._carrier.release(task.jobs)
            if task.process:
                claims.free(self._pipeline.store.unfinished, task.process)
        self._running.clear()

    def _end_stopped(self, number: int) -> None:
        """Handle the end of a task that was stopped, or finished just before."""
        call, task = self._running[number]
        with suppress(Exception):  # it was cancelled, or is dead: nothing more comes from it
            for _ in self._read_rest(task, self._cluster.result(call)):
                pass  # its files are in the store now
        del self._running[number]
        self._carrier.release(task.jobs)
