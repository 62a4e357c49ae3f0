"""CelebA (Liu et al. 2015): aligned faces with forty attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.conversion import Wanted, convert, hash_texts
from dis_bench.datasets.grid import Factor
from dis_bench.datasets.labels import Labels
from dis_bench.datasets.members import Members
from dis_bench.datasets.stored import LARGEST, StoredImages
from dis_bench.errors import InputError, check_line, shown
from dis_bench.parameters import Parameter

PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
LICENCE = "non-commercial research only, says the page of its authors"
SIDE = 178  # pixels, of the largest square
_FOLDERS = ("celeba", "celeba/img", "CelebA")

IMAGES = Archive(
    dataset="celeba",
    file="img_align_celeba.zip",
    urls=("https://s3-us-west-1.amazonaws.com/udacity-dlnfd/datasets/celeba.zip",),
    digests={"md5": "00d2c5bc6d35e252742224ab0c1e8fcb"},
    licence=LICENCE,
    at_most=1_500_000_000,  # about 1.44 GB; no source that was read states the exact size
    folders=_FOLDERS,
)
ATTRIBUTES = Archive(
    dataset="celeba",
    file="list_attr_celeba.txt",
    urls=(),
    digests={"md5": "75e246fa4810816ffd6ee81facbd244c"},
    licence=LICENCE,
    folders=_FOLDERS,
    page=PAGE,
)


class CelebA(StoredImages):
    """202,599 aligned faces, with forty attributes that are scored as factors.

    The images have 178x218 pixels. By default the largest square in the middle, 178x178, is resized; studies
    differ here, and ``crop`` takes theirs (128 or 148). The attributes are read from
    ``list_attr_celeba.txt``, if it is there; without it there are no factors. ``official`` verifies both
    files; ``own`` reads any of the same names and format.

    Raises:
        InputError: a file is missing, is not the official one or is damaged, or ``image_size`` is larger than
            the square.
    """

    name = "celeba"
    contents = ("202,599 images, resized to --image-size", "40 attributes of two classes (labels)")
    sources = ("official", "own")
    archives = (IMAGES, ATTRIBUTES)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=LARGEST),
        Parameter("crop", 0, "side of the square cut out of the middle; 0 for the largest", low=0, high=SIDE),
    )

    image_size: int
    crop: int

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        if self.image_size > (self.crop or SIDE):
            raise InputError(
                f"image_size must be at most {self.crop or SIDE}, the side of the square that is resized, "
                f"but {self.image_size} was given: images are not enlarged."
            )
        path = self._find(IMAGES)
        if path is None:
            raise archives.missing(IMAGES, data_dir)
        table = self._find(ATTRIBUTES)
        converted = convert(Members(path), Wanted(self.name, self.image_size, self.crop, "rgb"))
        self._pixels, self.count = converted.pixels, len(converted.names)
        self.image_shape = (3, self.image_size, self.image_size)
        self.labels = None if table is None else read_attributes(table, converted.names)
        digest = converted.digest
        if self.labels is not None:
            digest = hash_texts(digest, self.labels.fingerprint)
        self.fingerprint = f"sha256:{digest[:16]}"

    def _find(self, archive: Archive) -> Path | None:
        """Return a file, verified if it is to be official, or None."""
        path = archives.find(archive, self.data_dir)
        if path is not None and self.source == "official":
            archives.require(archive, self.data_dir)
        return path

    @property
    def own_caveat(self) -> str:
        """The crop, and what is not verified or not there."""
        side = self.crop or SIDE
        text = f"CelebA: the middle {side}x{side} pixels, resized to {self.image_size}x{self.image_size}"
        text += "" if self.source == "official" else "; files of your own, which nothing verified"
        return f"{text}{'' if self.labels else '; without attributes'}."


def read_attributes(path: Path, names: tuple[str, ...]) -> Labels:
    """Read the attributes of images.

    The first line has the number of images and the second the names of attributes; each other line has the
    name of an image, and -1 or 1 for each attribute.

    Args:
        path: the file.
        names: of the images, in order; their folders are ignored.

    Raises:
        InputError: the file is damaged or lacks an image, or two images have one name.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"'{path}' is no list of attributes: it is not plain text; is it still packed?"
        ) from None
    if len(lines) < 3 or not lines[0].strip().isdigit():
        raise InputError(f"'{path}' is no list of attributes: it begins with {shown(''.join(lines[:1]))}.")
    attributes, rows = lines[1].split(), lines[2:]
    if len(rows) != int(lines[0]):
        raise InputError(
            f"'{path}' announces {int(lines[0]):,} images, but has {len(rows):,} lines: get it again."
        )
    classes = np.empty((len(rows), len(attributes)), dtype=np.uint8)
    places: dict[str, int] = {}
    for number, row in enumerate(rows):
        name, *values = row.split() or [""]
        if not name:
            raise InputError(f"'{path}', line {number + 3}, is blank: get the file again.")
        if len(values) != len(attributes) or not {*values} <= {"-1", "1"}:
            raise InputError(
                f"'{path}', line {number + 3}, must have -1 or 1 for each of {len(attributes)} attributes."
            )
        if name in places:
            raise InputError(
                f"'{path}', line {number + 3}, lists {shown(name)}, which line {places[name] + 3} lists, "
                "too: get the file again."
            )
        classes[number] = [value == "1" for value in values]
        places[name] = number
    for attribute in attributes:
        check_line(f"'{path}', line 2: the name of an attribute", attribute)
    factors = [Factor(attribute, 2, ("no", "yes"), "categorical") for attribute in attributes]
    return Labels(factors, classes[_look_up(path, [name.rpartition("/")[2] for name in names], places)])


def _look_up(path: Path, names: list[str], places: Mapping[str, int]) -> list[int]:
    """Return the row of each image.

    Raises:
        InputError: two images have one name, or one has no row.
    """
    double = [name for name, number in Counter(names).items() if number > 1]
    if double:
        raise InputError(
            f"'{path}' has one line for {shown(double[0])}, which is in two folders of the archive."
        )
    lacking = [name for name in names if name not in places]
    if lacking:
        raise InputError(f"'{path}' has no line for {shown(lacking[0])}: it is not that of these images.")
    return [places[name] for name in names]
