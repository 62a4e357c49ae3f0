"""Errands, files of cells and messages, which the driver and its tasks exchange."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dis_bench.records.carried import Files
from dis_bench.runners.job import Job

Send = Callable[[str, Any], None]  # kind and value of a message, to the driver


@dataclass(frozen=True)
class Token:
    """A file that the driver writes into the result folder, so that a node knows it.

    Attributes:
        path: of the file, absolute.
        content: of the file.
    """

    path: Path
    content: str

    def is_seen(self, seconds: float = 0.0) -> bool:
        """Return True if this machine sees the file, within some seconds of waiting."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(OSError, UnicodeDecodeError):
                return self.path.read_text("utf-8") == self.content
            if time.monotonic() >= deadline or not self.path.parent.is_dir():
                return False
            time.sleep(0.1)


@dataclass(frozen=True)
class Errand:
    """An errand for a task: jobs, and the files that they need.

    Attributes:
        study: identity of the parcel.
        jobs: the jobs, which train together in stacks if there are ``workers``.
        workers: number of processes that score beside the stacks; None does jobs one by one.
        token: the file by which the result folder is known; None works in a scratch folder.
        files: by name of the cell, what a scratch folder needs: a checkpoint, or a finished cell to score.
        events: by name of the cell, its event files for TensorBoard.
    """

    study: str
    jobs: tuple[Job, ...]
    workers: int | None
    token: Token | None
    files: dict[str, Files] = field(default_factory=dict)
    events: dict[str, Files] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The files that a task leaves of a cell in a scratch folder.

    Attributes:
        files: files of its finished folder.
        left: files of the unfinished one, such as a checkpoint.
        events: event files for TensorBoard.
    """

    files: Files
    left: Files
    events: Files


def write_message(number: int, kind: str, value: Any) -> bytes:
    """Write a message of a task as bytes, since the mailbox knows none of our classes."""
    return pickle.dumps((number, kind, value))


def read_message(message: bytes) -> tuple[int, str, Any]:
    """Read a message of :func:`write_message`."""
    return pickle.loads(message)  # noqa: S301
