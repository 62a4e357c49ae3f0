"""Clean up after killed runs: move finished cells into place, remove partial ones."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from dis_bench.records import claims
from dis_bench.records.codes import has_codes
from dis_bench.records.durable import is_old, remove_file, remove_temporaries
from dis_bench.records.plans import FOLDER as PLANS
from dis_bench.records.processes import STAMP, parse_stamp
from dis_bench.records.record import read_newest
from dis_bench.records.store import NotPlaced, Store

CELL_NAME = re.compile(r".*-[0-9a-f]{12}")
_EARLIER = re.compile(rf"\.[0-9a-f]{{8}}\.{CELL_NAME.pattern}\..*")  # of versions before ``unfinished/``
_TRIAL = re.compile(rf"\.(?:try|clock)\.{STAMP}.*")


def sweep(store: Store) -> None:
    """Clear a result folder of the remains of dead runs, but not of live ones.

    Files that cannot be removed stay, since the folder may be read-only.
    """
    sweep_unfinished(store)
    with suppress(OSError):
        for folder in (store.anchors, store.root / PLANS):
            remove_temporaries(folder)
        for path in store.cells.iterdir() if store.cells.is_dir() else ():
            if path.name.startswith("."):
                _remove_hidden(path)
            elif path.is_dir():
                _remove_half_records(path)


def sweep_unfinished(store: Store) -> set[str]:
    """Take over the cells of dead runs, and those that are unclaimed.

    The checkpoints of cells that are not done stay, so that their training can be resumed; so do those of
    finished cells without codes, which are trained again for another score.

    Returns:
        The folder names of cells that were moved into place.
    """
    moved: set[str] = set()
    with suppress(OSError):
        for name in filter(CELL_NAME.fullmatch, claims.list_abandoned(store.unfinished)):
            with suppress(OSError, NotPlaced, claims.ClaimLost):
                if _take_over(store, name):
                    moved.add(name)
        for path in store.unfinished.glob(".*"):
            _remove_hidden(path)
    claims.tidy(store.unfinished)
    return moved


def _take_over(store: Store, name: str) -> bool:
    """Move a cell into place if it was finished; return whether it was.

    Otherwise only its checkpoints are kept, if its training can be resumed from them.
    """
    claim = claims.claim(store.unfinished, name)
    if claim is None:
        return False
    with claim:
        if store.recover(claim, name):
            return True
        claim.clear()
        claim.release(keep=_has_use(claim.folder, store.cells / name))
    return False


def _has_use(unfinished: Path, finished: Path) -> bool:
    """Return True if the training of a cell can go on from what is left of it."""
    record = read_newest(finished, problems=[])
    if record is not None and record["status"] == "done" and has_codes(finished, record):
        return False
    return any(unfinished.iterdir())


def _remove_hidden(path: Path) -> None:
    """Remove remains of file system trials, and of versions before ``unfinished/``."""
    trial = _TRIAL.fullmatch(path.name)
    if trial is None and _EARLIER.fullmatch(path.name) is None:
        return
    if is_old(path) or (trial is not None and parse_stamp(trial).has_ended()):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            remove_file(path)


def _remove_half_records(folder: Path) -> None:
    for half in folder.glob(".record.*"):
        if is_old(half):
            remove_file(half)
