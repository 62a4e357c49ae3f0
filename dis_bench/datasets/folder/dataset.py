"""``folder:PATH``: the images in a folder, cropped and resized to squares."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from dis_bench import registry
from dis_bench.datasets.folder.scan import PACKED, Scan, scan
from dis_bench.datasets.folder.table import find_table, read_folders, read_table
from dis_bench.datasets.labels import Labels
from dis_bench.datasets.part import Part
from dis_bench.datasets.photos import RULE, Square, Unusable, decoding, is_grey, pillow_version
from dis_bench.datasets.pixel_file import HEADER, PixelFile
from dis_bench.datasets.stored import StoredImages, cache_directory, check_room, write_squares
from dis_bench.errors import InputError, MetricParameters, shown
from dis_bench.parameters import Parameter
from dis_bench.paths import check_path

MOST_NAMED = 5  # unusable images that a message names
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


class Folder(StoredImages):
    """The PNG, JPEG and WebP images in a folder, as squares of one size.

    Each image is turned upright as its EXIF data say, and the largest square in its middle is resized with
    Lanczos' filter; :mod:`dis_bench.datasets.photos` has the whole rule. The squares are kept in the user's
    cache, so that only the first use decodes the files. Labels come from a file ``labels.csv`` in the folder
    or beside it, or from the names of folders.

    The fingerprint covers the contents of the files in the order of their names, the size, the rule and
    Pillow's version, but not the path: a folder that was moved gives the same cells.

    Args:
        path: the folder.
        source, data_dir, values: as for :class:`dis_bench.datasets.dataset.Dataset`.

    Raises:
        InputError: there is no such folder, it has fewer than two images, one cannot be used, its labels do
            not fit, or it changes while it is read.
    """

    name = "folder"
    takes_path = True
    contents = ("those in the folder, resized to --image-size", "columns of labels.csv, if there is one")
    sources = ("files",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=1024),
        Parameter(
            "crop", 0, "side of the square cut out of the middle; 0 for the largest", low=0, high=65_535
        ),
        Parameter("color", "auto", "channels; auto is grey if all images are", words=("auto", "grey", "rgb")),
        Parameter(
            "labels", "auto", "source of labels; auto is labels.csv", words=("auto", "none", "folders")
        ),
        Parameter("skip_unreadable", False, "whether to leave out images that cannot be used"),
        Parameter("title", "", "name of the dataset in tables; by default one of its fingerprint"),
    )

    image_size: int
    crop: int
    color: str
    skip_unreadable: bool
    title: str

    def __init__(
        self,
        source: str | None = None,
        data_dir: str | Path | None = None,
        *,
        path: str | Path,
        **values: Any,
    ) -> None:
        super().__init__(source, data_dir, **values)
        self._check_title()
        self.root = _check_folder(path)
        found = scan(self.root)
        _check_count(found)
        note = self._convert(found)
        left_out = {name for name, _ in note["unusable"]}
        files = [name for name in found.files if name not in left_out]
        self.count, channels = note["count"], note["channels"]
        self.image_shape = (channels, self.image_size, self.image_size)
        self._pixels = PixelFile(Path(note["pixels"]), self.image_shape, self.count)
        self.labels = self._read_labels(files)
        digest = note["digest"] if self.labels is None else _hash(note["digest"], self.labels.fingerprint)
        self.fingerprint = f"sha256:{digest[:16]}"
        self.name = self.title or f"{type(self).name}-{digest[:8]}"
        self._said = _describe(self.root, self.count, found, len(left_out), self.image_size, self.crop)

    @property
    def own_caveat(self) -> str:
        """The number of images, and what was done to them."""
        return self._said

    def _check_title(self) -> None:
        title = self.title
        if title and (not _TITLE.fullmatch(title) or title in registry.plugins("datasets")):
            raise InputError(
                "the title of a folder must be letters, digits, '.', '_' or '-', and not the name of an "
                f"installed dataset, but {shown(title)} was given."
            )

    def _read_labels(self, files: list[str]) -> Labels | None:
        if self.values["labels"] == "folders":
            return read_folders(self.root, files)
        table = find_table(self.root) if self.values["labels"] == "auto" else None
        return None if table is None else read_table(table, self.root, files)

    def _convert(self, found: Scan) -> dict[str, Any]:
        """Return the note on the converted images, converting them if there is none.

        One process converts a folder; others wait for it.
        """
        cache = cache_directory()
        settings = [self.image_size, self.crop, self.color, self.skip_unreadable, RULE, pillow_version()]
        key = _hash(str(self.root.resolve()), *map(str, settings))[:24]
        path = cache / f"{key}.json"
        note = _read_note(path, found.state)
        if note is not None:
            return note
        try:
            with Part(cache / f"{key}.pixels") as part:
                note = _read_note(path, found.state)  # another process was faster
                if note is None:
                    try:
                        note = self._write(found, part, cache, settings)
                    finally:
                        if note is None:
                            part.clear()
                    with Part(path) as written:
                        written.clear()
                        written.file.write(json.dumps(note).encode())
                        written.move_into_place()
                else:
                    part.clear()
        except OSError as error:
            raise InputError(f"the cache '{cache}' cannot be written: {error.strerror or error}.") from None
        return note

    def _write(self, found: Scan, part: Part, cache: Path, settings: list[Any]) -> dict[str, Any]:
        channels = self._count_channels(found)
        square = Square(self.image_size, self.crop, channels)
        record = channels * self.image_size**2
        check_room(cache, HEADER + record * len(found.files), f"converting '{self.root}'")
        part.clear()
        squares = write_squares(
            part.file, _read_all(found), square, total=len(found.files), title=f"reading {self.root.name}"
        )
        self._check_unusable(squares.unusable, squares.count)
        if scan(self.root).state != found.state:
            raise InputError(f"the folder '{self.root}' changed while it was read: give the command again.")
        digest = _hash(*map(str, [self.image_size, self.crop, channels, *settings[4:]]), squares.digest)
        part.target = cache / f"{digest}.pixels"  # named by its content, which never changes
        part.move_into_place()
        return {
            "path": str(self.root.resolve()).encode(errors="replace").decode(),
            "state": found.state,
            "digest": digest,
            "pixels": str(part.target),
            "count": squares.count,
            "channels": channels,
            "bytes": HEADER + record * squares.count,
            "unusable": squares.unusable,
        }

    def _count_channels(self, found: Scan) -> int:
        if self.color != "auto":
            return 1 if self.color == "grey" else 3
        with decoding():
            return 1 if all(_is_grey(found.root / name) for name in found.files) else 3

    def _check_unusable(self, unusable: list[tuple[str, str]], usable: int) -> None:
        """Refuse images that cannot be used, or the lack of others.

        Raises:
            InputError: there are some that are not to be left out, or too few others.
        """
        named = "; ".join(f"{shown(name)}: {reason}" for name, reason in unusable[:MOST_NAMED])
        more = f"; and {len(unusable) - MOST_NAMED:,} more" if len(unusable) > MOST_NAMED else ""
        if unusable and not self.skip_unreadable:
            raise InputError(
                f"{len(unusable):,} of {len(unusable) + usable:,} images in '{self.root}' cannot be used "
                f"({named}{more}): remove them, or leave them out (",
                MetricParameters({type(self).name: {"skip_unreadable": True}}),
                ").",
            )
        if usable < 2:
            raise InputError(
                f"a dataset needs two images, but '{self.root}' has {usable or 'none'} that can be used "
                f"({named}{more})."
            )


def _check_folder(path: str | Path) -> Path:
    """Return the folder that a user named.

    Raises:
        InputError: there is none.
    """
    root = check_path("the path of a folder of images", path).expanduser()
    if root.is_dir():
        return root
    if root.suffix.lower() in PACKED and root.is_file():
        raise InputError(f"'{root}' is a packed file: unpack it, and give the folder.")
    if root.is_file():
        raise InputError(f"'{root}' is a file: give the folder that holds the images.")
    raise InputError(f"there is no folder '{root}'.")


def _check_count(found: Scan) -> None:
    if len(found.files) > 1:
        return
    other = ", ".join(f"{count} {suffix}" for suffix, count in found.others.most_common(4))
    hints = [
        *([f"it holds images of other formats: {other}"] if other else []),
        *([f"{shown(found.packed[0])} is still packed"] if found.packed else []),
    ]
    more = f" ({'; '.join(hints)})" if hints else ""
    number = "1 PNG, JPEG or WebP file" if found.files else "no PNG, JPEG or WebP files"
    raise InputError(f"a dataset needs two images, but '{found.root}' has {number}{more}.")


def _read_all(found: Scan) -> Iterator[tuple[str, bytes | Unusable]]:
    for name in found.files:
        yield name, found.read(name)


def _is_grey(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_grey(file)
    except (Unusable, OSError):  # which reading it again will report
        return True


def _read_note(path: Path, state: str) -> dict[str, Any] | None:
    """Return the note on a conversion, if folder and pixels are as they were."""
    try:
        note = json.loads(path.read_text("utf-8"))
        is_current = note["state"] == state and Path(note["pixels"]).stat().st_size == note["bytes"]
        return note if is_current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode(errors="surrogateescape")).hexdigest()


def _describe(root: Path, count: int, found: Scan, left_out: int, size: int, crop: int) -> str:
    """Say in a line what the images are."""
    cut = f"the middle {crop}x{crop} pixels" if crop else "the largest square in the middle"
    others = ", ".join(f"{number} {suffix}" for suffix, number in found.others.most_common(4))
    text = "".join(
        [
            f"{count:,} images of the folder {shown(root.absolute().name)}: {cut}, resized to {size}x{size}",
            f"; {left_out:,} that cannot be used are left out" if left_out else "",
            f"; images of other formats are not in it ({others})" if others else "",
            ".",
        ]
    )
    return text if text.isprintable() else text.encode("ascii", "backslashreplace").decode()
