"""The file pictures.npz: a cell's reconstructions and latent traversals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dis_bench.records.arrays import Layout, unpack
from dis_bench.records.kept import read_file, read_record_of
from dis_bench.records.schema import Record

FILE = "pictures.npz"
LAYOUT: Layout = {
    "originals": ("|u1", ("examples", "channels", "height", "width")),
    "reconstructions": ("|u1", ("examples", "channels", "height", "width")),
    "traversals": ("|u1", ("latents", "values", "channels", "height", "width")),
    "traversal_values": ("<f8", ("values",)),
    "kl_per_latent": ("<f8", ("latents",)),
}


@dataclass(frozen=True)
class Pictures:
    """Pictures of one cell; images are uint8, 0 to 255.

    Attributes:
        originals: `[N, C, H, W]`.
        reconstructions: `[N, C, H, W]`, from the posterior mean.
        traversals: `[D, V, C, H, W]`; latent d takes each of V values, the others are fixed.
        traversal_values: `[V]`.
        kl_per_latent: `[D]`, in nats, averaged over images; None without a KL.
    """

    originals: np.ndarray
    reconstructions: np.ndarray
    traversals: np.ndarray
    traversal_values: np.ndarray
    kl_per_latent: np.ndarray | None = None


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Write the pictures of a cell, in the :data:`LAYOUT` of the file."""
    given = {name: array for name, array in vars(pictures).items() if array is not None}
    arrays = {name: np.asarray(given[name], kind) for name, (kind, _) in LAYOUT.items() if name in given}
    np.savez_compressed(folder / FILE, **arrays)  # type: ignore[arg-type]


def read_pictures(folder: str | Path, record: Record | None = None) -> Pictures:
    """Read the pictures of a cell.

    Args:
        folder: folder of the cell.
        record: record of the cell, if it was read before.

    Raises:
        Damaged: the file, or the record with its digest, has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    record = record or read_record_of(folder, FILE)
    sizes = {"latents": record["cell"]["latent_size"]}
    return Pictures(**unpack(read_file(folder, FILE, record), LAYOUT, sizes, optional=("kl_per_latent",)))
