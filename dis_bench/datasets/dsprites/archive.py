"""Reader of the authors' dSprites archive, which streams bits and loads no pickle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dis_bench.datasets.grid import FactorGrid
from dis_bench.datasets.npz import stream_array
from dis_bench.errors import InputError, describe


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
    for pixels in stream_array(path, "imgs", (len(grid), height, width)):
        if pixels.max() > 1:
            raise InputError(f"'{path}' holds pixels other than 0 and 1.")
        yield np.packbits(pixels, axis=-1, bitorder="little")


def _check_classes(path: Path, grid: FactorGrid) -> None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            classes = archive["latents_classes"] if "latents_classes" in archive else np.empty(0)
    except Exception as error:  # damaged files raise whatever their bytes lead to
        raise InputError(f"'{path}' is no complete npz file ({describe(error)}): get it again.") from None
    if classes.shape != (len(grid), len(grid.sizes)) or (classes != grid.factors(np.arange(len(grid)))).any():
        raise InputError(f"'{path}' does not hold the {grid}: its latents_classes are different.")
