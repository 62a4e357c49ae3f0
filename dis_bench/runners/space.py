"""Whether the disk has room for what a study writes, reckoned before it is trained."""

from __future__ import annotations

import errno
import math
import os
import shutil
import warnings
from pathlib import Path

from dis_bench.errors import InputError
from dis_bench.runners.scoring.rows import ROWS
from dis_bench.runners.training.log import LOG_ROWS
from dis_bench.runners.training.trainee import Trainee

COMPRESSED = 0.8  # of codes, which are random numbers to a compressor: 0.9 was measured
NUMBER = 8  # bytes of a number in training.csv


def measure_cell(trainee: Trainee) -> int:
    """Return the bytes that a finished cell takes at least: weights, codes and log."""
    weights = sum(value.numel() * value.element_size() for value in trainee.networks.state_dict().values())
    rows = min(ROWS, len(trainee.dataset))
    codes = 4 * rows * trainee.cell.latent_size  # of one precise code each; log-variances compress better
    log = NUMBER * min(LOG_ROWS, trainee.cell.steps) * (5 + trainee.cell.latent_size)
    return int(weights + COMPRESSED * codes * (1 + len(trainee.cell.score_at)) + log)


def find_space(folder: Path) -> float:
    """Return the bytes that are free where a folder is or will be; infinite where that is not known."""
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("."))
    try:
        return shutil.disk_usage(there).free if _has_inodes(there) else 0
    except OSError:
        return math.inf


def check_study_space(root: Path, sizes: dict[int, int]) -> int:
    """Warn of a study that a disk has no space for; return the size of its smallest cell.

    Args:
        root: of the results.
        sizes: how many cells there are of each size in bytes.

    Raises:
        InputError: there is no space for a single one.
    """
    if not sizes:
        return 0
    free, needed = find_space(root), sum(size * count for size, count in sizes.items())
    about = f"the {sum(sizes.values())} cells to train take {needed / 1e6:,.1f} MB at least"
    if free < min(sizes):
        raise InputError(
            f"there is no space for a single cell in '{root}': {free / 1e6:,.1f} MB are free, and {about}; "
            "give a folder on another disk with --out."
        )
    if free < needed:
        warnings.warn(f"'{root}' has {free / 1e6:,.1f} MB of free space, but {about}", stacklevel=2)
    return min(sizes)


def check_space(folder: Path, needed: int) -> None:
    """Refuse to start what cannot be written.

    Raises:
        OSError: fewer bytes are free than are needed.
    """
    if find_space(folder) < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _has_inodes(folder: Path) -> bool:
    """Return False if the file system can hold no more files, though it has space."""
    if not hasattr(os, "statvfs"):
        return True
    about = os.statvfs(folder)
    return about.f_files == 0 or about.f_favail > 0  # some count none
