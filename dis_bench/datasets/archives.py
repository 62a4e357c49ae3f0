"""The authors' archives: where they come from, where they lie, and whether a file is the real one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dis_bench.errors import InputError, Option

ENVIRONMENT = "DIS_BENCH_DATA"
BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Archive:
    """One file of pixels and factors, as its authors published it.

    Attributes:
        dataset: the name to give to ``dis-bench data fetch``.
        file: the file's name.
        urls: where it can be downloaded, tried in this order.
        digests: what it must hash to, by algorithm: any that hashlib knows, or ``git-blob-sha1`` (what git
            calls the file). The first one names the pixels in fingerprints.
        licence: of the data.
        size: in bytes; None if no trustworthy source states it.
    """

    dataset: str
    file: str
    urls: tuple[str, ...]
    digests: Mapping[str, str]
    licence: str
    size: int | None = None

    @property
    def fingerprint(self) -> str:
        """A short text that stands for the content."""
        algorithm, digest = next(iter(self.digests.items()))
        return f"{algorithm}:{digest[:16]}"


def data_directory(data_dir: str | Path | None = None) -> Path:
    """Where archives lie: ``data_dir``, else what DIS_BENCH_DATA says, else the user's cache."""
    chosen = data_dir or os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import pooch

    return Path(pooch.os_cache("dis-bench"))


def find(archive: Archive, data_dir: str | Path | None = None) -> Path | None:
    """The archive's file in the data directory or in a folder of it; None if it is not there."""
    directory = data_directory(data_dir)
    places = [directory / archive.file, *sorted(directory.glob(f"*/{archive.file}"))]
    return next((place for place in places if place.is_file()), None)


def missing(archive: Archive, data_dir: str | Path | None = None) -> InputError:
    """The error for an archive that is not in the data directory: says where, and what to do."""
    return InputError(
        f"{archive.file} is not in '{data_directory(data_dir)}': run `dis-bench data fetch "
        f"{archive.dataset}`, or name the directory that holds it by ",
        Option("data_dir", "DIR"),
        f" or {ENVIRONMENT}.",
    )


def require(archive: Archive, data_dir: str | Path | None = None) -> Path:
    """The archive's file, known to be the real one: verified now, or since it was last changed.

    Raises:
        InputError: it is not there, or is not the real one.
    """
    path = find(archive, data_dir)
    if path is None:
        raise missing(archive, data_dir)
    if not _is_remembered(archive, path):
        verify(archive, path)
    return path


def verify(archive: Archive, path: Path) -> None:
    """Read a file and compare it with what the archive must be; remember that it is.

    Raises:
        InputError: its size or a digest differs; says what was expected, what was found and what to do.
    """
    advice = f"delete it and run `dis-bench data fetch {archive.dataset}`"
    size = path.stat().st_size
    if archive.size is not None and size != archive.size:
        raise InputError(
            f"'{path}' is not the official archive: it has {size:,} bytes instead of {archive.size:,}; "
            f"{advice}."
        )
    for algorithm, found in digest(path, archive.digests).items():
        expected = archive.digests[algorithm]
        if found != expected:
            raise InputError(
                f"'{path}' is not the official archive: its {algorithm} is {found} instead of {expected}; "
                f"{advice}."
            )
    _remember(archive, path)


def digest(path: Path, algorithms: Iterable[str]) -> dict[str, str]:
    """Hash a file, read once: hexadecimal digests by algorithm."""
    from tqdm import tqdm

    size = path.stat().st_size
    hashes = {}
    for algorithm in algorithms:
        is_blob = algorithm == "git-blob-sha1"
        hashes[algorithm] = hashlib.new("sha1" if is_blob else algorithm, usedforsecurity=False)
        if is_blob:
            hashes[algorithm].update(b"blob %d\0" % size)
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=f"checking {path.name}", disable=None)
    with path.open("rb") as file, bar:
        while block := file.read(BLOCK):
            for running in hashes.values():
                running.update(block)
            bar.update(len(block))
    return {algorithm: running.hexdigest() for algorithm, running in hashes.items()}


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _state(archive: Archive, path: Path) -> dict[str, object]:
    """What a verification holds for: the same bytes, as far as the file system tells."""
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "digests": dict(archive.digests)}


def _remember(archive: Archive, path: Path) -> None:
    # A directory that cannot be written costs a new verification at every start, and nothing else.
    temporary = _note(path).with_suffix(f".{os.getpid()}")
    try:
        temporary.write_text(json.dumps(_state(archive, path)), "utf-8")
        temporary.replace(_note(path))
    except OSError:
        temporary.unlink(missing_ok=True)


def _is_remembered(archive: Archive, path: Path) -> bool:
    try:
        return json.loads(_note(path).read_text("utf-8")) == _state(archive, path)
    except (OSError, ValueError):
        return False
