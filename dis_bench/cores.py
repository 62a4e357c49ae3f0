"""The number of processor cores that this process may use."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def count_cores() -> int:
    """Count the cores that this process may use.

    The count is limited by the cores that the process may run on, by the processor time that its control
    group may take, as in a container (a quota of 2.5 cores counts as 2), and by ``SLURM_CPUS_PER_TASK``.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    limits = [int(granted)] if granted.isdigit() else []
    limits += [int(quota) for quota in _own_quotas()]
    return max(1, min([cores, *limits]))


@functools.cache
def _own_quotas() -> tuple[float, ...]:
    return tuple(read_quotas(CGROUPS, OWN_CGROUPS))


def read_quotas(root: Path, own: Path) -> list[float]:
    """Return the quotas, in cores, of a process's control groups and their parents.

    Args:
        root: the folder in which control groups are mounted, of version 1 or 2.
        own: the file that lists the groups of the process.
    """
    try:
        lines = own.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):  # not Linux
        return []
    quotas: list[float] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            quotas += _read_all(root, path, _read_max)
        elif "cpu" in controllers.split(","):
            for name in ("cpu", controllers):
                quotas += _read_all(root / name, path, _read_cfs)
    return quotas


def _read_all(root: Path, path: str, read: Callable[[Path], list[int]]) -> Iterator[float]:
    """Yield the quotas of a group and its parents; a container sees only the root."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts) + 1):
        try:
            quota, period = read(root.joinpath(*parts[:length]))
        except (OSError, ValueError):  # no such group here, or no limit
            continue
        if quota > 0 and period > 0:
            yield quota / period


def _read_max(group: Path) -> list[int]:
    return [int(word) for word in (group / "cpu.max").read_text("utf-8").split()]


def _read_cfs(group: Path) -> list[int]:
    return [int((group / f"cpu.cfs_{name}_us").read_text("utf-8")) for name in ("quota", "period")]
