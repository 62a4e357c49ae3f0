"""Reader of the authors' 3DShapes archive, in long runs that suit its compression."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dis_bench.datasets.grid import FactorGrid
from dis_bench.errors import InputError, describe

if TYPE_CHECKING:
    import h5py

MEMORY = 400_000_000  # bytes of pixels read at a time, at most
IMAGES_PER_WRITE = 1024


def stream_images(path: Path, grid: FactorGrid, image_shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Yield the images in blocks, channels first.

    Args:
        path: the archive (HDF5).
        grid: the factors, which its ``labels`` must match.
        image_shape: (C, H, W).

    Yields:
        uint8 ``[block, C, H, W]``.

    Raises:
        InputError: the archive's content is not as expected.
    """
    channels, height, width = image_shape
    count = len(grid)
    with _open(path) as archive:
        _check_labels(archive, grid)
        images = _array(archive, "images", (count, height, width, channels))
        if images.dtype != np.uint8:
            raise InputError(f"'{path}' holds images of type {images.dtype} instead of uint8.")
        # A compressed chunk holds pieces of many images; reading whole chunks unpacks each only once.
        chunk = images.chunks[0] if images.chunks else 1
        fitting = min(MEMORY // (channels * height * width), count)
        fitting = fitting // chunk * chunk or fitting
        buffer = np.empty((fitting, height, width, channels), np.uint8)
        for start in range(0, count, len(buffer)):
            stop = min(start + len(buffer), count)
            images.read_direct(buffer, np.s_[start:stop], np.s_[: stop - start])
            for first in range(0, stop - start, IMAGES_PER_WRITE):
                block = buffer[first : min(first + IMAGES_PER_WRITE, stop - start)]
                yield np.ascontiguousarray(block.transpose(0, 3, 1, 2))


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open an archive for reading.

    Raises:
        InputError: in the block or before, it cannot be read, or is truncated or damaged.
    """
    import h5py

    try:
        with h5py.File(path, "r") as archive:
            yield archive
    except InputError:  # which is a ValueError
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is no complete HDF5 file ({describe(error)}): get it again.") from None


def _check_labels(archive: h5py.File, grid: FactorGrid) -> None:
    """Raise InputError unless the ranks of each factor's values are its classes."""
    other = grid.find_other(_array(archive, "labels", (len(grid), len(grid.sizes)))[()])
    if other is not None:
        raise InputError(f"'{archive.filename}' does not hold the {grid}: its labels of {other} differ.")


def _array(archive: h5py.File, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
    found = getattr(archive[name], "shape", "a group") if name in archive else "nothing"
    if found != shape:
        raise InputError(f"'{archive.filename}' holds {found} as '{name}' instead of an array {list(shape)}.")
    return archive[name]
