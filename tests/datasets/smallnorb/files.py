"""Small files in SmallNORB's binary format, packed or not, and a dataset that reads them."""

import gzip
import math
from typing import ClassVar

import numpy as np

from dis_bench.datasets.grid import Factor
from dis_bench.datasets.smallnorb.dataset import PARTS, SmallNORB

MAGIC = {"uint8": 507333717, "int32": 507333716, "float32": 507333713, "float64": 507333715}


class Tiny(SmallNORB):
    """SmallNORB of 2 categories, 2 and 2 instances, 2 elevations, 3 azimuths and 2 lights."""

    category = Factor("category", 2, ("animal", "car"), "categorical")
    instances: ClassVar = {"training": (4, 7), "testing": (0, 5)}
    views: ClassVar = (
        Factor.spaced("elevation", 2, 30, 35),
        Factor.spaced("azimuth", 3, 0, 40, "circular"),
        Factor("lighting", 2, (0, 1), "categorical"),
    )


def encode(array, order="<", magic=None):
    """Return the bytes of a matrix: magic number, dimensions, sizes (three at least), then the array."""
    sizes = [*array.shape, *[1] * (3 - array.ndim)]
    head = np.array([magic or MAGIC[array.dtype.name], array.ndim, *sizes], f"{order}i4")
    return head.tobytes() + np.ascontiguousarray(array, array.dtype.newbyteorder(order)).tobytes()


def draw(part, seed=0):
    """Draw images ``[48, 2, 96, 96]``, categories ``[48]`` and infos ``[48, 4]`` of a part, in no order."""
    rng = np.random.default_rng([seed, part == "training"])
    grid = np.stack(
        np.meshgrid(range(2), Tiny.instances[part], range(2), range(3), range(2), indexing="ij"), -1
    )
    rows = rng.permutation(grid.reshape(-1, 5)).astype(np.int32)
    info = rows[:, 1:] * np.array([1, 1, 2, 1], np.int32)
    images = rng.integers(0, 256, (len(rows), 2, 96, 96)).astype(np.uint8)
    return images, rows[:, 0].copy(), info


def write_part(folder, part, packed=True, **replaced):
    """Write the three files of a part."""
    arrays = dict(zip(("dat", "cat", "info"), draw(part), strict=True)) | replaced
    for kind, array in arrays.items():
        content = array if isinstance(array, bytes) else encode(array)
        path = find(folder, part, kind, packed)
        path.write_bytes(gzip.compress(content, 1, mtime=0) if packed else content)


def find(folder, part, kind, packed=True):
    return folder / f"{PARTS[part]}-{kind}.mat{'.gz' if packed else ''}"


def write_files(folder, packed=True):
    """Write all six files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        write_part(folder, part, packed)


COUNT = math.prod((2, 2, 2, 3, 2))
