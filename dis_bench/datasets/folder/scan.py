"""The image files in a folder and in the folders below it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dis_bench.datasets.archives import describe_status
from dis_bench.datasets.photos import Unusable, decoding, is_grey
from dis_bench.errors import InputError

LARGEST = 1 << 28  # bytes of one image
IMAGES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".webp")
OTHER_IMAGES = (
    ".apng",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
    ".jp2",
    ".jxl",
    ".ppm",
    ".pgm",
)
PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


@dataclass(frozen=True)
class Scan:
    """Contents of a folder.

    Attributes:
        root: the folder.
        files: path of each image file, relative to the folder, in the order of their bytes.
        others: number of images of formats that are not read, by suffix.
        packed: names of packed files, some.
        state: a hash of names, and of what the file system knows of each file.
    """

    root: Path
    files: tuple[str, ...]
    others: Counter[str]
    packed: tuple[str, ...]
    state: str

    @property
    def place(self) -> str:
        """The path of the folder."""
        return str(self.root)

    def list_names(self) -> tuple[str, ...]:
        """Return the names of the images, in order."""
        return self.files

    def read(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Yield name and content of each image in order, or why it cannot be read."""
        for name in self.files:
            yield name, self._read(name)

    def _read(self, name: str) -> bytes | Unusable:
        path = self.root / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return Unusable("it is no regular file")
            if status.st_size > LARGEST:
                return Unusable(f"it has more than {LARGEST:,} bytes")
            return path.read_bytes()
        except OSError as error:
            return Unusable(f"it cannot be read: {error.strerror or error}")

    def has_colours(self) -> bool:
        """Return whether any image has colours, as far as the headers say."""
        with decoding():
            return not all(_is_grey(self.root / name) for name in self.files)

    def is_unchanged(self) -> bool:
        """Return whether the file system knows of no change of a name or a file."""
        return scan(self.root).state == self.state


def _is_grey(path: Path) -> bool:
    try:
        if not path.is_file():
            return True
        with path.open("rb") as file:
            return is_grey(file)
    except (Unusable, OSError):  # which reading it again will report
        return True


def scan(root: Path) -> Scan:
    """List the image files in a folder and below.

    Links are followed, each folder once, so that loops end. Names that begin with a dot, and ``__MACOSX``,
    are left out.

    Raises:
        InputError: a folder cannot be read.
    """
    files: list[str] = []
    others: Counter[str] = Counter()
    packed: list[str] = []
    described = hashlib.sha256()
    for name in sorted(_walk(root), key=os.fsencode):
        suffix = os.path.splitext(name)[1].lower()
        if suffix in IMAGES:
            files.append(name)
            described.update(_describe(root, name))
        elif suffix in OTHER_IMAGES:
            others[suffix[1:]] += 1
        elif suffix in PACKED:
            packed.append(name)
    return Scan(root, tuple(files), others, tuple(packed), described.hexdigest())


def _describe(root: Path, name: str) -> bytes:
    """Return name, status and mode of a file."""
    try:
        status = os.stat(root / name)
        about = f"{describe_status(status)} {status.st_mode}"
    except OSError as error:  # a link that leads nowhere
        about = str(error.errno)
    return os.fsencode(name) + b"\0" + about.encode() + b"\0"


def _walk(root: Path) -> Iterator[str]:
    """Yield the relative path of each file, with slashes."""
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise InputError(f"the folder '{error.filename}' cannot be read: {error.strerror or error}.")

    for place, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted((one for one in folders if not _is_hidden(one)), key=os.fsencode)
        below = os.path.relpath(place, root)
        prefix = "" if below == "." else below.replace(os.sep, "/") + "/"
        yield from (prefix + name for name in names if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
