"""Images named by their numbers, ``000000.png`` and on: in a folder, a tar or a zip file.

A folder is read file by file and a tar as a stream. Of a zip file, Python keeps its table of contents while
it is converted, about half a kilobyte for each image.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dis_bench.datasets.archives import describe_state
from dis_bench.datasets.damaged import refusing_damage
from dis_bench.datasets.tars import stream_files
from dis_bench.errors import InputError, shown

LARGEST = 1 << 26  # bytes of a file
WATCHED = 1_000  # files of a folder whose status is looked at
_NUMBERED = re.compile(r"\d{6}\.png")


@dataclass(frozen=True)
class Numbered:
    """Numbered images, and perhaps a file of their labels.

    Attributes:
        path: the folder, with images in it or in its folder ``images``; or the archive.
        count: number of images.
        labels: name of the file of labels.
    """

    path: Path
    count: int
    labels: str

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of the labels, if they are there, and of all images.

        Names have no folder. Images of a folder come in order, those of an archive in its own order; the
        caller has to check that all are there.

        Raises:
            InputError: an image of a folder is missing, or the archive is damaged.
        """
        if self.path.is_dir():
            yield from self._read_folder()
        elif zipfile.is_zipfile(self.path):
            yield from self._read_zip()
        else:
            for name, content in stream_files(self.path, self._is_wanted, LARGEST):
                yield name.rpartition("/")[2], content

    def describe_state(self) -> str:
        """Return a text that changes if images may have changed.

        Of a folder, that is its time of change and the status of a thousand files.
        """
        if not self.path.is_dir():
            return describe_state(self.path)
        found = hashlib.sha256(describe_state(self._images).encode())
        step = max(1, self.count // WATCHED)
        for number in range(0, self.count, step):
            found.update(describe_state(self._images / f"{number:06}.png").encode())
        return found.hexdigest()

    @cached_property
    def _images(self) -> Path:
        """Find the folder of the images."""
        for place in (self.path / "images", self.path):
            if (place / "000000.png").exists():
                return place
        raise InputError(
            f"'{self.path}' must hold images 000000.png to {self.count - 1:06}.png, in itself or in its "
            "folder images, but there is no 000000.png."
        )

    def _read_folder(self) -> Iterator[tuple[str, bytes]]:
        if (self._images / f"{self.count:06}.png").exists():
            raise InputError(
                f"'{self._images}' holds {self.count:06}.png, but its {self.count:,} images end at "
                f"{self.count - 1:06}.png: it is another data set."
            )
        for place in (self.path, self._images):
            if (place / self.labels).is_file():
                yield self.labels, _read_file(place / self.labels)
                break
        for number in range(self.count):
            name = f"{number:06}.png"
            yield name, _read_file(self._images / name)

    def _read_zip(self) -> Iterator[tuple[str, bytes]]:
        with refusing_damage(self.path, "zip"), zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                if self._is_wanted(member.filename):
                    if member.file_size > LARGEST:
                        what = f"{shown(member.filename)} with more than {LARGEST:,} bytes"
                        raise InputError(f"'{self.path}' has {what}.")
                    yield member.filename.rpartition("/")[2], archive.read(member)

    def _is_wanted(self, name: str) -> bool:
        *folders, last = name.removeprefix("./").split("/")
        if any(folder.startswith(".") or folder in ("", "__MACOSX") for folder in folders):
            return False  # hidden, or leading elsewhere
        return bool(_NUMBERED.fullmatch(last)) or last == self.labels


def _read_file(path: Path) -> bytes:
    try:
        if os.path.getsize(path) > LARGEST:
            raise InputError(f"'{path}' has more than {LARGEST:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from None
