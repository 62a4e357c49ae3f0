"""The images in a zip or tar archive, read one after another without unpacking it."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dis_bench.datasets.archives import describe_state
from dis_bench.datasets.photos import Unusable
from dis_bench.errors import InputError, describe

LARGEST = 1 << 28  # bytes of one image
IMAGES = (".png", ".jpg", ".jpeg", ".webp")

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Members:
    """The image files in an archive, in the order of their names.

    Attributes:
        path: the archive: zip, or tar that is not packed, since a packed one cannot be read in any order.
        colours: whether the images have colours.
    """

    path: Path
    colours: bool = True
    state: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", describe_state(self.path))

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    @cached_property
    def _is_zip(self) -> bool:
        return zipfile.is_zipfile(self.path)

    def list_names(self) -> tuple[str, ...]:
        """Return the names of the images, in order.

        Raises:
            InputError: it is no complete archive.
        """
        try:
            if self._is_zip:
                with zipfile.ZipFile(self.path) as archive:
                    names = archive.namelist()
            else:
                with tarfile.open(self.path, "r:") as packed:
                    names = [member.name for member in packed if member.isfile()]
        except _DAMAGED as error:
            raise InputError(
                f"'{self.path}' is no complete zip or tar file ({describe(error)}): get it again, or unpack "
                "it if it was packed once more."
            ) from None
        found = [name for name in names if name.lower().endswith(IMAGES) and not self._is_hidden(name)]
        return tuple(sorted(set(found)))

    @staticmethod
    def _is_hidden(name: str) -> bool:
        return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))

    def read(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Yield name and content of each image in order, or why it cannot be read."""
        if self._is_zip:
            with zipfile.ZipFile(self.path) as archive:
                for name in self.list_names():
                    yield name, self._read_zipped(archive, name)
        else:
            with tarfile.open(self.path, "r:") as packed:
                members = {member.name: member for member in packed if member.isfile()}
                for name in self.list_names():
                    yield name, self._read_tarred(packed, members[name])

    def _read_zipped(self, archive: zipfile.ZipFile, name: str) -> bytes | Unusable:
        try:
            if archive.getinfo(name).file_size > LARGEST:
                return Unusable(f"it has more than {LARGEST:,} bytes")
            return archive.read(name)
        except (*_DAMAGED, RuntimeError) as error:  # encrypted ones raise a RuntimeError
            return Unusable(f"it cannot be read: {describe(error)}")

    def _read_tarred(self, packed: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | Unusable:
        try:
            if member.size > LARGEST:
                return Unusable(f"it has more than {LARGEST:,} bytes")
            file = packed.extractfile(member)
            content = b"" if file is None else file.read()
            return content if len(content) == member.size else Unusable("the archive ends within it")
        except _DAMAGED as error:
            return Unusable(f"it cannot be read: {describe(error)}")

    def has_colours(self) -> bool:
        """Return whether the images have colours, as declared."""
        return self.colours

    def is_unchanged(self) -> bool:
        """Return whether size and time of change of the archive are still the same."""
        return describe_state(self.path) == self.state
