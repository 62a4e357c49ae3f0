"""The result store: a folder per cell, whole or absent, and the tables read from it.

    DIR/cells/dsprites-betavae-beta4-seed0-1a2b3c4d5e6f/
        record.json     what was done, and every number (docs/results.md has the schema)
        training.csv    the losses through training
        codes.npz       the representation that was scored
        pictures.npz    reconstructions and traversals, for the report
        weights.pt      the trained networks
    DIR/unfinished/     cells that are being trained or scored, and which process does that
    DIR/anchors/        what a perfect code and noise score on the same images, a file per metric
    DIR/superseded/     what ``--rerun`` replaced: nothing is deleted

A cell is claimed, filled in ``unfinished/`` and renamed when it is complete, so a reader never sees half of
one, and runs on one folder share the work. Further records of a cell (``record.2.json``, ...) hold scores
that were added later; the newest counts.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, Option
from dis_bench.neutral import neutral
from dis_bench.paths import check_path
from dis_bench.printing import as_utf8
from dis_bench.records import claims
from dis_bench.records.cell import Cell
from dis_bench.records.claims import Claim
from dis_bench.records.durable import exchange, remove_file, sync_files, sync_folder, write_new, write_whole
from dis_bench.records.schema import SCHEMA, Damaged, Outdated
from dis_bench.records.seal import read_anchor, read_record, seal
from dis_bench.records.sorting import sort_key
from dis_bench.records.writable import try_file_system

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA", "Record", "Store"]  # SCHEMA is made in runners/schema.py

Record = dict[str, Any]


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
        self.anchors = self.root / "anchors"

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
        record = _read_newest(claim.folder)[0]
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
    new, old = (_read_newest(one)[0] for one in (folder, target))
    if old is None or new is None:
        return old is None
    if new["status"] != old["status"]:
        return new["status"] == "done"
    # Where a run was killed while it exchanged the two, the one in unfinished/ may be either.
    return not recovered or _written(folder) > _written(target)


def _written(folder: Path) -> int:
    """Return when a cell was trained, by the file system's clock, in ns."""
    return (folder / "record.json").stat().st_mtime_ns


def write_record(folder: Path, record: Record, *, replace: bool = False) -> None:
    """Add a record to a cell's folder: ``record.json``, or the next free number beside it.

    Args:
        folder: of the cell.
        record: to write.
        replace: write ``record.json`` anew, in a folder that is not in ``cells/`` yet.
    """
    text = json.dumps(seal(as_utf8(record), folder), indent=1, allow_nan=False) + "\n"
    if replace:
        write_whole(folder / "record.json", text.encode())
    else:
        _write_next(folder, text.encode())
    sync_folder(folder)


def _write_next(folder: Path, content: bytes) -> None:
    """Write a record under the first number that is free, without ever replacing another writer's.

    Whoever makes ``.record.2.json`` has the number 2, until he renames it: so he must look once more whether
    the number was given away before he made it.
    """
    for number in itertools.count(_last_number(folder) + 1):
        path = folder / ("record.json" if number == 1 else f"record.{number}.json")
        half = folder / f".{path.name}"
        if path.exists():
            continue
        try:
            write_new(half, content)
        except FileExistsError:
            continue
        if path.exists():
            remove_file(half)
            continue
        os.rename(half, path)
        return


def read_records(path: str | Path) -> tuple[list[Record], list[str]]:
    """Read all cells' newest records under a result folder.

    Returns:
        The records, and a sentence for each that cannot be believed or is a copy of another.

    Raises:
        InputError: there is no such folder, or it holds no results.
    """
    root = check_path("the result folder", path)
    if root.exists() and not root.is_dir():
        raise InputError(
            f"'{root}' is no result folder, but a file; give the folder that `dis-bench run` wrote."
        )
    if not root.is_dir():
        raise InputError(f"there is no folder '{root}'; make results with `dis-bench run --out {root}`.")
    folders = sorted(f for f in (root / "cells").glob("*") if f.is_dir() and not f.name.startswith("."))
    read = [_read_newest(folder) for folder in folders]
    problems = _tell([failure for _, failures in read for failure in failures])
    records = _leave_out_copies([record for record, _ in read if record is not None], problems)
    records = _leave_out_clashes(records, problems)
    if not records and not problems:
        raise InputError(
            f"the folder '{root}' holds no results; make some with `dis-bench run --out {root}`."
        )
    return records, problems


@neutral()
def read_results(path: str | Path) -> pd.DataFrame:
    """A tidy table of the results under a folder: one row per cell, numbers as numbers.

    Args:
        path: the ``--out`` folder of one or more runs.

    Returns:
        Settings (dataset, model, each hyperparameter, seed, ...), then what was measured
        (reconstruction and KL in nats per image, scores), by column; docs/results.md describes each.
        Records that cannot be believed are left out, with a warning that names them. ``attrs["small"]`` lists
        the scores of which some are from fewer rows than their protocol wants.

    Raises:
        InputError: there is no such folder, or it holds no readable results.
    """
    import warnings

    records, problems = read_records(path)
    if not records:
        raise InputError(f"the folder '{path}' holds no readable results: {problems[0]}")
    for problem in problems:
        warnings.warn(problem, stacklevel=3)  # past the decorator, to the caller
    return tabulate(records)


def read_anchors(path: str | Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read what a perfect code and noise score; :mod:`dis_bench.runners.scoring.anchors` writes it.

    Args:
        path: the ``--out`` folder of one or more runs.

    Returns:
        The anchors (:class:`dis_bench.records.schema.KeptAnchor`), and a sentence for each file that cannot
        be believed; nothing of a folder without anchors.
    """
    anchors, failures = [], []
    for file in sorted((Path(path) / "anchors").glob("*.json")):
        try:
            anchors.append(read_anchor(file))
        except (Damaged, FileNotFoundError) as error:
            failures.append(Failure(file, error, "what a perfect code and noise score is left out there"))
    return anchors, _tell(failures)


def tabulate(records: list[Record]) -> pd.DataFrame:
    """The tidy table of :func:`read_results`, from records that were already read."""
    import pandas as pd

    settings, measured = [], []
    for record in records:
        cell, failure = record["cell"], record["failure"]
        kl_per_latent = record["evaluation"].get("kl_per_latent", [])
        settings.append(
            {
                "hash": record["hash"],
                "folder": record["folder"],
                "status": record["status"],
                **{name: cell[name] for name in _SETTINGS},
                **cell["hyperparameters"],
                "beta_norm": record["beta_norm"],
            }
        )
        measured.append(
            {
                **{name: value for name, value in record["evaluation"].items() if name != "kl_per_latent"},
                **{f"kl_{latent}": value for latent, value in enumerate(kl_per_latent)},
                **record["scores"],
                **record["timing"],
                "failure": failure["reason"] if failure else "",
            }
        )
    table = pd.concat([pd.DataFrame(settings), pd.DataFrame(measured)], axis=1)
    columns = ["dataset", "source", "model", *_hyperparameters(records), "seed"]
    # in Python, as a column of texts and numbers has no order in pandas
    keys = [[sort_key(row.get(name)) for name in columns] for row in settings]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    table = table.iloc[order].reset_index(drop=True)
    table.attrs["small"] = sorted({score for record in records for score in record.get("small", [])})
    return table


# The columns of the settings, in the order in which a person asks for them.
_SETTINGS = (
    *("dataset", "source", "fingerprint", "model", "network", "likelihood", "latent_size"),
    *("steps", "batch_size", "lr", "precision", "kernels", "seed"),
)


def _hyperparameters(records: list[Record]) -> list[str]:
    return sorted({name for record in records for name in record["cell"]["hyperparameters"]})


@dataclass(frozen=True)
class Failure:
    """A file in a result folder that cannot be read.

    Attributes:
        path: of the file, or of its folder.
        error: why.
        consequence: what becomes of it.
    """

    path: Path
    error: Exception
    consequence: str = "skipped"


def read_newest(folder: Path, problems: list[str]) -> Record | None:
    """Read the newest record in a cell's folder that can be believed.

    Args:
        folder: of the cell.
        problems: gets a sentence for each newer one that cannot be.

    Returns:
        The record, with its ``folder``; None where there is none.
    """
    record, failures = _read_newest(folder)
    problems += _tell(failures)
    return record


def _read_newest(folder: Path) -> tuple[Record | None, list[Failure]]:
    failures: list[Failure] = []
    try:
        paths = _list_records(folder, failures)
    except OSError as error:
        return None, [Failure(folder, Damaged(error.strerror))]
    if not paths and not failures:
        return None, [Failure(folder, Damaged("it has no record.json"))]
    for path in paths:
        try:
            record = read_record(path)
        except (Damaged, FileNotFoundError) as error:
            failures.append(Failure(path, error))
            continue
        older = "an older record of its cell counts"
        return {**record, "folder": str(folder)}, [replace(each, consequence=older) for each in failures]
    return None, failures


def _tell(failures: list[Failure]) -> list[str]:
    """Write a sentence for each failure, and one for all files of an earlier version."""
    outdated = [each for each in failures if isinstance(each.error, Outdated)]
    sentences = []
    for each in failures:
        if isinstance(each.error, Outdated) and each is not outdated[0]:
            continue
        others = f" and {len(outdated) - 1} more" if outdated[:1] == [each] and outdated[1:] else ""
        reason = "it is gone" if isinstance(each.error, FileNotFoundError) else each.error
        sentences.append(f"{each.path}{others} cannot be read ({reason}); {each.consequence}.")
    return sentences


def _list_records(folder: Path, failures: list[Failure]) -> list[Path]:
    """List the records in a folder, the newest first; numbers may be missing between them."""
    names = [name for name in os.listdir(folder) if name.startswith("record")]
    for name in names:
        if not _NUMBERED.fullmatch(name):
            failures.append(Failure(folder / name, Damaged("no record has such a name")))
    return [folder / name for _, name in sorted(_number(names), reverse=True)]


def _number(names: list[str]) -> list[tuple[int, str]]:
    return [(int(match[1] or 1), name) for name in names if (match := _NUMBERED.fullmatch(name))]


def _last_number(folder: Path) -> int:
    """Return the number of the newest record: one that fills a gap would never count."""
    return max((number for number, _ in _number(os.listdir(folder))), default=0)


_NUMBERED = re.compile(r"record(?:\.([2-9]|[1-9][0-9]{1,8}))?\.json")


def _leave_out_copies(records: list[Record], problems: list[str]) -> list[Record]:
    """Keep one record of each cell: a folder may have been copied beside itself."""
    kept: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: (len(record["folder"]), record["folder"])):
        first = kept.setdefault(record["hash"], record)
        if first is not record:
            problems.append(
                f"{record['folder']} and {first['folder']} hold the same cell; only the second counts."
            )
    return [record for record in records if kept[record["hash"]] is record]


def _leave_out_clashes(records: list[Record], problems: list[str]) -> list[Record]:
    """Leave out the fewer, where scores of some cells are called like a hyperparameter of others."""
    scores = {name for record in records for name in record["scores"]}
    for name in sorted(scores & {*_hyperparameters(records)}):
        with_score = [record for record in records if name in record["scores"]]
        with_hyperparameter = [record for record in records if name in record["cell"]["hyperparameters"]]
        fewer = min(with_score, with_hyperparameter, key=len)
        clash = f"'{name}' is a score of some cells and a hyperparameter of others"
        problems += [f"{record['folder']} is left out: {clash}." for record in fewer]
        records = [record for record in records if record not in fewer]
    return records
