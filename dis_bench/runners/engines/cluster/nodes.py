"""The nodes of a cluster as the driver sees them: their fitness, and room for tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from dis_bench.bars import bar
from dis_bench.errors import InputError, describe
from dis_bench.records.store import KEPT
from dis_bench.runners.engines.cluster.connection import Connection, Node, NodeLost
from dis_bench.runners.engines.cluster.errand import Token
from dis_bench.runners.engines.cluster.parcel import Unfit
from dis_bench.runners.engines.cluster.task import check_node
from dis_bench.runners.engines.local import POLL_SECONDS, WorkerDied

CHECK_SECONDS = 180.0  # for a node to import dis-bench, and to draw images
COUNT_SECONDS = 1.0  # between two looks at the nodes of the cluster
EMPTY_SECONDS = 60.0  # without any node, after which a run ends


class Nodes:
    """The nodes of a cluster.

    Args:
        cluster: the connection to it.
        on_gpu: whether a task takes a GPU, or a processor.

    Attributes:
        slots: tasks that the cluster can run at a time, when it was last counted.
    """

    def __init__(self, cluster: Connection, on_gpu: bool) -> None:
        self._cluster, self._on_gpu = cluster, on_gpu
        self._names: dict[str, str] = {}
        self.slots = 0
        self._counted, self._seen = -math.inf, time.monotonic()

    def list_usable(self) -> list[Node]:
        """List the nodes that can run a task; remember the names of all."""
        nodes = self._cluster.list_nodes()
        self._names |= {node.id: str(node) for node in nodes}
        return [node for node in nodes if (node.gpus if self._on_gpu else node.cpus)]

    def name(self, node_id: str) -> str:
        """Return the name of a node, which may be dead, or not known."""
        return self._names.get(node_id, "of the cluster" if not node_id else node_id[:8])

    def count_slots(self) -> None:
        """Count the tasks that the cluster can run at a time, once a second.

        Raises:
            WorkerDied: there have been no nodes for a minute.
        """
        now = time.monotonic()
        if now - self._counted < COUNT_SECONDS:
            return
        self._counted = now
        nodes = self.list_usable()
        self.slots = sum(node.gpus if self._on_gpu else node.cpus for node in nodes)
        if nodes:
            self._seen = now
        elif now - self._seen > EMPTY_SECONDS:
            raise WorkerDied(f"the Ray cluster has had no node to run on for a minute; {KEPT}")

    def count_scoring(self) -> int:
        """Count the processors of a GPU beside that which trains, on the smallest node."""
        shares = [node.cpus // node.gpus for node in self.list_usable() if self._on_gpu]
        return max(0, min(shares, default=1) - 1)

    def check(self, study: str, token: Token, parcel: Any, heed_stops: Callable[[], None]) -> list[Node]:
        """Check that each node can do a study's jobs.

        Args:
            study: identity of the study.
            token: the file by which nodes know the result folder.
            parcel: the study's, shared with the cluster.
            heed_stops: raises if the run was asked to stop.

        Returns:
            The nodes that do not see the result folder.

        Raises:
            InputError: there is no node, or one cannot do the jobs.
        """
        nodes = self.list_usable()
        if not nodes:
            raise InputError(
                f"no node of the Ray cluster has a {'GPU' if self._on_gpu else 'processor'} for a task: add "
                "nodes with `ray start --address=HOST:PORT`."
            )
        asked = {self._cluster.call_on(node, check_node, study, token, parcel=parcel): node for node in nodes}
        unshared = []
        deadline = time.monotonic() + CHECK_SECONDS
        with bar(desc="checking nodes", total=len(asked)) as progress:
            while asked:
                heed_stops()
                for call in self._cluster.wait(asked, POLL_SECONDS):
                    node = asked.pop(call)
                    if not self._sees_folder(call, node):
                        unshared.append(node)
                    progress.update()
                if asked and time.monotonic() > deadline:
                    late = next(iter(asked.values()))
                    raise InputError(f"node {late} did not answer within {CHECK_SECONDS:.0f} seconds.")
        return unshared

    def _sees_folder(self, call: Any, node: Node) -> bool:
        """Return what a node answered: whether it sees the result folder.

        Raises:
            InputError: it cannot do the jobs.
        """
        try:
            return self._cluster.result(call)
        except Unfit as error:
            raise InputError(f"node {node} {error}.") from error
        except NodeLost:
            return True  # it takes part no more
        except Exception as error:
            raise InputError(f"node {node} cannot run dis-bench: {describe(error)[:300]}.") from error
