"""``folder:PATH``: the images in a folder, cropped and resized to squares."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from dis_bench.datasets.conversion import Wanted, convert, hash_texts
from dis_bench.datasets.folder.scan import PACKED, Scan, scan
from dis_bench.datasets.folder.table import find_table, read_folders, read_table
from dis_bench.datasets.labels import Labels
from dis_bench.datasets.stored import LARGEST, StoredImages
from dis_bench.datasets.titles import check_title
from dis_bench.errors import InputError, shown
from dis_bench.parameters import Parameter
from dis_bench.paths import check_path


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
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=LARGEST),
        Parameter(
            "crop", 0, "side of the square cut out of the middle; 0 for the largest", low=0, high=65_535
        ),
        Parameter("color", "auto", "channels; auto is grey if all images are", words=("auto", "grey", "rgb")),
        Parameter(
            "labels", "auto", "source of labels; auto is labels.csv", words=("auto", "none", "folders")
        ),
        Parameter("skip_unreadable", False, "whether to leave out unusable images"),
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
        if self.title:
            check_title("the title of a folder", self.title)
        found = scan(_check_folder(path))
        _check_count(found)
        wanted = Wanted(type(self).name, self.image_size, self.crop, self.color, self.skip_unreadable)
        # Images that are left out need no labels, and which they are is known at the end.
        check = None if self.skip_unreadable else partial(self._read_labels, found.root)
        converted = convert(found, wanted, check)
        self._pixels, self.count = converted.pixels, len(converted.names)
        self.image_shape = (converted.pixels.record[0], self.image_size, self.image_size)
        self.labels = self._read_labels(found.root, converted.names)
        digest = converted.digest
        if self.labels is not None:
            digest = hash_texts(digest, self.labels.fingerprint)
        self.fingerprint = f"sha256:{digest[:16]}"
        self.name = self.title or f"{type(self).name}-{digest[:8]}"
        self._said = self._describe(found, converted.left_out)

    @property
    def own_caveat(self) -> str:
        """The number of images, and what was done to them."""
        return self._said

    def _read_labels(self, root: Path, names: tuple[str, ...]) -> Labels | None:
        wanted = self.values["labels"]
        if wanted == "folders":
            return read_folders(root, names)
        table = find_table(root) if wanted == "auto" else None
        return None if table is None else read_table(table, root, names)

    def _describe(self, found: Scan, left_out: int) -> str:
        cut = (
            f"the middle {self.crop}x{self.crop} pixels" if self.crop else "the largest square in the middle"
        )
        others = ", ".join(f"{number} {suffix}" for suffix, number in found.others.most_common(4))
        folder, size = shown(found.root.absolute().name), f"{self.image_size}x{self.image_size}"
        text = f"{self.count:,} images of the folder {folder}: {cut}, resized to {size}"
        text += f"; {left_out:,} that cannot be used are left out" if left_out else ""
        text += f"; images of other formats are not in it ({others})" if others else ""
        return f"{text}." if text.isprintable() else text.encode("ascii", "backslashreplace").decode() + "."


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
