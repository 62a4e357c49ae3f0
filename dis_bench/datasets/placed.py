"""Images that come in any order, placed once in a pixel file of the user's cache.

Each place is written once and none is left out, so a file that repeats or lacks an image is noticed. The
digest is that of the pixels, whatever file and order they came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dis_bench.bars import bar
from dis_bench.datasets.cache import check_room
from dis_bench.datasets.conversion import make_once
from dis_bench.datasets.part import Part
from dis_bench.datasets.pixel_file import HEADER, PixelFile, hash_pixels, seal
from dis_bench.errors import InputError


@dataclass(frozen=True)
class Target:
    """A pixel file that is to be made of a file or folder.

    Attributes:
        path: the file or folder.
        state: a text that changes if an image in it may have changed.
        settings: everything else that decides on the pixels.
        record: shape of an image, (C, H, W).
        count: number of images.
    """

    path: Path
    state: str
    settings: tuple[str, ...]
    record: tuple[int, ...]
    count: int


class Places:
    """The places of a pixel file that is being written.

    Args:
        part: the file.
        target: the pixel file to make, with the files that it is made of.
    """

    def __init__(self, part: Part, target: Target) -> None:
        self._file, self._target = part.file, target
        self._length = math.prod(target.record)
        self._filled = np.zeros(target.count, dtype=bool)
        self.bar = bar(
            total=target.count,
            unit=" images",
            unit_scale=True,
            desc=f"reading {target.path.name}",
            leave=True,
        )

    def put(self, place: int, images: np.ndarray) -> None:
        """Write images uint8 ``[n, *record]`` at a place and those after it.

        Raises:
            InputError: there are no such places, or one of them is filled.
        """
        end, target = place + len(images), self._target
        if not 0 <= place <= end <= target.count:
            raise InputError(
                f"'{target.path}' has an image {end - 1}, but images from 0 to {target.count - 1} are read: "
                "it is another data set."
            )
        if self._filled[place:end].any():
            raise InputError(f"'{target.path}' has image {place} twice: get it again.")
        self._file.seek(HEADER + place * self._length)
        self._file.write(np.ascontiguousarray(images).data)
        self._filled[place:end] = True
        self.bar.update(len(images))

    def check_all(self) -> None:
        """Raise InputError if an image is missing."""
        missing = np.flatnonzero(~self._filled)
        if len(missing):
            raise InputError(
                f"'{self._target.path}' lacks {len(missing):,} of {self._target.count:,} images, the first "
                f"of them image {missing[0]}: it is incomplete, or another data set."
            )


def place_once(
    target: Target, read: Callable[[Places], None], is_unchanged: Callable[[], bool]
) -> tuple[PixelFile, str]:
    """Return the pixel file of a target, and the SHA-256 of its pixels.

    Args:
        target: what is made of what.
        read: puts every image into its place.
        is_unchanged: returns whether the state is still the same.

    Raises:
        InputError: an image is missing or there twice, what is read changes meanwhile, or as for
            :func:`dis_bench.datasets.conversion.make_once`.
    """

    def fill(part: Part) -> dict[str, Any]:
        size = HEADER + target.count * math.prod(target.record)
        check_room(part.path.parent, size, f"converting '{target.path}'")
        part.file.write(b"\n" * HEADER)
        places = Places(part, target)
        with places.bar:
            read(places)
        places.check_all()
        if not is_unchanged():
            raise InputError(f"'{target.path}' changed while it was read: give the command again.")
        digest = hash_pixels(part.file)
        part.target = part.path.parent / f"{digest}.pixels"
        part.move_into_place()
        seal(part.target, digest)
        return {"pixels": str(part.target), "bytes": size, "digest": digest, "count": target.count}

    settings = (*target.settings, *map(str, target.record), str(target.count))
    note = make_once(str(target.path), target.state, settings, fill)
    return PixelFile(Path(note["pixels"]), target.record, target.count), note["digest"]
