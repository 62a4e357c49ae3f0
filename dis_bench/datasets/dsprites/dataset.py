"""dSprites (Matthey et al. 2017): 737,280 binary images of one sprite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.dataset import Dataset, hash_constants
from dis_bench.datasets.dsprites import archive, outlines
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.pixel_file import unpack_once

if TYPE_CHECKING:
    import torch


class DSprites(Dataset):
    """A white square, ellipse or heart on black, at many sizes, angles and positions.

    ``rendered`` draws the images; ``official`` reads the authors' archive, unpacked once to one bit per pixel
    (377 MB). Every rendered image that could be compared with a real one is identical to the bit;
    docs/datasets.md says what that leaves open. Orientations 0 and 39 are the same angle, also in the
    authors' archive.

    Source: https://github.com/google-deepmind/dsprites-dataset
    """

    name = "dsprites"
    grid = FactorGrid(
        [
            Factor("color", 1, ("white",), "categorical"),
            Factor("shape", 3, ("square", "ellipse", "heart"), "categorical"),
            Factor.spaced("scale", 6, 0.5, 1),
            Factor.spaced("orientation", 40, 0, 2 * np.pi, "circular"),
            Factor.spaced("posX", 32, 0, 1),
            Factor.spaced("posY", 32, 0, 1),
        ]
    )
    image_shape = (1, 64, 64)
    pixel_max = 1
    sources = ("rendered", "official")
    reference = (0, 2, 4, 4, 16, 16)
    caveat: ClassVar[dict[str, str]] = {
        "rendered": (
            "dSprites was drawn by dis-bench, not read from the official file. Every official image that "
            "could be checked was bit-exact; this is not proven for all 737,280 (docs/datasets.md)."
        )
    }
    archive: ClassVar[Archive] = Archive(
        dataset="dsprites",
        file="dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
        urls=(
            "https://github.com/google-deepmind/dsprites-dataset/raw/master/"
            "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
            "https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/"
            "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
        ),
        digests={
            "md5": "7da33b31b13a06f4b04a70402ce90c2e",
            "git-blob-sha1": "d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
        },
        licence="Apache-2.0",
        at_most=32_000_000,  # about 26 MB; no source states the exact size
    )

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        if self.source == "official":
            self._file = archives.require(self.archive, data_dir)
            self.fingerprint = self.archive.fingerprint
        else:
            self.fingerprint = hash_constants(outlines.CONSTANTS)

    def build(self) -> dict[str, torch.Tensor]:
        import torch

        from dis_bench.datasets.dsprites import rasteriser

        if self.source == "rendered":
            values = {factor.name: np.array(factor.values) for factor in self.grid}
            return rasteriser.build_tables(values["scale"], values["orientation"], values["posX"])
        height, width = self.image_shape[1:]
        blocks = archive.stream_words(self._file, self.grid, height, width)
        pixels = unpack_once(self.archive, self._file, (height, width // 8), len(self), blocks)
        words = torch.from_numpy(pixels.map().view(np.int64)[..., 0])
        return {"words": words, "bits": torch.from_numpy(rasteriser.bits_of_bytes())}

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        from dis_bench.datasets.dsprites import rasteriser

        tables = self.tables
        if self.source == "rendered":
            words = rasteriser.draw_words(tables, indices, positions=self.grid.sizes[-1])
        else:
            words = tables["words"].index_select(0, indices)
        return rasteriser.unpack(words, tables["bits"])

    def share_memory(self) -> Self:
        # The official pixels are mapped from their file, so all processes share the same pages.
        return self if self.source == "official" else super().share_memory()
