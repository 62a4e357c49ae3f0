"""Small archives in the authors' formats, and datasets that read them."""

import hashlib
import os

import h5py
import numpy as np

from dis_bench.datasets.archives import Archive
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.shapes3d.dataset import Shapes3D


def archive_of(path, dataset, urls=(), **digests):
    """Declare an existing file as an archive; override digests to make it a wrong one."""
    content = path.read_bytes()
    blob = b"blob %d\0" % len(content) + content
    known = {"md5": hashlib.md5(content).hexdigest(), "git-blob-sha1": hashlib.sha1(blob).hexdigest()}
    return Archive(dataset, path.name, urls, {**known, **digests}, "none", len(content))


class Bomb:
    """A pickle that leaves a trace when loaded."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def tiny_dsprites(directory, **replaced):
    """Write 48 images of 1 × 2 × 2 × 2 × 2 × 3 classes; return class and images.

    The images are ``[48, 64, 64]``. The archive's ``metadata`` is a pickle that creates the directory
    ``trace`` when loaded.
    """
    sizes = (1, 2, 2, 2, 2, 3)
    grid = FactorGrid([Factor.spaced(f"f{i}", size, 0, 1) for i, size in enumerate(sizes)])
    images = np.random.default_rng(0).integers(0, 2, (48, 64, 64)).astype(np.uint8)
    arrays = {
        "metadata": np.array(Bomb(directory / "trace"), dtype=object),
        "imgs": images,
        "latents_classes": grid.factors(np.arange(48)),
        "latents_values": np.zeros((48, 6)),
    }
    path = directory / "tiny_dsprites.npz"
    np.savez_compressed(path, **(arrays | replaced))

    class TinyDSprites(DSprites):
        pass

    TinyDSprites.grid, TinyDSprites.archive = grid, archive_of(path, "dsprites")
    TinyDSprites.reference = None
    return TinyDSprites, images


def tiny_shapes3d(directory, **replaced):
    """Write 72 images of 2 × 2 × 1 × 3 × 2 × 3 classes; return class and images.

    The images are ``[72, 64, 64, 3]``.
    """
    sizes = (2, 2, 1, 3, 2, 3)
    grid = FactorGrid([Factor.spaced(f"f{i}", size, -1, 1) for i, size in enumerate(sizes)])
    images = np.random.default_rng(0).integers(0, 256, (72, 64, 64, 3)).astype(np.uint8)
    labels = np.stack(
        [
            np.array(factor.values)[column]
            for factor, column in zip(grid, grid.factors(np.arange(72)).T, strict=True)
        ],
        1,
    )
    arrays = {"images": images, "labels": labels} | replaced
    path = directory / "tiny_shapes3d.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            # A chunk holds pieces of ten images; in the real file, h5py's own choice holds thousands.
            chunks = (10, 16, 16, 1) if array.shape[1:] == (64, 64, 3) else True
            file.create_dataset(name, data=array, chunks=chunks, compression="gzip")

    class TinyShapes3D(Shapes3D):
        pass

    TinyShapes3D.grid, TinyShapes3D.archive = grid, archive_of(path, "shapes3d")
    TinyShapes3D.reference = None
    return TinyShapes3D, images
