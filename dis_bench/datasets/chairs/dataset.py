"""3D chairs (Aubry et al. 2014): renderings of chair models from 62 directions."""

from __future__ import annotations

import re
from functools import partial
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
from dis_bench.errors import InputError, shown
from dis_bench.parameters import Parameter

# rendered_chairs/1a6f615e8b1b5ae4dbbc9440457e303e/renders/image_000_p020_t011_r096.png
_MEMBER = re.compile(r"(?:.*/)?([^/]+)/renders/image_\d+_p(\d+)_t(\d+)_r\d+\.png")


class Chairs(StoredImages):
    """86,366 renderings of 1,393 chairs, from 31 directions at two elevations each.

    The renderings have 600x600 pixels on white. They are resized as a whole, as in most studies; ``crop``
    cuts out a square in the middle first. Chair, elevation and azimuth are read from the names of the files,
    and scored as factors. The authors publish no digest of the archive, so nothing can verify it; the
    fingerprint is that of the images in it.
    """

    name = "chairs"
    contents = ("86,366 images, resized to --image-size", "chair 1393, elevation 2, azimuth 31 (labels)")
    sources = ("official",)
    archive: ClassVar[Archive] = Archive(
        dataset="chairs",
        file="rendered_chairs.tar",
        urls=(),
        digests={},
        licence="none stated",
        folders=("chairs",),
        page="https://www.di.ens.fr/willow/research/seeing3Dchairs/data/rendered_chairs.tar",
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=LARGEST),
        Parameter("crop", 0, "side of the square cut out of the middle; 0 for the whole", low=0, high=600),
        Parameter("color", "rgb", "channels", words=("grey", "rgb")),
    )
    caveat: ClassVar[str] = "The archive of 3D chairs cannot be verified: its authors publish no digest."

    image_size: int
    crop: int
    color: str

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        path = archives.locate(self.archive, data_dir)
        wanted = Wanted(self.name, self.image_size, self.crop, self.color)
        converted = convert(Members(path), wanted, partial(read_names, path))
        self._pixels, self.count = converted.pixels, len(converted.names)
        self.image_shape = (3 if self.color == "rgb" else 1, self.image_size, self.image_size)
        self.labels = read_names(path, converted.names)
        digest = hash_texts(converted.digest, self.labels.fingerprint)
        self.fingerprint = f"sha256:{digest[:16]}"


def read_names(path: Path, names: tuple[str, ...]) -> Labels:
    """Read chair, elevation and azimuth from the names of renderings.

    Args:
        path: the archive, for messages.
        names: of the images, in order.

    Raises:
        InputError: a name is not as in the authors' archive.
    """
    found = []
    for name in names:
        match = _MEMBER.fullmatch(name)
        if match is None:
            raise InputError(
                f"'{path}' is not the archive of 3D chairs: {shown(name)} is no name of a rendering "
                "(CHAIR/renders/image_000_p020_t011_r096.png)."
            )
        found.append(match.groups())
    factors, columns = [], []
    about = (("chair", "categorical", str), ("elevation", "ordinal", int), ("azimuth", "circular", int))
    for (name, kind, read), column in zip(about, zip(*found, strict=True), strict=True):
        values = [read(text) for text in column]
        distinct = sorted(set(values))
        place = {value: number for number, value in enumerate(distinct)}
        factors.append(Factor(name, len(distinct), tuple(distinct), kind))
        columns.append([place[value] for value in values])
    return Labels(factors, np.array(columns).T)
