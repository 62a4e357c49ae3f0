"""The file codes.npz: the scored representation, with the factors of the same images.

Codes at a step of the training, or of other images, are in files of the same layout, named as in
:mod:`.along`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.records.along import list_other_images, name_codes
from dis_bench.records.arrays import Layout, unpack
from dis_bench.records.kept import read_file, read_record_of
from dis_bench.records.schema import Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FILE = "codes.npz"
LAYOUT: Layout = {
    "codes": ("<f4", ("images", "latents")),  # posterior means, or the encoder's output
    "log_variances": ("<f4", ("images", "latents")),  # of the posteriors; absent without posteriors
    "factors": ("<i4", ("images", "factors")),  # class indices; absent if they are unknown
}
OPTIONAL = ("log_variances", "factors")
# Written column by column, which compresses better, unlike codes, whose first rows can be read alone.
_BY_COLUMN = ("log_variances", "factors")
# Bits behind the point that kept log-variances have, of 23 in float32: a variance of e^-4 is within 0.8%,
# and the file a fifth smaller. Codes keep all: with 10 to 12, DCI's informativeness rises by 0.002 to 0.004.
_BITS = 8


def write_codes(
    folder: Path,
    codes: ArrayLike,
    factors: ArrayLike | None,
    log_variances: ArrayLike | None = None,
    file: str = FILE,
) -> None:
    """Write the codes [N, D], factors [N, F] and log-variances [N, D] of a cell."""
    given = {"codes": codes, "log_variances": log_variances, "factors": factors}
    arrays: dict[str, Any] = {
        name: np.asarray(given[name], kind) for name, (kind, _) in LAYOUT.items() if given[name] is not None
    }
    arrays |= {name: np.asfortranarray(arrays[name]) for name in _BY_COLUMN if name in arrays}
    np.savez_compressed(folder / file, **arrays)


def round_log_variances(log_variances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round log-variances [N, D] to the precision in which a trained cell keeps them.

    It is done before they are scored, so that the scores of the kept file are the recorded ones.

    >>> round_log_variances(np.array([-4.0001, 0.1], np.float32))
    array([-4.    ,  0.1001], dtype=float32)
    """
    dropped = 23 - _BITS
    bits = np.ascontiguousarray(log_variances, np.float32).view(np.uint32)
    half = np.uint32((1 << (dropped - 1)) - 1) + ((bits >> dropped) & 1)  # halves become even
    rounded: NDArray[np.float32] = ((bits + half) >> dropped << dropped).view(np.float32)
    return rounded


def read_codes(
    folder: str | Path,
    *names: str,
    record: Record | None = None,
    file: str = FILE,
    rows: int | None = None,
) -> dict[str, np.ndarray]:
    """Read the arrays of a cell's codes, by name.

    Args:
        folder: folder of the cell.
        names: names of the arrays; all of them by default. Log-variances and factors are left out if there
            are none.
        record: record of the cell, if it was read before.
        file: name of the file; by default that of the codes at the end of the training.
        rows: read at most this many rows, the first; None for all.

    Raises:
        Damaged: the file, or the record with its digest, has changed since it was written.
        FileNotFoundError: there is no such file.
    """
    record = record or read_record_of(folder, file)
    layout = {name: LAYOUT[name] for name in names or LAYOUT}
    content = read_file(folder, file, record)
    latents = record["cell"]["latent_size"]
    return unpack(content, layout, {"latents": latents} if latents else {}, OPTIONAL, rows)


def has_codes(folder: Path, record: Record) -> bool:
    """Return True if a cell can be scored without training it again."""
    return all(file in record["files"] and (folder / file).exists() for file in list_files(record))


def list_files(record: Record) -> list[str]:
    """List the files of codes that a finished cell is scored from."""
    further = [*record.get("scores_at", {}), *list_other_images(record["cell"])]
    return [FILE, *map(name_codes, further)]
