"""The result store: a folder per cell, whole or absent.

    DIR/cells/dsprites-betavae-beta4-seed0-1a2b3c4d5e6f/    the records of a cell, and the files beside them
    DIR/unfinished/     cells that are being trained or scored, and which process does that
    DIR/anchors/        what a perfect code and noise score on the same images, a file per metric
    DIR/superseded/     what ``--rerun`` replaced: nothing is deleted

A cell is claimed, filled in ``unfinished/`` and renamed when it is complete, so a reader never sees half of
one, and runs on one folder share the work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from dis_bench.errors import InputError, Option
from dis_bench.paths import check_path
from dis_bench.records import claims
from dis_bench.records.anchors import FOLDER
from dis_bench.records.cell import Cell
from dis_bench.records.claims import Claim
from dis_bench.records.durable import exchange, remove_file, sync_files, sync_folder
from dis_bench.records.record import find_time, read_newest
from dis_bench.records.schema import Record
from dis_bench.records.writable import try_file_system


class StoreLost(RuntimeError):
    """Nothing more can be written to a result folder; the message is one sentence."""


class NotPlaced(RuntimeError):
    """A finished folder could not be moved into place; it is kept, and the next run moves it."""


class Store:
    """The results under one folder.

    Args:
        root: made when the first cell is written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = check_path("the output folder", root)
        self.cells = self.root / "cells"
        self.unfinished = self.root / "unfinished"
        self.anchors = self.root / FOLDER

    def check_writable(self) -> None:
        """Make the folder, or say in one sentence what cannot be done there that the results need.

        Raises:
            InputError: it is a file, may not be written, or its file system lacks something.
        """
        if os.path.exists(self.root) and not os.path.isdir(self.root):  # these take any path
            raise InputError(
                f"the output folder '{self.root}' is a file; give a folder, e.g. ",
                Option("out", "results"),
                ".",
            )
        refusal = try_file_system(self.unfinished, self.cells)
        if refusal is not None:
            raise InputError(
                f"the output folder '{self.root}' cannot be written: {refusal}; give another one with --out."
            )

    def folder(self, cell: Cell) -> Path:
        """Where a cell's results are, or will be."""
        return self.cells / cell.folder

    def find(self, cell: Cell, problems: list[str] | None = None) -> Record | None:
        """Return the newest record of a cell that can be believed, or None.

        Args:
            cell: whose.
            problems: gets a sentence for each record that cannot be.
        """
        folder = self.folder(cell)
        return read_newest(folder, [] if problems is None else problems) if folder.is_dir() else None

    def claim(self, cell: Cell) -> Claim | None:
        """Claim a cell, to train or to score it; None where another live run has it.

        What an owner that ended had finished is moved into place first; the claimed folder is empty, but
        for checkpoints.

        Raises:
            NotPlaced: the finished folder could not be moved.
            OSError: the folder cannot be written.
        """
        while (claim := claims.claim(self.unfinished, cell.folder)) is not None:
            try:
                if not self.recover(claim, cell.folder):
                    claim.clear()
                    for half in self.folder(cell).glob(".record.*"):  # nobody else writes there now
                        remove_file(half)
                    return claim
            except BaseException:
                claim.release()
                raise
            claim.release()
        return None

    @contextmanager
    def new_folder(self, cell: Cell) -> Iterator[Path]:
        """A folder to fill; it becomes the cell's own, at once and whole, when the block ends well.

        What was there before moves to ``superseded/``. If the block fails, nothing has changed.

        Raises:
            BlockingIOError: another run has the cell.
        """
        claim = self.claim(cell)
        if claim is None:
            raise BlockingIOError(f"another run is at work on {cell.folder}")
        with claim:
            yield claim.folder
            self.place(claim, cell.folder)

    def place(self, claim: Claim, name: str, *, recovered: bool = False) -> None:
        """Move a complete folder into ``cells/``; what it replaces goes to ``superseded/``.

        A failed cell replaces no finished one: it goes to ``superseded/`` itself, and so does a recovered
        one that is older than what is there.

        Args:
            claim: of the folder; over when this returns.
            name: of the cell's folder.
            recovered: another process made it.

        Raises:
            ClaimLost: another process has it.
            NotPlaced: it could not be moved; it stays in ``unfinished/``.
        """
        claim.check()
        try:
            for path in claim.folder.glob("checkpoint*"):  # which nobody needs any more
                path.unlink()
            sync_files(claim.folder)
            self._move(claim.folder, name, recovered)
            for parent in (self.cells, self.unfinished):
                sync_folder(parent)
        except OSError as error:
            claim.release(keep=True)
            raise NotPlaced(
                f"its finished folder could not be moved to '{self.cells / name}' ({error.strerror}); "
                f"it is kept in '{self.unfinished}', and the next run moves it"
            ) from error

    def recover(self, claim: Claim, name: str) -> bool:
        """Move what an earlier owner of a claim had finished into place; return False if there is nothing."""
        record = read_newest(claim.folder, [])
        if record is None or not name.endswith(record["hash"]):
            return False
        self.place(claim, name, recovered=True)
        return True

    def _move(self, folder: Path, name: str, recovered: bool) -> None:
        self.cells.mkdir(parents=True, exist_ok=True)
        target = self.cells / name
        try:
            os.rename(folder, target)  # refused where there are files
            return
        except OSError:
            if not target.is_dir():
                raise
        superseded = self.root / "superseded"
        superseded.mkdir(exist_ok=True)
        old = superseded / f"{name}.{datetime.now().strftime('%Y%m%dT%H%M%S.%f')}"
        # Where the two can be exchanged, the cell is in the tables at every moment.
        if not _replaces(folder, target, recovered) or exchange(folder, target):
            os.rename(folder, old)
        else:
            os.rename(target, old)
            try:
                os.rename(folder, target)
            except OSError:
                os.rename(old, target)
                raise


def _replaces(folder: Path, target: Path, recovered: bool) -> bool:
    """Return True if a complete folder is to replace the one that is there."""
    new, old = (read_newest(one, []) for one in (folder, target))
    if old is None or new is None:
        return old is None
    if new["status"] != old["status"]:
        return new["status"] == "done"
    # Where a run was killed while it exchanged the two, the one in unfinished/ may be either.
    return not recovered or find_time(folder) > find_time(target)
