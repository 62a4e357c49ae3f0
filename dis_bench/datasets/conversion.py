"""Collections of image files, converted once to squares in the user's cache.

A note per collection and settings says which pixel file has its squares, and which state of the collection
they are of. Pixel files are named by what they hold and never change, so that a study that runs keeps its
images while a later one converts others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dis_bench.datasets.cache import check_room, make_image_directory
from dis_bench.datasets.part import Part, write_note
from dis_bench.datasets.photos import RULE, Square, Unusable, pillow_version
from dis_bench.datasets.pixel_file import HEADER, PixelFile, hash_pixels, is_intact, seal
from dis_bench.datasets.stored import write_squares
from dis_bench.errors import InputError, MetricParameters, shown

MOST_NAMED = 5  # unusable images that a message names

Check = Callable[[tuple[str, ...]], object]  # of the names of images; raises InputError


class ImageFiles(Protocol):
    """Image files to convert: those of a folder, or the members of an archive."""

    @property
    def place(self) -> str:
        """The path, for messages and for the note."""

    @property
    def state(self) -> str:
        """A text that changes if an image may have changed."""

    def list_names(self) -> tuple[str, ...]:
        """Return the names of the images, in order."""

    def read(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Yield name and content of each image in order, or why it cannot be read."""

    def has_colours(self) -> bool:
        """Return whether any image has colours, as far as the headers say."""

    def is_unchanged(self) -> bool:
        """Return whether the state is still the same."""


@dataclass(frozen=True)
class Wanted:
    """Form that images are converted to.

    Attributes:
        dataset: name of the dataset, for messages.
        size: height and width in pixels.
        crop: side of the square that is cut out of the middle; 0 for the largest.
        color: ``auto``, ``grey`` or ``rgb``; ``auto`` is grey if no image has colours.
        skip: whether images that cannot be used are left out instead of refused; None if the dataset has no
            such parameter.
    """

    dataset: str
    size: int
    crop: int = 0
    color: str = "auto"
    skip: bool | None = None

    @property
    def settings(self) -> list[str]:
        """Everything that decides on the pixels, apart from the images."""
        return [*map(str, (self.size, self.crop, self.color, bool(self.skip))), RULE, pillow_version()]


@dataclass(frozen=True)
class Converted:
    """A collection as squares.

    Attributes:
        pixels: uint8 ``[C, size, size]`` of each image.
        names: of the images, in order.
        digest: hexadecimal, of contents, order, size, crop, channels, rule and Pillow's version.
        left_out: number of images that cannot be used.
    """

    pixels: PixelFile
    names: tuple[str, ...]
    digest: str
    left_out: int


def convert(collection: ImageFiles, wanted: Wanted, check: Check | None = None) -> Converted:
    """Return the squares of a collection, from the cache if they are there.

    One process converts a collection; others wait for it.

    Args:
        collection: the images.
        wanted: what to make of them.
        check: refuses names of images, such as those without labels, before an image is read.

    Raises:
        InputError: an image cannot be used, fewer than two can, the collection changes while it is read, the
            cache cannot be written, or as for ``check``.
    """
    fill = partial(_fill, collection, wanted, check)
    note = make_once(
        collection.place, collection.state, wanted.settings, fill, {"channels", "left_out", "names"}
    )
    record = (note["channels"], wanted.size, wanted.size)
    pixels = PixelFile(Path(note["pixels"]), record, len(note["names"]))
    return Converted(pixels, tuple(note["names"]), note["digest"], note["left_out"])


def make_once(
    place: str,
    state: str,
    settings: Sequence[str],
    fill: Callable[[Part], dict[str, Any]],
    more: Collection[str] = (),
) -> dict[str, Any]:
    """Return the note on a pixel file; make both if the cache lacks them.

    Args:
        place: path of the images.
        state: a text that changes if an image may have changed.
        settings: everything else that decides on the pixels.
        fill: writes a pixel file, moves it into place, seals it, and returns what the note holds beside place
            and state: ``pixels``, its path; ``bytes``, its size; ``digest``; and those in ``more``.
        more: further keys of the note.

    Raises:
        InputError: the cache cannot be written.
    """
    cache = make_image_directory()
    key = hash_texts(str(Path(place).resolve()), *settings)[:24]
    path = cache / f"{key}.json"
    note = _read_note(path, state, more)
    if note is None:
        try:
            with Part(cache / f"{key}.pixels", anew=True) as part:
                note = _read_note(path, state, more)  # another process was faster
                if note is None:
                    note = {"place": str(Path(place).resolve()), "state": state, **fill(part)}
                    write_note(path, note)
        except OSError as error:
            raise InputError(f"the cache '{cache}' cannot be written: {error.strerror or error}.") from None
    return note


def _fill(collection: ImageFiles, wanted: Wanted, check: Check | None, part: Part) -> dict[str, Any]:
    names = collection.list_names()
    if names and check is not None:
        check(names)
    colours = collection.has_colours() if wanted.color == "auto" else wanted.color == "rgb"
    square = Square(wanted.size, wanted.crop, 3 if colours else 1)
    record = square.channels * wanted.size**2
    check_room(part.path.parent, HEADER + record * len(names), f"converting '{collection.place}'")
    title = f"reading {Path(collection.place).name}"
    squares = write_squares(part.file, collection.read(), square, total=len(names), title=title)
    _check_unusable(squares.unusable, squares.count, collection, wanted)
    if not collection.is_unchanged():
        raise InputError(f"'{collection.place}' changed while it was read: give the command again.")
    digest = hash_texts(*map(str, vars(square).values()), *wanted.settings[-2:], squares.digest)
    part.target = part.path.parent / f"{digest}.pixels"
    pixels_digest = hash_pixels(part.file)
    part.move_into_place()
    seal(part.target, pixels_digest)
    left_out = {name for name, _ in squares.unusable}
    return {
        "digest": digest,
        "pixels": str(part.target),
        "channels": square.channels,
        "bytes": HEADER + record * squares.count,
        "left_out": len(left_out),
        "names": [name for name in names if name not in left_out],
    }


def _check_unusable(
    unusable: list[tuple[str, str]], usable: int, collection: ImageFiles, wanted: Wanted
) -> None:
    """Refuse images that cannot be used, or the lack of others."""
    named = "; ".join(f"{shown(name)}: {reason}" for name, reason in unusable[:MOST_NAMED])
    more = f"; and {len(unusable) - MOST_NAMED:,} more" if len(unusable) > MOST_NAMED else ""
    if unusable and not wanted.skip:
        advice: list[str | MetricParameters] = ["get the archive again."]
        if wanted.skip is not None:
            leave_out = MetricParameters({wanted.dataset: {"skip_unreadable": True}})
            advice = ["remove them, or leave them out (", leave_out, ")."]
        raise InputError(
            f"{len(unusable):,} of {len(unusable) + usable:,} images in '{collection.place}' cannot be used "
            f"({named}{more}): ",
            *advice,
        )
    if usable < 2:
        raise InputError(
            f"a dataset needs two images, but '{collection.place}' has {usable or 'none'} that can be used"
            f"{f' ({named}{more})' if named else ''}."
        )


def _read_note(path: Path, state: str, more: Collection[str]) -> dict[str, Any] | None:
    """Return the note on a conversion, if collection and pixels are as they were."""
    try:
        note = json.loads(path.read_text("utf-8"))
        pixels = Path(note["pixels"])
        is_current = note["state"] == state and pixels.stat().st_size == note["bytes"]
        return note if is_current and {"digest", *more} <= note.keys() and is_intact(pixels) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hash_texts(*texts: str) -> str:
    """Return the hexadecimal SHA-256 of some texts."""
    return hashlib.sha256("\n".join(texts).encode(errors="surrogateescape")).hexdigest()
