"""Names of processes, from which other processes can find out whether they have ended."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

STAMP = r"(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{6}"


@dataclass(frozen=True)
class Process:
    """A process on this machine or another one.

    Attributes:
        host: eight digits that identify the machine, its boot and its namespace of process ids.
        pid: process id on that host.
        start: start time, since pids are reused; 0 if it cannot be read.
    """

    host: str
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.start}"

    def has_ended(self) -> bool:
        """Return True if it has certainly ended; False for a process of another machine.

        Outside POSIX systems this cannot be tested: there, ``kill`` with signal 0 would end the process.
        """
        if self.host != _this_host() or os.name != "posix":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # somebody else's, who may have got the number since
            pass
        except (OSError, OverflowError):
            return False
        state, start = _read_stat(self.pid)
        return state == "Z" or (0 not in (start, self.start) and start != self.start)


def this_process() -> Process:
    """Return the calling process."""
    return _describe(os.getpid())  # read each time, since a fork has a pid of its own


def make_stamp() -> str:
    """Return a new suffix for file names that names this process and matches STAMP."""
    return f"{this_process()}-{secrets.token_hex(3)}"


def parse_stamp(match: re.Match[str]) -> Process:
    """Return the process that a match of :data:`STAMP` names."""
    return Process(match["host"], int(match["pid"]), int(match["start"]))


@functools.cache
def _describe(pid: int) -> Process:
    return Process(_this_host(), pid, _read_stat(pid)[1])


@functools.cache
def _this_host() -> str:
    # Containers can share a host name without sharing process ids, and every boot restarts the pids.
    parts = [platform.node()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"),
        _read_namespace,
    ):
        try:
            parts.append(read())
        except OSError:  # not Linux
            parts.append("")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _read_namespace() -> str:
    return os.readlink("/proc/self/ns/pid")


def _read_stat(pid: int) -> tuple[str, int]:
    """Return a process's state and start time, or ("", 0) if /proc does not have them."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        fields = text.rpartition(")")[2].split()  # a program's name may contain spaces and parentheses
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return "", 0
