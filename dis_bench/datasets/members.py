"""The images in a zip or tar archive, read one after another without unpacking it."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dis_bench.datasets.archives import BLOCK, describe_state
from dis_bench.datasets.damaged import DAMAGED, refusing_damage
from dis_bench.datasets.photos import Unusable
from dis_bench.datasets.tars import Tar
from dis_bench.errors import InputError, describe, shown

END = 2 * tarfile.BLOCKSIZE  # zero bytes with which a tar archive ends, at least; padding is of zeros, too
LARGEST = 1 << 28  # bytes of one image
IMAGES = (".png", ".jpg", ".jpeg", ".webp")


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
            InputError: it is no complete archive, or has an image twice or as a link.
        """
        with refusing_damage(self.path, "zip or tar"):
            if self._is_zip:
                with zipfile.ZipFile(self.path) as archive:
                    names = archive.namelist()
            else:
                names = self._list_tarred()
        found = sorted(name for name in names if self._is_image(name))
        # Of two members of one name, archivers unpack the last, and others read the first.
        double = [name for name, number in Counter(map(posixpath.normpath, found)).items() if number > 1]
        if double:
            raise InputError(f"'{self.path}' has {shown(double[0])} twice: get it again.")
        return tuple(found)

    def _list_tarred(self) -> list[str]:
        """List the files in a tar archive, up to its end.

        Raises:
            InputError: it ends early or goes on after its end, or an image is a link.
        """
        names = []
        with Tar.open(self.path, "r:") as packed:
            for member in packed:
                if member.isfile():
                    names.append(member.name)
                elif not member.isdir() and self._is_image(member.name):
                    raise InputError(f"'{self.path}' has {shown(member.name)} as a link, not as a file.")
            end = packed.offset
        if not self._ends_at(end):
            last = f" after {shown(names[-1])}" if names else ""
            raise InputError(
                f"'{self.path}' is no complete tar file: what follows{last} is neither a file nor the end of "
                "an archive; get it again."
            )
        return names

    def _ends_at(self, place: int) -> bool:
        """Return whether only the end of a tar archive follows a place.

        Python takes a damaged header, and the end of the file, for the end of the archive.
        """
        size = 0
        with self.path.open("rb") as file:
            file.seek(place)
            while block := file.read(BLOCK):
                if any(block):
                    return False
                size += len(block)
        return size >= END

    @staticmethod
    def _is_image(name: str) -> bool:
        parts = name.removeprefix("./").split("/")
        is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        return name.lower().endswith(IMAGES) and not is_hidden

    def read(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Yield name and content of each image in order, or why it cannot be read."""
        if self._is_zip:
            with zipfile.ZipFile(self.path) as archive:
                for name in self.list_names():
                    yield name, self._read_zipped(archive, name)
        else:
            with Tar.open(self.path, "r:") as packed:
                members = {member.name: member for member in packed if member.isfile()}
                for name in self.list_names():
                    yield name, self._read_tarred(packed, members[name])

    def _read_zipped(self, archive: zipfile.ZipFile, name: str) -> bytes | Unusable:
        try:
            if archive.getinfo(name).file_size > LARGEST:
                return Unusable(f"it has more than {LARGEST:,} bytes")
            return archive.read(name)
        except DAMAGED as error:
            return Unusable(f"it cannot be read: {describe(error)}")

    def _read_tarred(self, packed: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | Unusable:
        try:
            if member.size > LARGEST:
                return Unusable(f"it has more than {LARGEST:,} bytes")
            file = packed.extractfile(member)
            content = b"" if file is None else file.read()
            return content if len(content) == member.size else Unusable("the archive ends within it")
        except DAMAGED as error:
            return Unusable(f"it cannot be read: {describe(error)}")

    def has_colours(self) -> bool:
        """Return whether the images have colours, as declared."""
        return self.colours

    def is_unchanged(self) -> bool:
        """Return whether the file system knows of no change of the archive."""
        return describe_state(self.path) == self.state
