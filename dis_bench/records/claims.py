"""Claims on unfinished work, so that processes that share a folder never do the same work.

    unfinished/NAME                     an unclaimed folder
    unfinished/owner.STAMP.NAME         the same folder, claimed by the process in the stamp
    unfinished/.beat.PROCESS            heartbeat of a process that holds claims

A process claims work by renaming the first to the second, and takes a claim over by renaming the former
owner's folder to its own. A rename has one winner, and stamps are never reused, so no process takes a claim
that it has not examined. An owner writes only below its own path: once its claim was taken over, a former
owner that wakes up late finds no folder to write to.
"""

from __future__ import annotations

import errno
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
from dis_bench.records.record import is_written
from dis_bench.records.seal import read_regular

BEAT_SECONDS = 30
STALE_SECONDS = 600  # without a heartbeat
MOST_NAME = 1 << 12  # bytes of a machine's name
MARK = "claimed"  # a file in the folder of a claim, as old as the claim
_ATTEMPTS = 10

_OWNED = re.compile(rf"owner\.{STAMP}\.(?P<name>.+)", re.DOTALL)
_BEAT = re.compile(r"\.beat\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)")


class ClaimLost(Exception):
    """Error: another process took this claim over, or its folder was removed."""


class Claim:
    """A claim of this process on a piece of work, until it is released or lost.

    Attributes:
        folder: folder of the work; no other process writes there.
        lost: whether another process took the claim over.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = False
        self._released = False
        _heart.add(self)

    def check(self) -> None:
        """Check that the claim is still held.

        Raises:
            ClaimLost: the claim was lost.
        """
        try:
            os.stat(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            self.lost = True
        if self.lost:
            raise ClaimLost(self.folder.name)

    def clear(self) -> None:
        """Remove all files of an earlier owner except its checkpoints."""
        for path in self.folder.iterdir():
            if not path.name.startswith("checkpoint"):
                remove(path)

    def mark(self) -> None:
        """Note the time of the claim in its folder, for :meth:`Owner.since`."""
        with suppress(OSError):  # nothing depends on it
            (self.folder / MARK).write_bytes(b"")

    def release(self, keep: bool | None = None) -> None:
        """Release the claim.

        Args:
            keep: True leaves the folder to the next owner, False removes it, and None leaves it if it holds
                a checkpoint or a record, which the next owner moves into place.
        """
        if self._released:
            return
        self._released = True
        _heart.remove(self)
        if _holds_work(self.folder) if keep is None else keep:
            _give_back(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(frozen=True)
class Owner:
    """The owner of a claim.

    Attributes:
        folder: folder of the work.
        name: name of the work.
        process: the process that holds the claim.
    """

    folder: Path
    name: str
    process: Process

    def is_stale(self, now: float) -> bool:
        """Return True if the owner has ended, or has had no heartbeat for ten minutes.

        Args:
            now: time by the clock of the file system; see :func:`read_clock`.
        """
        return self.process.has_ended() or now - self._last_beat() > STALE_SECONDS

    def since(self) -> float | None:
        """Return the time of the claim by the file system's clock; None if it is unknown."""
        try:
            return (self.folder / MARK).stat().st_mtime
        except OSError:
            return None

    def _last_beat(self) -> float:
        try:
            return _beat_file(self.folder.parent, self.process).stat().st_mtime
        except OSError:
            return self.folder.stat().st_mtime

    def __str__(self) -> str:
        try:
            host = read_regular(_beat_file(self.folder.parent, self.process), MOST_NAME).decode().strip()
        except (OSError, ValueError):
            host = ""
        return f"process {self.process.pid} on {host or 'another machine'}"


def claim(home: Path, name: str) -> Claim | None:
    """Claim a piece of work, taking it over from an owner that is stale.

    Args:
        home: the folder of all claims, created if it is missing.
        name: name of the work.

    Returns:
        The claim, whose folder may hold files of an earlier owner; None if another process holds it.

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
        except (FileNotFoundError, FileExistsError) as error:  # most likely, another process was faster
            failure = error
        else:
            failure = None
            if not _is_alone(home, name, mine):
                _give_back(mine)
            elif _is_elsewhere(home, name, mine):
                shutil.rmtree(mine, ignore_errors=True)
            else:
                return Claim(mine)
        time.sleep(random.uniform(0, 0.05))
    if failure is not None:
        raise failure
    _heart.rest(home)
    return None


def find_owners(home: Path, now: float | None = None) -> dict[str, Owner]:
    """Return the owners of all claims that are not stale, by the name of the work.

    Args:
        home: the folder of all claims; it need not exist.
        now: time by the clock of the file system; None reads the clock, which writes a file.
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


def free(home: Path, process: str) -> None:
    """Release the claims of a process that is known to have ended anywhere.

    If it goes on after all, it finds no folder to write to, as after any take-over.

    Args:
        home: the folder of all claims.
        process: the process as text.
    """
    for owner in _list_claims(home):
        if str(owner.process) == process:
            _give_back(owner.folder)
    match = _BEAT.fullmatch(f".beat.{process}")
    if match is not None:
        remove_file(_beat_file(home, parse_stamp(match)))


def find_work(home: Path) -> dict[str, list[Path]]:
    """Return the folders of unfinished work by its name: unclaimed, and of each owner.

    Work may have several: a process that is killed while it claims work leaves its folder beside another's.
    """
    found: dict[str, list[Path]] = {}
    with suppress(FileNotFoundError):
        for path in sorted(home.iterdir()):
            match = _OWNED.fullmatch(path.name)
            name = match["name"] if match else path.name
            if not name.startswith(".") and _is_own(path):
                found.setdefault(name, []).append(path)
    return found


def list_folders(home: Path, name: str) -> list[Path]:
    """List the unclaimed folder of a piece of work, and those of its owners."""
    return find_work(home).get(name, [])


def list_abandoned(home: Path) -> list[str]:
    """List the work that is not held: that of stale claims and of unclaimed folders."""
    return sorted(find_work(home).keys() - find_owners(home).keys())


def tidy(home: Path) -> None:
    """Remove the heartbeat files of processes that ended."""
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
    """Return the time by the file system's clock, which all machines share."""
    path = home / f".clock.{make_stamp()}"
    try:
        path.write_bytes(b"")
        return path.stat().st_mtime
    finally:
        remove_file(path)


def _take(owners: list[Owner], free: Path, mine: Path) -> None:
    """Rename the folder of the work to this process's own path.

    Of several folders, it takes one that holds work, if there is one.

    Raises:
        FileNotFoundError: another process was faster.
    """
    if owners:
        os.rename(max((owner.folder for owner in owners), key=_holds_work), mine)
    elif free.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "It is a link, which no cell is trained through", str(free))
    else:
        free.mkdir(exist_ok=True)
        os.rename(free, mine)


def _is_alone(home: Path, name: str, mine: Path) -> bool:
    """Check that no other process has claimed the same work in the meantime.

    Of two processes that claim an unclaimed folder at once, the later one sees the other here.
    """
    others = [owner for owner in _list_claims(home, name) if owner.folder != mine]
    if not others:
        return True
    now = read_clock(home)
    for owner in others:
        with suppress(FileNotFoundError):
            if not owner.is_stale(now):
                return False
            if not _holds_work(owner.folder):
                shutil.rmtree(owner.folder, ignore_errors=True)
    return True


def _is_elsewhere(home: Path, name: str, mine: Path) -> bool:
    """Return True if another folder holds the work, and the claimed one is empty.

    That is so if another process took the folder of the work, saw this claim, and gave the folder back.
    """
    return not _holds_work(mine) and any(map(_holds_work, list_folders(home, name)))


def _holds_work(folder: Path) -> bool:
    """Return True if a folder holds a record or a checkpoint to continue from."""
    return is_written(folder) or any(folder.glob("checkpoint*"))


def _give_back(folder: Path) -> None:
    """Rename a folder to its unclaimed name, or remove it if it is empty."""
    with suppress(OSError):
        folder.rmdir()
        return
    match = _OWNED.fullmatch(folder.name)
    assert match is not None
    with suppress(OSError):
        os.rename(folder, folder.with_name(match["name"]))


def _list_claims(home: Path, name: str | None = None) -> list[Owner]:
    """List the owners of all claims, stale or not, or of those on the given name."""
    try:
        entries = [entry.name for entry in os.scandir(home) if not entry.is_symlink()]
    except FileNotFoundError:
        return []
    matches = (_OWNED.fullmatch(entry) for entry in sorted(entries))
    owners = (Owner(home / match[0], match["name"], parse_stamp(match)) for match in matches if match)
    return [owner for owner in owners if name in (None, owner.name)]


def _is_own(path: Path) -> bool:
    """Return True for a folder, but not for a link to one, whose content is not ours."""
    return path.is_dir() and not path.is_symlink()


def _beat_file(home: Path, process: Process) -> Path:
    return home / f".beat.{process}"


class _Heart:
    """The heartbeat of this process, in every folder in which it holds claims."""

    def __init__(self) -> None:
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()
        self._pid = 0

    def beat(self, home: Path) -> None:
        """Write this process's heartbeat file, which the file system's clock then dates."""
        _beat_file(home, this_process()).write_text(platform.node() + "\n", "utf-8", "replace")

    def add(self, claim: Claim) -> None:
        with self._lock:
            self._claims.add(claim)
            if self._pid != os.getpid():  # a forked process does not inherit the thread
                self._pid = os.getpid()
                threading.Thread(target=self._beat_for_ever, daemon=True).start()

    def remove(self, claim: Claim) -> None:
        with self._lock:
            self._claims.discard(claim)
        self.rest(claim.folder.parent)

    def rest(self, home: Path) -> None:
        """Remove this process's heartbeat file from a folder without claims of its own."""
        with self._lock:
            if home not in {one.folder.parent for one in self._claims}:
                remove_file(_beat_file(home, this_process()))

    def _beat_for_ever(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            self.beat_once()

    def beat_once(self) -> None:
        """Write a heartbeat for every claim, and detect the claims that were lost."""
        with self._lock:
            claims = list(self._claims)
        for home in {one.folder.parent for one in claims}:
            with suppress(OSError):  # if a mount hangs, the next beat tries again
                self.beat(home)
        for one in claims:
            with suppress(ClaimLost, OSError):
                one.check()


_heart = _Heart()
