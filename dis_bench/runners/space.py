"""Estimate the disk space that a study needs, before it is trained."""

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

COMPRESSED = 0.8  # compressed share of codes, which are close to random: 0.9 was measured
WITH_THE_REST = 1.5  # a finished cell, in units of its weights, codes and log
NUMBER = 8  # bytes per number in training.csv


def measure_cell(trainee: Trainee) -> int:
    """Return the least bytes that a finished cell needs for weights, codes and log."""
    weights = sum(value.numel() * value.element_size() for value in trainee.networks.state_dict().values())
    rows = min(ROWS, len(trainee.dataset))
    codes = 4 * rows * trainee.cell.latent_size  # without log-variances, which compress better
    log = NUMBER * min(LOG_ROWS, trainee.cell.steps) * (5 + trainee.cell.latent_size)
    files = 1 + len(trainee.cell.score_at) + bool(trainee.cell.correlate)  # held-out images may be few
    return int(weights + COMPRESSED * codes * files + log)


def has_room(folder: Path, trainee: Trainee) -> bool:
    """Return whether a finished cell fits on a disk, with its record and pictures."""
    return find_space(folder) >= WITH_THE_REST * measure_cell(trainee)


def find_space(folder: Path) -> float:
    """Return the free bytes on the disk of a folder; infinite if they are unknown."""
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("."))
    try:
        return shutil.disk_usage(there).free if _has_inodes(there) else 0
    except OSError:
        return math.inf


def check_study_space(root: Path, sizes: dict[int, int]) -> int:
    """Warn if a disk has no space for a study; return the size of its smallest cell.

    Args:
        root: the result folder.
        sizes: number of cells by their size in bytes.

    Raises:
        InputError: there is no space for a single cell.
    """
    if not sizes:
        return 0
    free, needed = find_space(root), sum(size * count for size, count in sizes.items())
    about = f"the {sum(sizes.values())} cells to train need at least {needed / 1e6:,.1f} MB"
    if free < min(sizes):
        raise InputError(
            f"there is no space for a single cell in '{root}': {free / 1e6:,.1f} MB are free, and {about}; "
            "give a folder on another disk with --out."
        )
    if free < needed:
        warnings.warn(f"'{root}' has {free / 1e6:,.1f} MB of free space, but {about}", stacklevel=2)
    return min(sizes)


def check_space(folder: Path, needed: int) -> None:
    """Check that there is space for a cell, before it is trained.

    Raises:
        OSError: fewer bytes are free than are needed.
    """
    if find_space(folder) < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _has_inodes(folder: Path) -> bool:
    """Return False if the file system cannot hold more files, although it has space."""
    if not hasattr(os, "statvfs"):
        return True
    about = os.statvfs(folder)
    return about.f_files == 0 or about.f_favail > 0  # some file systems do not count inodes
