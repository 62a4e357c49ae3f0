"""A connection to a Ray cluster: its nodes, tasks on them, and the messages of tasks.

All calls of Ray are here and in :mod:`.joining`. It is imported when a connection is made, and only then.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from dis_bench.runners.engines.cluster.errand import Errand, read_message, write_message
from dis_bench.runners.engines.cluster.joining import join
from dis_bench.runners.engines.cluster.mailbox import Mailbox
from dis_bench.runners.engines.cluster.parcel import Parcel
from dis_bench.runners.engines.cluster.task import do_errand

_SETTINGS = {  # of Ray, unless the user has set them
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray warns that this will become its default
}


class NodeLost(RuntimeError):
    """Error: the node of a task died."""


class WorkerKilled(RuntimeError):
    """Error: the process of a task was killed; the message says how."""


@dataclass(frozen=True)
class Node:
    """A node of the cluster that is alive.

    Attributes:
        id: Ray's name for it.
        host: name of its machine.
        cpus: its processor cores, as declared to Ray.
        gpus: its GPUs.
    """

    id: str
    host: str
    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"{self.host} ({self.id[:8]})"


class Connection:
    """A connection of this process to a cluster, with a mailbox on this machine.

    A connection that the caller has opened himself is used, and stays open.

    Args:
        address: ``HOST:PORT`` of the cluster's head; ``auto`` finds that of this machine.

    Raises:
        InputError: there is no cluster, or this machine is not one of its nodes.
    """

    def __init__(self, address: str) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        self._ray = importlib.import_module("ray")
        self._is_own = not self._ray.is_initialized()
        if self._is_own:
            join(address)
        self._remote: dict[str, Any] = {
            name: self._ray.remote(max_retries=0, num_cpus=0)(function)
            for name, function in (("errand", _run_errand), ("call", _call))
        }
        here = self._ray.get_runtime_context().get_node_id()
        self._mailbox = self._ray.remote(num_cpus=0)(Mailbox).options(**self._on(here)).remote()

    def _on(self, node_id: str) -> dict[str, Any]:
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        return {"scheduling_strategy": strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)}

    def list_nodes(self) -> list[Node]:
        """List the nodes that are alive, those without processors too."""
        return [
            Node(
                one["NodeID"],
                one["NodeManagerHostname"],
                int(one["Resources"].get("CPU", 0)),
                int(one["Resources"].get("GPU", 0)),
            )
            for one in self._ray.nodes()
            if one["Alive"]
        ]

    def share(self, value: Any) -> Any:
        """Put a value into the cluster; return the reference that tasks take."""
        return [self._ray.put(value)]

    def call_on(self, node: Node, function: Callable[..., Any], *given: Any, parcel: Any) -> Any:
        """Call ``function(fetch, *given)`` on a node; ``fetch()`` gets the parcel."""
        return self._remote["call"].options(**self._on(node.id)).remote(function, parcel, given)

    def submit(self, number: int, errand: Errand, parcel: Any, *, cpus: int, gpus: int) -> Any:
        """Start a task as soon as a node has the processors and GPUs for it.

        Args:
            number: of the task, which its messages carry.
            errand: what it does.
            parcel: the shared :class:`Parcel`.
            cpus, gpus: what it takes up.
        """
        remote = self._remote["errand"].options(num_cpus=cpus, num_gpus=gpus)
        return remote.remote(number, errand, parcel, self._mailbox)

    def wait(self, tasks: Iterable[Any], seconds: float) -> list[Any]:
        """Wait until a task ends; return those that have ended."""
        waiting = list(tasks)
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=seconds)
        if not ready:
            return []
        return self._ray.wait(waiting, num_returns=len(waiting), timeout=0, fetch_local=False)[0]

    def result(self, task: Any) -> Any:
        """Return the result of a task that has ended.

        Raises:
            NodeLost: its node died.
            WorkerKilled: its process was killed.
            Exception: what it raised itself.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(task)
        except (errors.NodeDiedError, errors.TaskUnschedulableError) as error:
            raise NodeLost from error  # unschedulable: the node was gone before the task reached it
        except errors.OutOfMemoryError as error:
            raise WorkerKilled("by Ray, as the memory of its node ran out") from error
        except errors.TaskCancelledError as error:
            raise WorkerKilled("cancelled") from error
        except errors.RayTaskError as error:
            raise getattr(error, "cause", None) or error from None
        except errors.RayError as error:
            raise WorkerKilled(_first_words(error)) from error

    def take_messages(self) -> list[tuple[int, str, Any]]:
        """Return the messages that tasks have sent: (number of the task, kind, value).

        Raises:
            WorkerKilled: the process of the mailbox was killed.
        """
        try:
            return [read_message(one) for one in self._ray.get(self._mailbox.take.remote())]
        except self._ray.exceptions.RayError as error:
            raise WorkerKilled(_first_words(error)) from error

    def cancel(self, task: Any, *, force: bool) -> None:
        """Interrupt a task, or kill its process."""
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.cancel(task, force=force)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # the cluster may be gone
            self._ray.kill(self._mailbox)
        if self._is_own:
            self._ray.shutdown()


def _run_errand(number: int, errand: Errand, parcel: list[Any], mailbox: Any) -> int:
    """Do an errand in a process of a node; return the number of its messages.

    No message is waited for: Ray would give the processor of a task that waits to another one.
    """
    import ray

    sent = 0

    def send(kind: str, value: Any) -> None:
        nonlocal sent
        sent += 1
        mailbox.put.remote(write_message(number, kind, value))

    send("node", ray.get_runtime_context().get_node_id())
    do_errand(errand, lambda: ray.get(parcel[0]), send)
    return sent


def _call(function: Callable[..., Any], parcel: list[Any], given: Sequence[Any]) -> Any:
    import ray

    def fetch() -> Parcel:
        return ray.get(parcel[0])

    return function(fetch, *given)


def _first_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text or type(error).__name__).partition(". ")[0][:200]
