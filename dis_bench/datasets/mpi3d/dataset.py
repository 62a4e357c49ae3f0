"""MPI3D (Gondal et al. 2019, arXiv 1906.03292): one robot arm, rendered and photographed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive, describe_state
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.npz import read_shape, stream_array
from dis_bench.datasets.pixel_file import PixelFile, unpack_once
from dis_bench.datasets.placed import Places, Target, place_once
from dis_bench.datasets.stored import StoredImages
from dis_bench.errors import InputError, Option
from dis_bench.parameters import Parameter, Value

if TYPE_CHECKING:
    import torch

KEY = "images"  # the array in each file
_MOST = (
    12_760_000_000  # bytes: those of the pixels, and some for headers; files are packed, but no size is known
)
_BASE = "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/"
_DRIVE = "https://drive.google.com/file/d/1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm (Google Drive, in a browser)"


def _fetched(variant: str, md5: str, of_challenge: str = "") -> Archive:
    return Archive(
        dataset="mpi3d",
        file=f"mpi3d_{variant}.npz",
        urls=(f"{_BASE}mpi3d_{variant}.npz",),
        digests={"md5": md5},
        licence="CC-BY-4.0",
        at_most=_MOST,
        choice=f"mpi3d.variant={variant}",
        also=(of_challenge,) if of_challenge else (),
    )


FILES = {
    "toy": _fetched(
        "toy", "55889cb7c7dfc655d6e0277beee88868", "sim_toy_64x_ordered_without_heldout_factors.npz"
    ),
    "realistic": _fetched(
        "realistic",
        "59a6225b88b635365f70c91b3e52f70f",
        "sim_realistic_64x_ordered_without_heldout_factors.npz",
    ),
    "real": _fetched("real", "0f33f609918fb5c97996692f91129802"),
    "complex": Archive(
        dataset="mpi3d",
        file="real3d_complicated_shapes_ordered.npz",
        urls=(),
        digests={},
        licence="CC-BY-4.0",
        page=_DRIVE,
        choice="mpi3d.variant=complex",
        also=("mpi3d_complex.npz", "mpi3d_real_complex.npz"),
    ),
}

COLOURS = ("white", "green", "red", "blue", "brown", "olive")
SHAPES = ("cone", "cube", "cylinder", "hexagonal", "pyramid", "sphere")
UNNAMED = (0, 1, 2, 3)  # the four that the challenge kept of each; which they are is not published


def make_grid(colours: tuple[Any, ...], shapes: tuple[Any, ...]) -> FactorGrid:
    """Return the grid with some colours and shapes of the object."""
    return FactorGrid(
        [
            Factor("object_color", len(colours), colours, "categorical"),
            Factor("object_shape", len(shapes), shapes, "categorical"),
            Factor("object_size", 2, ("small", "large"), "ordinal"),
            Factor("camera_height", 3, ("top", "center", "bottom"), "ordinal"),
            Factor("background_color", 3, ("purple", "sea green", "salmon"), "categorical"),
            Factor("horizontal_axis", 40, tuple(range(40)), "ordinal"),
            Factor("vertical_axis", 40, tuple(range(40)), "ordinal"),
        ]
    )


class MPI3D(StoredImages):
    """An object on a robot arm: 1,036,800 images, rendered in two ways or photographed.

    ``variant`` chooses the set: ``real`` photographs (the default: the set that MPI3D was made for, and the
    one that most studies since 2020 mean), ``toy`` and ``realistic`` renderings, or ``complex``, photographs
    of 460,800 combinations with everyday objects. The file of ``complex`` is got by hand, and its authors
    publish no digest of it. ``own`` reads any file of the same name and form, without verification; of
    ``toy`` and ``realistic`` also those of the NeurIPS 2019 challenge, with 460,800 images, which are told
    apart by their number and never by their name.

    The pixels are unpacked once into a file, of 12.7 GB or 5.7 GB, and read from there batch by batch.

    Source: https://github.com/rr-learning/disentanglement_dataset

    Raises:
        InputError: the file is missing, is not the official one, or has another number of images.
    """

    name = "mpi3d"
    image_shape = (3, 64, 64)
    sources = ("official", "own")
    archives = tuple(FILES.values())
    grids: ClassVar[dict[str, FactorGrid]] = {
        **dict.fromkeys(("toy", "realistic", "real"), make_grid(COLOURS, SHAPES)),
        "complex": make_grid(
            ("yellow", "green", "olive", "red"), ("coffee-cup", "tennis-ball", "croissant", "beer-cup")
        ),
    }
    challenge: ClassVar[FactorGrid] = make_grid(UNNAMED, UNNAMED)
    grid = grids["real"]
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("variant", "real", "which of the sets", words=("toy", "realistic", "real", "complex")),
    )

    variant: str

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        [self._archive] = self.list_archives(variant=self.variant)
        path = archives.locate(self._archive, data_dir)
        self._file = path
        self.grid = self._choose_grid()
        self._is_challenge = self.grid is self.challenge
        if self.is_verified:
            archives.verify_once(self._archive, path)
            self.fingerprint = self._archive.fingerprint
        else:
            self._pixels, digest = self._convert()
            self.fingerprint = f"{'sha256' if self.source == 'own' else 'unverified'}:{digest[:16]}"

    @classmethod
    def list_archives(cls, **values: Value) -> tuple[Archive, ...]:
        return tuple(
            one for one in cls.archives if not values or one.choice.endswith(f"={values['variant']}")
        )

    @property
    def is_verified(self) -> bool:
        """True if the file was compared with a published digest."""
        return self.source == "official" and bool(self._archive.digests)

    @property
    def own_caveat(self) -> str:
        """The lack of a digest, and the number of images if it is that of the challenge."""
        if self.is_verified:
            return ""
        if self.source == "official":
            return f"The file of MPI3D, {self.variant}, is unverified: its authors publish no digest."
        like = f", of {len(self):,} images as in the NeurIPS 2019 challenge" if self._is_challenge else ""
        return f"MPI3D, {self.variant}: a file of your own, unverified{like}."

    def _choose_grid(self) -> FactorGrid:
        """Return the grid with as many images as the file.

        Raises:
            InputError: there is none.
        """
        own = self.grids[self.variant]
        count, *image = read_shape(self._file, KEY)
        _, *expected = self._shape(own)
        if image != expected:
            raise InputError(
                f"'{self._file}' must hold images of {expected} bytes, height by width by channels, but "
                f"holds {image}."
            )
        if count == len(own):
            return own
        has = f"'{self._file}' has {count:,} images, but variant '{self.variant}' has {len(own):,}"
        if count == len(self.challenge) and self._archive.also and self._archive.digests:
            if self.source == "own":
                return self.challenge
            raise InputError(
                f"{has}: it is the file of the NeurIPS 2019 challenge, which ",
                Option("source", "own"),
                " reads, or that of another variant.",
            )
        others = [name for name, grid in self.grids.items() if len(grid) == count]
        hint = f"it may be variant {' or '.join(others)}" if others else "it is another file"
        raise InputError(f"{has}: {hint}.")

    def _shape(self, grid: FactorGrid) -> tuple[int, ...]:
        channels, height, width = self.image_shape
        return len(grid), height, width, channels

    def _convert(self) -> tuple[PixelFile, str]:
        """Place the pixels in a file of the cache, which gives their digest."""

        def read(places: Places) -> None:
            place = 0
            for block in self._stream():
                places.put(place, block)
                place += len(block)

        state = describe_state(self._file)
        target = Target(self._file, state, ("mpi3d",), self.image_shape, len(self))
        return place_once(target, read, lambda: describe_state(self._file) == state)

    def _stream(self) -> Iterator[np.ndarray]:
        """Yield blocks of images, channels first."""
        assert self.grid is not None
        for block in stream_array(self._file, KEY, self._shape(self.grid)):
            yield np.ascontiguousarray(block.transpose(0, 3, 1, 2))

    def build(self) -> dict[str, torch.Tensor]:
        if self.is_verified:
            self._pixels = unpack_once(self._archive, self._file, self.image_shape, len(self), self._stream())
        return super().build()
