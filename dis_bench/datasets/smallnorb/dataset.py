"""SmallNORB (LeCun, Huang and Bottou 2004): grey photographs of fifty toys on a turntable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dis_bench.datasets.archives import Archive, describe_state
from dis_bench.datasets.conversion import hash_texts
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.labels import Labels
from dis_bench.datasets.packed import PackedFile, list_packed
from dis_bench.datasets.photos import RULE, pillow_version, shrink
from dis_bench.datasets.placed import Places, Target, place_once
from dis_bench.datasets.smallnorb.matrix import BYTES, INTEGERS, read_matrix, stream_matrix
from dis_bench.datasets.stored import StoredImages
from dis_bench.errors import InputError
from dis_bench.parameters import Parameter, Value

SIDE = 96  # pixels of a photograph
CAMERAS = 2
BLOCK = 128  # photographs that are read at a time, of both cameras
_COLUMNS = ("instance", "elevation", "azimuth", "lighting")  # of an info file

PARTS = {
    "training": "smallnorb-5x46789x9x18x6x2x96x96-training",
    "testing": "smallnorb-5x01235x9x18x6x2x96x96-testing",
}
PROTOCOLS = {"dlib": ("training", "testing"), "disent": ("training",)}


class SmallNORB(StoredImages):
    """Grey photographs of fifty toys of five kinds, from 162 directions, in six lights.

    Two protocols are in use, and ``protocol`` chooses one:

    - ``dlib``, of disentanglement_lib, the default: both files, 48,600 images. The factors are category,
      elevation, azimuth and lighting; the instance, one of ten toys of a kind, is none. There, one is drawn
      at random whenever an image is asked for. Here, each photograph has an index of its own, ten for each
      combination of factors. So the factors are labels, not a grid: images drawn uniformly have the same law,
      and every image stays the same.
    - ``disent``: the training file, 24,300 images, in a grid with the instance, one of five, as a factor. Its
      values are words, such as ``toy 4``, since toys 4, 6, 7, 8 and 9 are the classes 0 to 4.

    Both take the first camera, and shrink its 96x96 pixels with Lanczos' filter. The files may be packed or
    unpacked; ``official`` verifies them, and ``own`` reads any of the same names and form.

    Source: https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/

    Raises:
        InputError: a file is missing, is not the official one, or holds something else.
    """

    name = "smallnorb"
    contents = (
        "48,600 images 1x64x64, or 24,300 with protocol=disent",
        "category 5, elevation 9, azimuth 18, lighting 6 (labels); with protocol=disent a grid of these and "
        "instance 5",
    )
    sources = ("official", "own")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "protocol",
            "dlib",
            "dlib: both files, labels without the instance; disent: training file, a grid with it",
            words=tuple(PROTOCOLS),
        ),
        Parameter("image_size", 64, "height and width of the images in pixels", low=1, high=SIDE),
    )
    category: ClassVar[Factor] = Factor(
        "category", 5, ("animal", "human", "plane", "truck", "car"), "categorical"
    )
    instances: ClassVar[dict[str, tuple[int, ...]]] = {
        "training": (4, 6, 7, 8, 9),
        "testing": (0, 1, 2, 3, 5),
    }
    views: ClassVar[tuple[Factor, ...]] = (
        Factor.spaced("elevation", 9, 30, 70),
        Factor.spaced("azimuth", 18, 0, 340, "circular"),
        Factor("lighting", 6, tuple(range(6)), "categorical"),
    )
    files: ClassVar[dict[str, PackedFile]] = list_packed(
        "smallnorb",
        "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",
        "research use only, says the page of its authors",
        (),
        {
            f"{PARTS['training']}-dat.mat": (
                450_000_000,
                "66054832f9accfe74a0f4c36a75bc0a2",
                "8138a0902307b32dfa0025a36dfa45ec",
            ),
            f"{PARTS['training']}-cat.mat": (
                98_000,
                "23c8b86101fbf0904a000b43d3ed2fd9",
                "fd5120d3f770ad57ebe620eb61a0b633",
            ),
            f"{PARTS['training']}-info.mat": (
                390_000,
                "51dee1210a742582ff607dfd94e332e3",
                "19faee774120001fc7e17980d6960451",
            ),
            f"{PARTS['testing']}-dat.mat": (
                450_000_000,
                "e4ad715691ed5a3a5f138751a4ceb071",
                "e9920b7f7b2869a8f1a12e945b2c166c",
            ),
            f"{PARTS['testing']}-cat.mat": (
                98_000,
                "5aa791cd7e6016cf957ce9bdb93b8603",
                "fd5120d3f770ad57ebe620eb61a0b633",
            ),
            f"{PARTS['testing']}-info.mat": (
                390_000,
                "a9454f3864d7fd4bb3ea7fc3eb84924e",
                "7c5b871cc69dcadec1bf6a18141f5edc",
            ),
        },
    )
    archives = tuple(file.packed for file in files.values())
    caveat: ClassVar[dict[str, str]] = {
        "own": "SmallNORB was read from files of your own, which nothing verified."
    }

    protocol: str
    image_size: int

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        self._parts = PROTOCOLS[self.protocol]
        is_official = self.source == "official"
        self._paths = {
            name: file.require(data_dir, is_official)
            for name, file in self.files.items()
            if self._reads(name)
        }
        self.image_shape = (1, self.image_size, self.image_size)
        instances = self._list_instances()
        instance = Factor("instance", len(instances), tuple(f"toy {one}" for one in instances), "categorical")
        if self.protocol == "disent":
            self._order = FactorGrid([self.category, instance, *self.views])
            self.grid = self._order
        else:
            self._order = FactorGrid([self.category, *self.views, instance])
            factors = self._order.factors(np.arange(len(self._order)))[:, :-1]
            self.labels = Labels([self.category, *self.views], factors)
        self.count = len(self._order)
        self.fingerprint = self._convert()

    def _reads(self, name: str) -> bool:
        return any(name.startswith(PARTS[part]) for part in self._parts)

    @classmethod
    def list_archives(cls, **values: Value) -> tuple[Archive, ...]:
        if not values:
            return cls.archives
        parts = [PARTS[part] for part in PROTOCOLS[str(values["protocol"])]]
        return tuple(one for one in cls.archives if one.file.startswith(tuple(parts)))

    def _convert(self) -> str:
        """Place the photographs in a file of the cache; return the fingerprint."""

        def find_state() -> str:
            return "\n".join(f"{path} {describe_state(path)}" for path in self._paths.values())

        state = find_state()
        settings = ("smallnorb", self.protocol, RULE, pillow_version())
        path = self._paths[f"{PARTS['training']}-dat.mat"]
        target = Target(path, state, settings, self.image_shape, self.count)
        self._pixels, digest = place_once(target, self._read, lambda: find_state() == state)
        if self.source == "own":
            return f"sha256:{digest[:16]}"
        known = [self.files[name].packed.digests["md5"] for name in self._paths]
        return f"md5:{hash_texts(*known, digest)[:16]}"

    def _read(self, places: Places) -> None:
        for part in self._parts:
            where = self._find_places(part)
            shape = (len(where), CAMERAS, SIDE, SIDE)
            start = 0
            for block in stream_matrix(self._paths[f"{PARTS[part]}-dat.mat"], BYTES, shape, BLOCK):
                for place, photographs in zip(where[start : start + len(block)], block, strict=True):
                    places.put(int(place), shrink(photographs[0], self.image_size)[None])
                start += len(block)

    def _find_places(self, part: str) -> np.ndarray:
        """Find the index of each image of a file, int64 ``[N]``.

        Raises:
            InputError: a class is out of range, or the instances are not those of this file.
        """
        path = self._paths[f"{PARTS[part]}-info.mat"]
        sizes = [self.category.size, len(self.instances[part]), *(factor.size for factor in self.views)]
        count = int(np.prod(sizes))
        category = read_matrix(self._paths[f"{PARTS[part]}-cat.mat"], INTEGERS, (count,))
        info = read_matrix(path, INTEGERS, (count, len(_COLUMNS)))
        instances: Sequence[int] = np.unique(info[:, 0]).tolist()
        if tuple(instances) != tuple(sorted(self.instances[part])):
            raise InputError(
                f"'{path}' must have instances {sorted(self.instances[part])}, but has {instances[:12]}: "
                "those of training and of testing may have been exchanged."
            )
        if (info[:, 2] % 2).any():
            raise InputError(f"'{path}' must have even azimuths, in tens of degrees, but has odd ones.")
        columns = dict(zip(_COLUMNS, (info[:, 0], info[:, 1], info[:, 2] // 2, info[:, 3]), strict=True))
        columns["category"] = category
        columns["instance"] = np.searchsorted(self._list_instances(), info[:, 0])
        table = np.stack([columns[name] for name in self._order.names], axis=1)
        try:
            return self._order.indices(table)
        except InputError as error:
            raise error.prefixed(f"'{path}' or that of categories: ") from None

    def _list_instances(self) -> list[int]:
        return sorted(one for part in self._parts for one in self.instances[part])
