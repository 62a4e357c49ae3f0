"""Claims on unfinished work: of all processes that share a folder, one at a time has each piece of it.

    unfinished/NAME                     a folder that nobody has
    unfinished/owner.STAMP.NAME         the same folder, and which process has it
    unfinished/.beat.PROCESS            touched while a process lives

A claim is taken by renaming the one to the other, and taken over by renaming one owner's folder to the next
owner's. A rename has one winner, and a stamp is never used again, so nobody takes a claim that he has not
looked at. Everything is written below the owner's own path: once another has taken over, a former owner
that wakes up late finds no folder to write to.
"""

from __future__ import annotations

import os
import platform
import random
import re
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dis_bench.records.durable import remove, remove_file
from dis_bench.records.processes import STAMP, Process, make_stamp, parse_stamp, this_process

BEAT_SECONDS = 30
STALE_SECONDS = 600  # without a beat
_ATTEMPTS = 10

_OWNED = re.compile(rf"owner\.{STAMP}\.(?P<name>.+)", re.DOTALL)
_BEAT = re.compile(r"\.beat\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)")


class ClaimLost(Exception):
    """Another process took this claim over, or its folder was removed."""


class Claim:
    """A piece of work that this process has, until it is released or lost.

    Attributes:
        folder: of the work; nobody else writes there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = False
        self._released = False
        _heart.add(self)

    def check(self) -> None:
        """Look whether the claim is still held.

        Raises:
            ClaimLost: it is not.
        """
        try:
            os.stat(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            self.lost = True
        if self.lost:
            raise ClaimLost(self.folder.name)

    def clear(self) -> None:
        """Remove what an earlier owner left, but for its checkpoints."""
        for path in self.folder.iterdir():
            if not path.name.startswith("checkpoint"):
                remove(path)

    def release(self, keep: bool | None = None) -> None:
        """Let go of the claim.

        Args:
            keep: leave the folder, for the next owner; else remove it, if it is still there. None leaves it
                where there is a checkpoint.
        """
        if self._released:
            return
        self._released = True
        _heart.remove(self)
        if any(self.folder.glob("checkpoint*")) if keep is None else keep:
            _give_back(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(frozen=True)
class Owner:
    """Who has a claim.

    Attributes:
        folder: of the work.
        name: of the work.
        process: that has it.
    """

    folder: Path
    name: str
    process: Process

    def is_stale(self, now: float) -> bool:
        """Return True if the owner has ended, or gave no sign of life for ten minutes.

        Args:
            now: by the clock of the file system; see :func:`read_clock`.
        """
        return self.process.has_ended() or now - self._last_beat() > STALE_SECONDS

    def _last_beat(self) -> float:
        try:
            return _beat_file(self.folder.parent, self.process).stat().st_mtime
        except OSError:
            return self.folder.stat().st_mtime

    def __str__(self) -> str:
        try:
            host = _beat_file(self.folder.parent, self.process).read_text("utf-8").strip()
        except (OSError, ValueError):
            host = ""
        return f"process {self.process.pid} on {host or 'another machine'}"


def claim(home: Path, name: str) -> Claim | None:
    """Claim a piece of work, taking it over from an owner that ended.

    Args:
        home: the folder of all claims; made if need be.
        name: of the work.

    Returns:
        The claim, whose folder may hold what an earlier owner left; None if another process has it.

    Raises:
        OSError: the folder cannot be written.
    """
    failure: OSError | None = None
    for _ in range(_ATTEMPTS):
        mine = home / f"owner.{make_stamp()}.{name}"
        try:
            home.mkdir(parents=True, exist_ok=True)
            owners = _list_claims(home, name)
            now = read_clock(home) if owners else 0.0
            if not all(owner.is_stale(now) for owner in owners):
                _heart.rest(home)
                return None
            _heart.beat(home)
            _take(owners, home / name, mine)
        except (FileNotFoundError, FileExistsError) as error:  # most likely, another was faster
            failure = error
        else:
            failure = None
            if _is_alone(home, name, mine):
                return Claim(mine)
            _give_back(mine)
        time.sleep(random.uniform(0, 0.05))
    if failure is not None:
        raise failure
    _heart.rest(home)
    return None


def find_owners(home: Path, now: float | None = None) -> dict[str, Owner]:
    """Return the owners of all claims that are not stale, by the name of the work.

    Args:
        home: the folder of all claims; it need not be there.
        now: by the clock of the file system; None asks it, which writes a file.
    """
    owners = _list_claims(home)
    if owners and now is None:
        now = read_clock(home)
    found = {}
    for owner in owners:
        with suppress(FileNotFoundError):  # released since
            if not owner.is_stale(now or 0.0):
                found[owner.name] = owner
    return found


def list_abandoned(home: Path) -> list[str]:
    """Return the names of the work that nobody has now: those of stale claims, and of bare folders."""
    held = find_owners(home)
    names = {owner.name for owner in _list_claims(home)}
    with suppress(FileNotFoundError):
        names |= {path.name for path in home.iterdir() if path.is_dir() and not _OWNED.fullmatch(path.name)}
    return sorted(name for name in names - set(held) if not name.startswith("."))


def tidy(home: Path) -> None:
    """Remove the signs of life of processes that ended."""
    with suppress(OSError):
        _heart.rest(home)
        now = read_clock(home) if home.is_dir() else 0.0
        for path in home.glob(".*"):
            match = _BEAT.fullmatch(path.name)
            if match is None:
                continue
            with suppress(OSError):
                if parse_stamp(match).has_ended() or now - path.stat().st_mtime > STALE_SECONDS:
                    remove_file(path)


def read_clock(home: Path) -> float:
    """Return the time by the clock that dates the files of a folder: other machines have other clocks."""
    path = home / f".clock.{make_stamp()}"
    try:
        path.write_bytes(b"")
        return path.stat().st_mtime
    finally:
        remove_file(path)


def _take(owners: list[Owner], free: Path, mine: Path) -> None:
    """Rename the folder of the work to one's own name; what fails here was taken by another.

    Raises:
        FileNotFoundError: another was faster.
    """
    if owners:
        os.rename(owners[0].folder, mine)
    else:
        free.mkdir(exist_ok=True)
        os.rename(free, mine)


def _is_alone(home: Path, name: str, mine: Path) -> bool:
    """Look once more: of two that claimed a folder that nobody had, the later one sees the other here."""
    others = [owner for owner in _list_claims(home, name) if owner.folder != mine]
    if not others:
        return True
    now = read_clock(home)
    for owner in others:
        with suppress(FileNotFoundError):
            if not owner.is_stale(now):
                return False
            shutil.rmtree(owner.folder, ignore_errors=True)
    return True


def _give_back(folder: Path) -> None:
    """Give a folder the name that says that nobody has it; remove it if it is empty."""
    with suppress(OSError):
        folder.rmdir()
        return
    match = _OWNED.fullmatch(folder.name)
    assert match is not None
    with suppress(OSError):
        os.rename(folder, folder.with_name(match["name"]))


def _list_claims(home: Path, name: str | None = None) -> list[Owner]:
    """Return the owners of all claims, stale or not; those of one name only, if it is given."""
    try:
        entries = os.listdir(home)
    except FileNotFoundError:
        return []
    matches = (_OWNED.fullmatch(entry) for entry in sorted(entries))
    owners = (Owner(home / match[0], match["name"], parse_stamp(match)) for match in matches if match)
    return [owner for owner in owners if name in (None, owner.name)]


def _beat_file(home: Path, process: Process) -> Path:
    return home / f".beat.{process}"


class _Heart:
    """The signs of life of this process, in every folder in which it has claims."""

    def __init__(self) -> None:
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()
        self._pid = 0

    def beat(self, home: Path) -> None:
        """Touch this process's file by writing it, which dates it by the file system's own clock."""
        _beat_file(home, this_process()).write_text(platform.node() + "\n", "utf-8", "replace")

    def add(self, claim: Claim) -> None:
        with self._lock:
            self._claims.add(claim)
            if self._pid != os.getpid():  # a fork has no threads
                self._pid = os.getpid()
                threading.Thread(target=self._beat_for_ever, daemon=True).start()

    def remove(self, claim: Claim) -> None:
        with self._lock:
            self._claims.discard(claim)
        self.rest(claim.folder.parent)

    def rest(self, home: Path) -> None:
        """Remove this process's file where it has no claim."""
        with self._lock:
            if home not in {one.folder.parent for one in self._claims}:
                remove_file(_beat_file(home, this_process()))

    def _beat_for_ever(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            self.beat_once()

    def beat_once(self) -> None:
        """Give a sign of life for every claim, and find those that were lost."""
        with self._lock:
            claims = list(self._claims)
        for home in {one.folder.parent for one in claims}:
            with suppress(OSError):  # a mount that hangs: the next beat tries again
                self.beat(home)
        for one in claims:
            with suppress(ClaimLost, OSError):
                one.check()


_heart = _Heart()
