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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.runners import claims
from dis_bench.runners.cell import Cell
from dis_bench.runners.claims import Claim
from dis_bench.runners.durable import exchange, remove_file, sync_files, sync_folder, write_new, write_whole
from dis_bench.runners.writable import try_file_system

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1

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
        self.root = Path(root)
        self.cells = self.root / "cells"
        self.unfinished = self.root / "unfinished"
        self.anchors = self.root / "anchors"

    def check_writable(self) -> None:
        """Make the folder, or say in one sentence what cannot be done there that the results need.

        Raises:
            InputError: it is a file, may not be written, or its file system lacks something.
        """
        if os.path.exists(self.root) and not os.path.isdir(self.root):  # these take any path
            raise InputError(f"the output folder '{self.root}' is a file; give a folder, e.g. --out results.")
        refusal = try_file_system(self.unfinished, self.cells)
        if refusal is not None:
            raise InputError(
                f"the output folder '{self.root}' cannot be written: {refusal}; give another one with --out."
            )

    def folder(self, cell: Cell) -> Path:
        """Where a cell's results are, or will be."""
        return self.cells / cell.folder

    def find(self, cell: Cell) -> Record | None:
        """The newest readable record of a cell, or None."""
        return next(_read_newest(self.folder(cell), problems=[]), None)

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
        record = next(_read_newest(claim.folder, problems=[]), None)
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
    new, old = (next(_read_newest(one, problems=[]), None) for one in (folder, target))
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
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
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
    for number in itertools.count(1):
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
    """All cells' newest records under a result folder, and a sentence for each that cannot be read.

    Raises:
        InputError: there is no such folder, or it holds no results.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"there is no folder '{root}'; make results with `dis-bench run --out {root}`.")
    problems: list[str] = []
    folders = sorted(f for f in (root / "cells").glob("*") if f.is_dir() and not f.name.startswith("."))
    records = [record for folder in folders for record in _read_newest(folder, problems)]
    if not records and not problems:
        raise InputError(
            f"the folder '{root}' holds no results; make some with `dis-bench run --out {root}`."
        )
    return records, problems


def read_results(path: str | Path) -> pd.DataFrame:
    """A tidy table of the results under a folder: one row per cell, numbers as numbers.

    Args:
        path: the ``--out`` folder of one or more runs.

    Returns:
        Settings (dataset, model, each hyperparameter, seed, ...), then what was measured
        (reconstruction and KL in nats per image, scores), by column; docs/results.md describes each.
        Corrupt records are left out with a warning that names them.

    Raises:
        InputError: there is no such folder, or it holds no readable results.
    """
    import warnings

    records, problems = read_records(path)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    if not records:
        raise InputError(f"the folder '{path}' holds no readable results: {problems[0]}")
    return tabulate(records)


def read_anchors(path: str | Path) -> list[dict[str, Any]]:
    """What a perfect code and noise score, by dataset and metric; :mod:`dis_bench.runners.anchors` writes it.

    Args:
        path: the ``--out`` folder of one or more runs.

    Returns:
        Dictionaries with ``dataset``, ``latent_size``, ``metric``, its ``protocol`` as in the records, and
        ``scores``: by score, ``{"perfect": ..., "chance": ...}``. What cannot be read is left out; a folder
        without anchors gives none.
    """
    anchors = []
    for file in sorted((Path(path) / "anchors").glob("*.json")):
        try:
            anchor = json.loads(file.read_text(encoding="utf-8"))
            if anchor["schema"] == SCHEMA and isinstance(anchor["scores"], dict):
                anchors.append(anchor)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return anchors


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
    order = ["dataset", "source", "model", *_hyperparameters(records), "seed"]
    return table.sort_values(order, ignore_index=True)


# The columns of the settings, in the order in which a person asks for them.
_SETTINGS = (
    *("dataset", "source", "fingerprint", "model", "network", "likelihood", "latent_size"),
    *("steps", "batch_size", "lr", "precision", "seed"),
)


def _hyperparameters(records: list[Record]) -> list[str]:
    return sorted({name for record in records for name in record["cell"]["hyperparameters"]})


def _read_newest(folder: Path, problems: list[str]) -> Iterator[Record]:
    """The newest record of a cell's folder that is whole; each that is not adds a sentence to problems."""

    def number(path: Path) -> int:
        middle = path.name.removeprefix("record").removesuffix(".json").lstrip(".")
        return int(middle) if middle.isdigit() else 1

    paths = sorted(folder.glob("record*.json"), key=number, reverse=True)
    if folder.is_dir() and not paths:
        problems.append(f"{folder} has no record.json; skipped.")
    for path in paths:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            _check(record)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{path} is corrupt ({type(error).__name__}: {error}); skipped.")
            continue
        yield {**record, "folder": str(folder)}
        return


def _check(record: Record) -> None:
    """Refuse what is JSON, but no record of ours."""
    if record["schema"] != SCHEMA:
        raise ValueError(f"schema {record['schema']}, but this version reads schema {SCHEMA}")
    if record["status"] not in ("done", "failed"):
        raise ValueError(f"status {record['status']!r}")
    missing = [name for name in _SETTINGS if name not in record["cell"]]
    missing += [
        name
        for name in ("hash", "beta_norm", "evaluation", "scores", "protocol", "timing", "failure")
        if name not in record
    ]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    _check_kinds(record)


def _check_kinds(record: Record) -> None:
    tables = {name: record[name] for name in ("cell", "evaluation", "scores", "timing", "protocol")}
    tables["cell's hyperparameters"] = record["cell"]["hyperparameters"]
    wrong = [name for name, table in tables.items() if not isinstance(table, dict)]
    wrong += [f"score {name}" for name, score in record["scores"].items() if not _is_number(score)]
    wrong += [
        f"evaluation {n}"
        for n, v in record["evaluation"].items()
        if not (_is_number(v) or n == "kl_per_latent")
    ]
    if not all(map(_is_number, record["evaluation"].get("kl_per_latent", []))):
        wrong.append("kl_per_latent")
    if record["failure"] is not None and not isinstance(record["failure"].get("reason"), str):
        wrong.append("failure")
    if wrong:
        raise ValueError(f"{', '.join(wrong)} of another kind")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
