"""The authors' archives: their origin, place on disk, and verification."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dis_bench.bars import bar
from dis_bench.datasets.cache import cache_directory
from dis_bench.datasets.part import write_note
from dis_bench.errors import InputError, Option

ENVIRONMENT = "DIS_BENCH_DATA"
BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Archive:
    """A file of pixels and factors, as its authors published it.

    Attributes:
        dataset: the dataset's name for ``dis-bench data fetch``.
        file: the file's name.
        urls: its download locations, in the order in which to try them.
        digests: the expected digests by algorithm: any that hashlib knows, or ``git-blob-sha1`` (git's object
            name of the file). The first one identifies the pixels in fingerprints. Empty if none is
            published: such a file is found, but neither fetched nor verified.
        licence: the licence of the data.
        size: in bytes; None if no trustworthy source states it.
        at_most: an upper bound on an unknown size, in bytes, at which a download stops.
        folders: folders in the data directory that may hold it, apart from the directory itself; a download
            goes to the first. Empty if it may be in any, as for a file whose name no other dataset uses.
        page: address of the page to get it from by hand, if it cannot be fetched.
        choice: the parameter of the dataset that asks for it, as in ``mpi3d.variant=toy``; empty if any does.
        also: other names under which it is found: files packed otherwise, or folders that hold its content.

    Raises:
        InputError: it has urls, but neither a size nor a bound, or no digest.
    """

    dataset: str
    file: str
    urls: tuple[str, ...]
    digests: Mapping[str, str]
    licence: str
    size: int | None = None
    at_most: int | None = None
    folders: tuple[str, ...] = ()
    page: str = ""
    choice: str = ""
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.urls and not (self.size or self.at_most):
            raise InputError(
                f"archive '{self.file}' has urls, but neither size nor at_most: a download must have a limit."
            )
        if self.urls and not self.digests:
            raise InputError(f"archive '{self.file}' has urls, but no digest by which to verify a download.")

    @property
    def limit(self) -> int:
        """The size of the file in bytes, or its upper bound."""
        return self.size or self.at_most or 0

    @property
    def fingerprint(self) -> str:
        """A short text that identifies the content."""
        algorithm, digest = next(iter(self.digests.items()))
        return f"{algorithm}:{digest[:16]}"


def data_directory(data_dir: str | Path | None = None) -> Path:
    """Return ``data_dir``, else DIS_BENCH_DATA's directory, else the user's cache."""
    chosen = data_dir or os.environ.get(ENVIRONMENT)
    return Path(chosen).expanduser().absolute() if chosen else cache_directory()


def find(archive: Archive, data_dir: str | Path | None = None) -> Path | None:
    """Return the archive's file in the data directory or a folder in it, or None.

    If it has other names, the result may be one of these files or folders.
    """
    directory = data_directory(data_dir)
    for name in (archive.file, *archive.also):
        if archive.folders:
            places = [directory / folder / name for folder in (*archive.folders, ".")]
        else:
            places = [directory / name, *sorted(directory.glob(f"*/{name}"))]
        for place in places:
            if place.is_file() or (name in archive.also and place.is_dir()):
                return place
    return None


def find_target(archive: Archive, data_dir: str | Path | None = None) -> Path:
    """Return the path to which a download of the archive goes."""
    return data_directory(data_dir).joinpath(*archive.folders[:1], archive.file)


def locate(archive: Archive, data_dir: str | Path | None = None) -> Path:
    """Return the archive's file as :func:`find` does.

    Raises:
        InputError: it is in none of the directories.
    """
    path = find(archive, data_dir)
    if path is None:
        raise missing(archive, data_dir)
    return path


def missing(archive: Archive, data_dir: str | Path | None = None) -> InputError:
    """Return the error for a missing archive: where it was expected, and what to do."""
    return InputError(
        f"{archive.file} is not in '{data_directory(data_dir)}': {_advise(archive)}, or give the directory "
        "that holds it with ",
        Option("data_dir", "DIR"),
        f" or {ENVIRONMENT}.",
    )


def _advise(archive: Archive) -> str:
    """Say how to get a file."""
    if archive.page:
        return f"get it from {archive.page}"
    chosen = f" --set {archive.choice}" if archive.choice else ""
    return f"run `dis-bench data fetch {archive.dataset}{chosen}`"


def require(archive: Archive, data_dir: str | Path | None = None) -> Path:
    """Return the archive's file, verified now or since its last change.

    Raises:
        InputError: the file is missing, or is not the official archive.
    """
    path = locate(archive, data_dir)
    verify_once(archive, path)
    return path


def verify_once(archive: Archive, path: Path) -> None:
    """Verify a file, unless it was and has not changed since.

    Raises:
        InputError: as for :func:`verify`.
    """
    if not _is_remembered(archive, path):
        verify(archive, path)


def verify(archive: Archive, path: Path) -> None:
    """Verify that a file is the archive, and remember that it is.

    Raises:
        InputError: its size or a digest differs (the message says what was expected, what was found and what
            to do), or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())  # before it is read: another may take its name meanwhile
            difference = compare(archive, file)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if difference is not None:
        raise InputError(
            f"'{path}' is not the official archive: {difference}; delete it and {_advise(archive)}."
        )
    remember(archive, path, status)


def compare(archive: Archive, file: BinaryIO) -> str | None:
    """Describe how an open file differs from the archive in size or digest, else None."""
    file.flush()
    size = os.fstat(file.fileno()).st_size
    if archive.size is not None and size != archive.size:
        return f"it has {size:,} bytes instead of {archive.size:,}"
    for algorithm, found in digest(file, archive.file, archive.digests).items():
        expected = archive.digests[algorithm]
        if found != expected:
            return f"its {algorithm} is {found} instead of {expected}"
    return None


def digest(file: BinaryIO, name: str, algorithms: Iterable[str]) -> dict[str, str]:
    """Return an open file's hexadecimal digests by algorithm, in one pass over it."""
    size = os.fstat(file.fileno()).st_size
    hashes = {}
    for algorithm in algorithms:
        is_blob = algorithm == "git-blob-sha1"
        hashes[algorithm] = hashlib.new("sha1" if is_blob else algorithm, usedforsecurity=False)
        if is_blob:
            hashes[algorithm].update(b"blob %d\0" % size)
    shown = bar(total=size, unit="B", unit_scale=True, desc=f"checking {name}", delay=0, leave=True)
    file.seek(0)
    with shown:
        while block := file.read(BLOCK):
            for running in hashes.values():
                running.update(block)
            shown.update(len(block))
    return {algorithm: running.hexdigest() for algorithm, running in hashes.items()}


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _state(archive: Archive, status: os.stat_result) -> dict[str, object]:
    """Return what a verification is valid for: an unchanged file, as its status shows."""
    return {"status": describe_status(status), "digests": dict(archive.digests)}


def remember(archive: Archive, path: Path, status: os.stat_result) -> None:
    """Record beside a file that it was verified.

    If the directory is not writable, the file is verified again on every start, and nothing else happens.

    Args:
        archive: the archive that it is.
        path: the file.
        status: its status before it was read.
    """
    with suppress(OSError):
        write_note(_note(path), _state(archive, status))


def _is_remembered(archive: Archive, path: Path) -> bool:
    note = _note(path)
    try:
        return note.is_file() and json.loads(note.read_text("utf-8")) == _state(archive, path.stat())
    except (OSError, ValueError):
        return False


def describe_state(path: Path) -> str:
    """Return the status of a file, as :func:`describe_status`.

    Raises:
        InputError: there is no such file.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from None
    return describe_status(status)


def describe_status(status: os.stat_result) -> str:
    """Return what changes if a file's content has changed: its size, times and number.

    Programs that unpack, copy or synchronise files set the time of modification. They cannot set the time of
    the last change of content or name, and a file that was exchanged has another number.
    """
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
