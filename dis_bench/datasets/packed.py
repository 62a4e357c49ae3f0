"""Files that are published packed by gzip, and are read packed or unpacked."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.errors import InputError, Option

GZIP = b"\x1f\x8b"  # the first bytes of what gzip packed


class PackedFile(NamedTuple):
    """A file that is published packed by gzip, and may have been unpacked.

    Attributes:
        packed: as it was published.
        plain: the same file, unpacked.
    """

    packed: Archive
    plain: Archive

    def find(self, data_dir: str | Path | None) -> tuple[Archive, Path] | None:
        """Return the file that is there, packed or not."""
        for archive in self:
            path = archives.find(archive, data_dir)
            if path is not None:
                return archive, path
        return None

    def identify(self, path: Path) -> Archive:
        """Return the archive that a file has to be: packed, if its content is.

        Raises:
            InputError: it cannot be read.
        """
        return self.packed if is_packed(path) else self.plain

    def require(self, data_dir: str | Path | None, is_official: bool) -> Path:
        """Return the file that is there, verified if it is to be official.

        A file counts as packed if its content is, whatever its name.

        Raises:
            InputError: it is missing, or is not the official one.
        """
        found = self.find(data_dir)
        if found is None:
            raise archives.missing(self.packed, data_dir)
        path = found[1]
        if is_official:
            try:
                archives.verify_once(self.identify(path), path)
            except InputError as error:
                raise InputError(
                    str(error).rstrip("."), ", or read files of your own with ", Option("source", "own"), "."
                ) from None
        return path


def list_packed(
    dataset: str, url: str, licence: str, folders: tuple[str, ...], digests: dict[str, tuple[int, str, str]]
) -> dict[str, PackedFile]:
    """Declare the packed files of a dataset.

    Args:
        dataset: name of the dataset.
        url: address of the folder of the packed files.
        licence: of the data.
        folders: folders in the data directory.
        digests: size limit and MD5 of the packed file, and MD5 of the unpacked one, by name.
    """
    files = {}
    for name, (at_most, packed, plain) in digests.items():
        shared: dict[str, Any] = {"dataset": dataset, "licence": licence, "folders": folders}
        files[name] = PackedFile(
            Archive(
                file=f"{name}.gz",
                urls=(f"{url}{name}.gz",),
                digests={"md5": packed},
                at_most=at_most,
                **shared,
            ),
            Archive(file=name, urls=(), digests={"md5": plain}, **shared),
        )
    return files


def find_there(archive: Archive, files: Any, data_dir: str | Path | None) -> tuple[Archive, Path] | None:
    """Find the file of an archive, packed or not.

    Args:
        archive: as it was published.
        files: the dataset's packed files by name, if it declares any.
        data_dir: the directory of the archives.

    Returns:
        The archive that the file has to be, and its path; or None.

    Raises:
        InputError: a packed file cannot be read.
    """
    for file in files.values() if isinstance(files, Mapping) else ():
        if isinstance(file, PackedFile) and file.packed == archive:
            found = file.find(data_dir)
            return None if found is None else (file.identify(found[1]), found[1])
    path = archives.find(archive, data_dir)
    return None if path is None else (archive, path)


def is_packed(path: Path) -> bool:
    """Return whether a file is packed, by its content, since names are easily changed.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from None


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading its unpacked content, whether it is packed or not.

    Raises:
        InputError: in the block or before, the file cannot be read, is truncated or damaged.
    """
    packed = is_packed(path)
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            yield cast("BinaryIO", file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"'{path}' is truncated or damaged ({error}): get it again.") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from None
