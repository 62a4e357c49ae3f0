"""Falcor3D and Isaac3D (Nie et al. 2020): a room and a robot, rendered with many factors."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.nvidia.numbered import Numbered
from dis_bench.datasets.photos import RULE, Square, Unusable, pillow_version
from dis_bench.datasets.placed import Places, Target, place_once
from dis_bench.datasets.stored import LARGEST, StoredImages, decode_squares
from dis_bench.errors import InputError, describe
from dis_bench.parameters import Parameter

LICENCE = "CC-BY-4.0"
_PNG = b"\x89PNG\r\n\x1a\n"
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz")


def _by_hand(dataset: str, name: str, small: str, full: str) -> Archive:
    """Declare an archive of Google Drive, or the folder that was unpacked from it."""
    named = [f"{name}_down128", name]
    return Archive(
        dataset=dataset,
        file=f"{named[0]}.zip",
        urls=(),
        digests={},
        licence=LICENCE,
        page=(
            f"https://drive.google.com/file/d/{small} in a browser (128 pixels; in full size {full}), "
            "packed or unpacked"
        ),
        also=tuple(f"{stem}{suffix}" for stem in named for suffix in ("", *_PACKED)),
    )


class _NumberedImages(StoredImages):
    """Rendered images with their number in the grid as a name, shrunk once.

    They are found as a folder, or as a zip or tar file, of 128 pixels or in full size. If there are labels
    beside the images, they must agree with the grid. The authors publish no digest; the fingerprint is that
    of the pixels.

    Raises:
        InputError: they are missing, are not complete, are smaller than ``image_size``, or have another size
            or other labels.
    """

    sources = ("official",)
    image_shape = (3, 64, 64)
    sides: ClassVar[tuple[int, ...]]  # pixels that an image may have
    labels_file: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=LARGEST),
    )

    image_size: int

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        [archive] = self.list_archives()
        path = archives.locate(archive, data_dir)
        self._found = Numbered(path, len(self), self.labels_file)
        self.image_shape = (3, self.image_size, self.image_size)
        state, settings = self._found.describe_state(), (self.name, RULE, pillow_version())
        target = Target(path, state, settings, self.image_shape, len(self))
        self._pixels, digest = place_once(target, self._read, lambda: self._found.describe_state() == state)
        self.fingerprint = f"sha256:{digest[:16]}"

    def _read(self, places: Places) -> None:
        square = Square(self.image_size)
        for name, _, pixels in decode_squares(self._read_images(), square):
            if isinstance(pixels, Unusable):
                raise InputError(f"{name} of '{self._found.path}' cannot be used: {pixels}.")
            places.put(int(name[:6]), pixels[None])

    def _read_images(self) -> Iterator[tuple[str, bytes | Unusable]]:
        """Yield the images whose size is right, and check labels on the way."""
        for name, content in self._found.read():
            if name == self.labels_file:
                self._check_labels(content)
                continue
            if content.startswith(_PNG):
                self._check_size(name, content)
                yield name, content
            else:
                yield name, Unusable("it is no PNG image" if content else "it is empty")

    def _check_size(self, name: str, content: bytes) -> None:
        """Check the size in the header of a PNG file."""
        width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
        what = f"{name} of '{self._found.path}' has {width}x{height} pixels"
        if (width, height) not in [(side, side) for side in self.sides]:
            expected = " or ".join(f"{side}x{side}" for side in self.sides)
            raise InputError(f"{what} instead of {expected}: it is of another data set.")
        if width < self.image_size:
            raise InputError(
                f"{what}, fewer than the image_size {self.image_size}, and images are not enlarged: give a "
                f"smaller image_size, or get the images of {max(self.sides)}x{max(self.sides)}."
            )

    def _check_labels(self, content: bytes) -> None:
        """Compare labels with the grid: the ranks of each factor's values are its classes."""
        assert self.grid is not None
        what = f"{self.labels_file} of '{self._found.path}'"
        try:
            table = np.load(io.BytesIO(content), allow_pickle=False)
        except Exception as error:  # damaged files raise whatever their bytes lead to
            reason = "it is no array of numpy" if "pickle" in str(error) else describe(error)
            raise InputError(f"{what} cannot be read as an array of numbers ({reason}).") from None
        shape = (len(self), len(self.grid.sizes))
        if not isinstance(table, np.ndarray) or table.shape != shape or table.dtype.kind not in "fiu":
            raise InputError(f"{what} must be numbers {list(shape)}: it is of another data set.")
        other = self.grid.find_other(table)
        if other is not None:
            raise InputError(
                f"{what} gives other classes of {other} to the images than the {self.grid} does: it is of "
                "another data set, or the images are in another order."
            )


_CAVEAT = "{} cannot be verified: its authors publish no digest."


class Falcor3D(_NumberedImages):
    """A living room in varying light, seen from varying places: 233,280 renderings.

    The images, of 128 pixels or of 1024, are got by hand from Google Drive, and shrunk once with Lanczos'
    filter to ``image_size`` pixels.

    Source: https://github.com/NVlabs/High-res-disentanglement-datasets
    """

    name = "falcor3d"
    grid = FactorGrid(
        [
            Factor.spaced("lighting_intensity", 5, 0, 1),
            Factor.spaced("lighting_x", 6, 0, 1),
            Factor.spaced("lighting_y", 6, 0, 1),
            Factor.spaced("lighting_z", 6, 0, 1),
            Factor.spaced("camera_x", 6, 0, 1),
            Factor.spaced("camera_y", 6, 0, 1),
            Factor.spaced("camera_z", 6, 0, 1),
        ]
    )
    sides = (128, 1024)
    labels_file = "train-rec.labels"
    archive = _by_hand(
        "falcor3d", "Falcor3D", "1XAQfFK1x6cpN1eiovbP0hVfLTm5SsSoJ", "15njKf7WsBYoFVoLDGyXe4na3MYnTYXOF"
    )
    caveat = _CAVEAT.format("Falcor3D")


class Isaac3D(_NumberedImages):
    """A robot arm with an object in a kitchen: 737,280 renderings with nine factors.

    The images, of 128 pixels or of 512, are got by hand from Google Drive, and shrunk once with Lanczos'
    filter to ``image_size`` pixels. The order of the factors is that of the labels; the formula in the README
    of its authors has the right multipliers, but names other factors beside them.

    Source: https://github.com/NVlabs/High-res-disentanglement-datasets
    """

    name = "isaac3d"
    grid = FactorGrid(
        [
            Factor("object_shape", 3, tuple(range(3)), "categorical"),
            Factor.spaced("robot_x", 8, 0, 1),
            Factor.spaced("robot_y", 5, 0, 1),
            Factor.spaced("camera_height", 4, 0, 1),
            Factor.spaced("object_scale", 4, 0, 1),
            Factor.spaced("lighting_intensity", 4, 0, 1),
            Factor.spaced("lighting_y", 6, 0, 1),
            Factor("object_color", 4, tuple(range(4)), "categorical"),
            Factor("wall_color", 4, tuple(range(4)), "categorical"),
        ]
    )
    sides = (128, 512)
    labels_file = "labels.npy"
    archive = _by_hand(
        "isaac3d", "Isaac3D", "1OmQ1G2wnm6eTsSFGTKFZZAh5D3nQTW1B", "1vFkgK4CpHpCOBOU7l07yocrqAqr2uDox"
    )
    caveat = _CAVEAT.format("Isaac3D")
