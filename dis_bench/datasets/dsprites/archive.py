"""Reader of the authors' dSprites archive, which streams bits and loads no pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dis_bench.datasets.grid import FactorGrid
from dis_bench.datasets.npz import read_header
from dis_bench.errors import InputError

IMAGES_PER_BLOCK = 4096  # 16 MB of pixels


def stream_words(path: Path, grid: FactorGrid, height: int, width: int) -> Iterator[np.ndarray]:
    """Yield the images as bits, in blocks, without ever holding the 3 GB of bytes.

    Args:
        path: the archive (npz). Its ``metadata`` is a pickle and is not read.
        grid: the factors, which its ``latents_classes`` must match.
        height: image height in pixels.
        width: image width in pixels; a multiple of 8.

    Yields:
        uint8 ``[block, height, width // 8]``; bit j of a byte is pixel j of its eight.

    Raises:
        InputError: the archive's content is not as expected.
    """
    _check_classes(path, grid)
    with zipfile.ZipFile(path) as archive:
        if "imgs.npy" not in archive.namelist():
            raise InputError(f"'{path}' holds no images; it holds: {', '.join(archive.namelist())}.")
        with archive.open("imgs.npy") as stream:
            found = read_header(stream)
            if found != ((len(grid), height, width), False, np.dtype(np.uint8)):
                raise InputError(
                    f"'{path}' holds images {found} instead of uint8 {[len(grid), height, width]}."
                )
            for start in range(0, len(grid), IMAGES_PER_BLOCK):
                images = min(IMAGES_PER_BLOCK, len(grid) - start)
                pixels = np.frombuffer(stream.read(images * height * width), np.uint8)
                if pixels.max() > 1:
                    raise InputError(f"'{path}' holds pixels other than 0 and 1.")
                yield np.packbits(pixels.reshape(images, height, width), axis=-1, bitorder="little")


def _check_classes(path: Path, grid: FactorGrid) -> None:
    with np.load(path, allow_pickle=False) as archive:
        classes = archive["latents_classes"] if "latents_classes" in archive else np.empty(0)
    if classes.shape != (len(grid), len(grid.sizes)) or (classes != grid.factors(np.arange(len(grid)))).any():
        raise InputError(f"'{path}' does not hold the {grid}: its latents_classes are different.")
