"""Images that are kept as bytes: in a file of the cache, or small enough for memory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np

from dis_bench.bars import bar
from dis_bench.cores import count_cores
from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.photos import Square, Unusable, decoding, read_square
from dis_bench.datasets.pixel_file import HEADER, PixelFile

if TYPE_CHECKING:
    import torch

LARGEST = 256  # pixels to a side of an image, as many as a record keeps of a picture
RESIDENT = 256 << 20  # bytes of images up to which a device keeps all of them
BLOCK = 256  # images that wait for a thread, at most
BLOCK_BYTES = 32 << 20  # of their files
THREADS = 4


class StoredImages(Dataset):
    """A dataset whose images are in a pixel file; a subclass sets ``_pixels``.

    A small file is mapped, and moves to the device as a whole. A large one is read batch by batch, which
    takes memory for a batch only.
    """

    _pixels: PixelFile

    def build(self) -> dict[str, torch.Tensor]:
        import torch

        size = self._pixels.count * math.prod(self._pixels.record)
        return {"images": torch.from_numpy(self._pixels.map())} if size <= RESIDENT else {}

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        import torch

        if "images" in self.tables:
            return self.tables["images"].index_select(0, indices)
        return torch.from_numpy(self._pixels.read(indices.cpu().numpy())).to(self.device)

    def share_memory(self) -> Self:
        # The pixels are mapped from their file, so all processes share the same pages.
        return self


@dataclass(frozen=True)
class Squares:
    """Images that were written as squares.

    Attributes:
        count: number of images.
        digest: SHA-256 of their contents, in order.
        unusable: name and reason of each image that was left out.
    """

    count: int
    digest: str
    unusable: list[tuple[str, str]]


def write_squares(
    file: BinaryIO,
    contents: Iterable[tuple[str, bytes | Unusable]],
    square: Square,
    *,
    total: int,
    title: str,
) -> Squares:
    """Decode images, and write them as squares behind an empty header.

    Args:
        file: open for writing, positioned at the start.
        contents: name and content of each image, or the reason why it cannot be read.
        square: size, crop and channels.
        total: number of images, for the progress bar, which appears after two seconds.
        title: title of the bar.
    """
    file.write(b"\n" * HEADER)
    digest, count, unusable = hashlib.sha256(), 0, list[tuple[str, str]]()
    with bar(total=total, unit=" images", unit_scale=True, desc=title) as progress:
        for name, content, pixels in decode_squares(contents, square):
            progress.update(1)
            if isinstance(pixels, Unusable):
                unusable.append((name, str(pixels)))
                continue
            file.write(np.ascontiguousarray(pixels).data)
            digest.update(hashlib.sha256(content).digest())
            count += 1
    return Squares(count, digest.hexdigest(), unusable)


def decode_squares(
    contents: Iterable[tuple[str, bytes | Unusable]], square: Square
) -> Iterator[tuple[str, bytes, np.ndarray | Unusable]]:
    """Yield name, content and pixels of each image in order, decoded by some threads."""

    def decode(content: bytes | Unusable) -> np.ndarray | Unusable:
        if isinstance(content, Unusable):
            return content
        try:
            return read_square(content, square)
        except Unusable as error:
            return error

    with ThreadPoolExecutor(min(THREADS, count_cores())) as pool, decoding():
        for block in group(contents):
            found = pool.map(decode, [content for _, content in block])
            for (name, content), pixels in zip(block, found, strict=True):
                yield name, content if isinstance(content, bytes) else b"", pixels


def group(contents: Iterable[tuple[str, bytes | Unusable]]) -> Iterator[list[tuple[str, bytes | Unusable]]]:
    """Group images into blocks of bounded number and size."""
    block: list[tuple[str, bytes | Unusable]] = []
    size = 0
    for name, content in contents:
        block.append((name, content))
        size += len(content) if isinstance(content, bytes) else 0
        if len(block) == BLOCK or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
