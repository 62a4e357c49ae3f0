"""Remove what a result folder no longer needs: replaced cells, interrupted ones, weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dis_bench.records import claims
from dis_bench.records.claims import ClaimLost
from dis_bench.records.durable import remove
from dis_bench.records.record import check_results, find_cells
from dis_bench.records.schema import EARLIER_WEIGHTS
from dis_bench.records.store import NotPlaced, Store
from dis_bench.records.sweep import CELL_NAME
from dis_bench.records.weights import FILE as WEIGHTS


@dataclass(frozen=True)
class Content:
    """A kind of content that can be removed.

    Attributes:
        loss: what is lost with it, for the user.
        find: returns the paths of this kind in a result folder.
        remove: removes one of them; returns False if it is needed after all.
        measure: returns the bytes of one of them.
    """

    loss: str
    find: Callable[[Store], list[Path]]
    remove: Callable[[Store, Path], bool]
    measure: Callable[[Store, Path], int]


@dataclass(frozen=True)
class Prunable:
    """The content of one kind.

    Attributes:
        paths: the files or folders.
        size: their bytes, as their files count them.
    """

    paths: list[Path]
    size: int


def find_prunable(path: str | Path, kinds: Sequence[str]) -> dict[str, Prunable]:
    """Find what could be removed from a result folder, by kind.

    Args:
        path: the ``--out`` folder of one or more runs.
        kinds: names in :data:`KINDS`.

    Raises:
        InputError: it is no result folder.
        OSError: there are claims to examine, and the folder is read-only.
    """
    store = Store(check_results("the result folder", path))
    found = {}
    for kind in kinds:
        paths = KINDS[kind].find(store)
        found[kind] = Prunable(paths, sum(KINDS[kind].measure(store, one) for one in paths))
    return found


def prune(path: str | Path, found: dict[str, Prunable]) -> int:
    """Remove what :func:`find_prunable` found, except what a run has claimed since.

    Returns:
        The number of bytes that were removed.

    Raises:
        OSError: something cannot be removed, as in a read-only folder.
    """
    store = Store(check_results("the result folder", path))
    removed = 0
    for kind, content in found.items():
        for one in content.paths:
            size = KINDS[kind].measure(store, one)
            if KINDS[kind].remove(store, one):
                removed += size
    return removed


def _measure(store: Store, path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    size = 0
    for one in [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]:
        with suppress(OSError):
            size += one.lstat().st_size if not one.is_dir() else 0
    return size


def _measure_unfinished(store: Store, path: Path) -> int:
    """Return the bytes of an unfinished cell, in all folders of its owners."""
    return sum(_measure(store, folder) for folder in claims.list_folders(store.unfinished, path.name))


def _find_superseded(store: Store) -> list[Path]:
    return sorted(store.superseded.glob("*"))


def _find_unfinished(store: Store) -> list[Path]:
    names = filter(CELL_NAME.fullmatch, claims.list_abandoned(store.unfinished))  # the rest is not ours
    return [store.unfinished / name for name in names]


def _find_weights(store: Store) -> list[Path]:
    # A linked cell belongs to another result folder, which keeps its weights.
    folders = [folder for folder in find_cells(store.root) if not folder.is_symlink()]
    paths = [folder / name for folder in folders for name in (WEIGHTS, EARLIER_WEIGHTS)]
    return [path for path in paths if os.path.exists(path)]


def _remove(store: Store, path: Path) -> bool:
    try:
        remove(path)
    except FileNotFoundError:
        return False
    return True


def _remove_unfinished(store: Store, path: Path) -> bool:
    """Remove an unfinished cell, unless a run has claimed it or it is complete."""
    is_removed = False
    for _ in claims.list_folders(store.unfinished, path.name):
        claim = claims.claim(store.unfinished, path.name)
        if claim is None:
            break
        with claim, suppress(NotPlaced, ClaimLost):
            if not store.recover(claim, path.name):
                claim.release(keep=False)
                is_removed = True
    return is_removed


KINDS = {
    "superseded": Content(
        "cells that were trained again; the results that count stay", _find_superseded, _remove, _measure
    ),
    "unfinished": Content(
        "checkpoints of cells that no run works on; they would be trained from the beginning",
        _find_unfinished,
        _remove_unfinished,
        _measure_unfinished,
    ),
    "weights": Content(
        "networks of finished cells, which only training brings back; codes, scores and reports stay",
        _find_weights,
        _remove,
        _measure,
    ),
}
