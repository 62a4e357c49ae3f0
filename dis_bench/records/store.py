"""The result store: a folder per cell, either complete or absent.

    DIR/cells/dsprites-betavae-beta4-seed0-1a2b3c4d5e6f/    the records of a cell, and the files beside them
    DIR/unfinished/     cells that are being trained or scored, each with the process that does it
    DIR/plans/          the cells of each study that was started here
    DIR/anchors/        scores of a perfect code and of noise on the same images, a file per metric
    DIR/superseded/     cells that ``--rerun`` replaced: nothing is deleted

A cell is claimed, filled in ``unfinished/`` and renamed when it is complete. So readers never see a partial
cell, and runs on one folder share the work.
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
from dis_bench.records.cell import Cell, EncoderCell
from dis_bench.records.claims import Claim
from dis_bench.records.durable import exchange, remove_file, sync_files, sync_folder
from dis_bench.records.parts import remove_unlisted
from dis_bench.records.record import FILE as RECORD
from dis_bench.records.record import find_time, is_written, read_newest
from dis_bench.records.schema import Record
from dis_bench.records.writable import try_file_system

KEPT = "the finished cells are kept, and the same command continues from there."


class StoreLost(RuntimeError):
    """Error: nothing more can be written to a result folder; the message is one sentence."""


class NotPlaced(RuntimeError):
    """Error: a finished folder could not be moved into place; the next run will move it."""


class Store:
    """The results under one folder.

    Args:
        root: the folder, which is created when the first cell is written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = check_path("the output folder", root)
        self.cells = self.root / "cells"
        self.unfinished = self.root / "unfinished"
        self.superseded = self.root / "superseded"
        self.anchors = self.root / FOLDER

    def check_folder(self) -> None:
        """Check that results can be in the folder, without writing anything.

        Raises:
            InputError: it is a file, or a part of a result folder.
        """
        if os.path.exists(self.root) and not os.path.isdir(self.root):  # these take any path
            raise InputError(
                f"the output folder '{self.root}' is a file; give a folder, e.g. ",
                Option("out", "results"),
                ".",
            )
        if os.path.exists(self.root / RECORD) or self._is_folder_of_cells():
            raise InputError(
                f"the output folder '{self.root}' is a part of another result folder, whose readers would "
                "take it for cells; give another one, e.g. ",
                Option("out", "results"),
                ".",
            )

    def check_writable(self) -> None:
        """Create the folder, and check that its file system can do all that a run needs.

        Raises:
            InputError: the folder is refused by :meth:`check_folder` or not writable, or its file system
                lacks an operation.
        """
        self.check_folder()
        refusal = try_file_system(self.unfinished, self.cells)
        if refusal is not None:
            raise InputError(
                f"the output folder '{self.root}' cannot be written: {refusal}; give another one with --out."
            )

    def _is_folder_of_cells(self) -> bool:
        """Return True for the folder ``cells`` of a result folder."""
        path = Path(os.path.realpath(self.root))
        return path.name == self.cells.name and any(is_written(one) for one in path.glob("*"))

    def folder(self, cell: Cell | EncoderCell) -> Path:
        """Return the folder in which a cell's results are, or will be."""
        return self.cells / cell.folder

    def find(self, cell: Cell | EncoderCell, problems: list[str] | None = None) -> Record | None:
        """Return the newest valid record of a cell, or None.

        Args:
            cell: the cell to look for.
            problems: list that a sentence for each invalid record is appended to.
        """
        folder = self.folder(cell)
        return read_newest(folder, [] if problems is None else problems) if folder.is_dir() else None

    def claim(self, cell: Cell | EncoderCell) -> Claim | None:
        """Claim a cell to train or score it; return None if another live run has it.

        If an owner that ended had finished the cell, its folder is moved into place first. The claimed folder
        is empty except for checkpoints and the mark of the claim.

        Raises:
            NotPlaced: the finished folder could not be moved.
            OSError: the folder cannot be written.
        """
        return self.claim_folder(cell.folder)

    def claim_folder(self, name: str) -> Claim | None:
        """Claim a cell by the name of its folder, as :meth:`claim` does."""
        while (claim := claims.claim(self.unfinished, name)) is not None:
            try:
                if not self.recover(claim, name):
                    claim.clear()
                    claim.mark()
                    for half in (self.cells / name).glob(".record.*"):  # no other process writes there now
                        remove_file(half)
                    return claim
            except BaseException:
                claim.release()
                raise
            claim.release()
        return None

    @contextmanager
    def new_folder(self, cell: Cell | EncoderCell) -> Iterator[Path]:
        """Yield a folder to fill, which becomes the cell's when the block succeeds.

        The folder that was there before moves to ``superseded/``. If the block fails, nothing changes.

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
        """Move a complete folder to ``cells/``; move a replaced one to ``superseded/``.

        A failed cell does not replace a finished one: it moves to ``superseded/`` itself. So does a recovered
        cell that is older than the present one.

        Args:
            claim: claim on the folder, which ends here.
            name: name of the cell's folder.
            recovered: whether another process filled the folder.

        Raises:
            ClaimLost: another process has the cell.
            NotPlaced: the folder could not be moved; it stays in ``unfinished/``.
        """
        claim.check()
        try:
            for path in (*claim.folder.glob("checkpoint*"), claim.folder / claims.MARK):  # no longer needed
                path.unlink(missing_ok=True)
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
        """Move a cell that an earlier owner finished into place; False without one.

        A cell is finished when it has its first record, which is written last. Files that it was not to keep
        may still be there: the owner removes them afterwards.
        """
        problems: list[str] = []
        record = read_newest(claim.folder, problems) if is_written(claim.folder) else None
        if record is None or not name.endswith(record["hash"]):
            return False
        if not problems:  # an invalid record might list more
            remove_unlisted(claim.folder, record)
        self.place(claim, name, recovered=True)
        return True

    def name_superseded(self, name: str) -> Path:
        """Return a new path in ``superseded/``, which is created, for a cell's folder."""
        self.superseded.mkdir(exist_ok=True)
        return self.superseded / f"{name}.{datetime.now().strftime('%Y%m%dT%H%M%S.%f')}"

    def _move(self, folder: Path, name: str, recovered: bool) -> None:
        self.cells.mkdir(parents=True, exist_ok=True)
        target = self.cells / name
        try:
            os.rename(folder, target)  # fails if the target holds files
            return
        except OSError:
            if not target.is_dir():
                raise
        old = self.name_superseded(name)
        # If the two can be exchanged, readers find the cell at every moment.
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
    """Return True if a complete folder should replace the present one."""
    new, old = (read_newest(one, []) for one in (folder, target))
    if old is None or new is None:
        return old is None
    if new["status"] != old["status"]:
        return new["status"] == "done"
    # If a run was killed while it exchanged the two, either may be in unfinished/.
    return not recovered or _age(folder, new) > _age(target, old)


def _age(folder: Path, record: Record) -> tuple[str, int]:
    """Return a key that is larger for a record that was written later.

    It is the record's time of creation, then its file's, which alone is not enough, since copying a folder
    changes it.
    """
    return record.get("rescored", record)["created"], find_time(folder)
