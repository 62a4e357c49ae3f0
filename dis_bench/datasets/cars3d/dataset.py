"""Cars3D (Reed et al. 2015, "Deep Visual Analogy-Making"): 183 cars from 96 directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive, describe_state
from dis_bench.datasets.cars3d.meshes import list_cars, read_cars
from dis_bench.datasets.conversion import hash_texts
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.photos import RULE, pillow_version, shrink
from dis_bench.datasets.placed import Places, Target, place_once
from dis_bench.datasets.stored import StoredImages
from dis_bench.errors import InputError
from dis_bench.parameters import Parameter

SIDE = 128  # pixels of a rendering


class Cars3D(StoredImages):
    """Renderings of 183 cars on white, from 24 azimuths at four elevations.

    The archive is read once, and its 128x128 pixels are shrunk with Lanczos' filter. Cars are numbered in the
    order of the archive's ``list.txt``, as in disent; disentanglement_lib numbers them as the directory lists
    them, so there the same number may be another car. ``official`` verifies the archive; ``own`` reads any
    of the same name and form.

    Source: http://www.scottreed.info

    Raises:
        InputError: the archive is missing, is not the official one, or has other cars.
    """

    name = "cars3d"
    grid = FactorGrid(
        [
            Factor("elevation", 4, tuple(range(4)), "ordinal"),
            Factor("azimuth", 24, tuple(range(24)), "circular"),
            Factor("car", 183, tuple(range(183)), "categorical"),
        ]
    )
    image_shape = (3, 64, 64)
    sources = ("official", "own")
    archive: ClassVar[Archive] = Archive(
        dataset="cars3d",
        file="nips2015-analogy-data.tar.gz",
        urls=("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",),
        digests={"md5": "4e866a7919c1beedf53964e6f7a23686"},
        licence="none stated",
        at_most=400_000_000,  # about 300 MB; no source that was read states the exact size
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=SIDE),
    )
    caveat: ClassVar[dict[str, str]] = {
        "own": "Cars3D was read from a file of your own, which nothing verified."
    }

    image_size: int

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        path = archives.locate(self.archive, data_dir)
        if self.source == "official":
            archives.verify_once(self.archive, path)
        self._file = path
        self.image_shape = (3, self.image_size, self.image_size)
        state, settings = describe_state(path), ("cars3d", RULE, pillow_version())
        target = Target(path, state, settings, self.image_shape, len(self))
        self._pixels, digest = place_once(target, self._read, lambda: describe_state(path) == state)
        if self.source == "official":
            digest = hash_texts(self.archive.digests["md5"], digest)
        self.fingerprint = f"{'md5' if self.source == 'official' else 'sha256'}:{digest[:16]}"

    def _read(self, places: Places) -> None:
        assert self.grid is not None
        elevations, azimuths, cars = self.grid.sizes
        numbers = {name: number for number, name in enumerate(list_cars(self._file))}
        if len(numbers) != cars:
            raise InputError(f"'{self._file}' has {len(numbers)} cars instead of {cars}.")
        for name, images in read_cars(self._file, (SIDE, SIDE, 3, azimuths, elevations)):
            for view, (elevation, azimuth) in enumerate(np.ndindex(elevations, azimuths)):
                small = shrink(images[..., azimuth, elevation], self.image_size)
                places.put(view * cars + numbers[name], small[None])
