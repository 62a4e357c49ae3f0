"""The result store: a folder per cell, whole or absent, and the tables read from it.

    DIR/cells/dsprites-betavae-beta4-seed0-1a2b3c4d5e6f/
        record.json     what was done, and every number (docs/results.md has the schema)
        training.csv    the losses through training
        codes.npz       the representation that was scored
        pictures.npz    reconstructions and traversals, for the report
        weights.pt      the trained networks
    DIR/anchors/        what a perfect code and noise score on the same images, a file per metric
    DIR/superseded/     what ``--rerun`` replaced: nothing is deleted

A cell is written under a temporary name and renamed when it is complete, so a reader never sees half of
one, and two runs on one folder do not harm each other. Further records of a cell (``record.2.json``, ...)
hold scores that were added later; the newest counts.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, Option
from dis_bench.paths import check_path
from dis_bench.runners.cell import Cell
from dis_bench.runners.schema import SCHEMA, Damaged, Outdated
from dis_bench.runners.seal import read_anchor, read_record, seal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA", "Record", "Store"]  # SCHEMA is made in runners/schema.py

Record = dict[str, Any]


class Store:
    """The results under one folder.

    Args:
        root: made when the first cell is written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = check_path("the output folder", root)
        self.cells = self.root / "cells"
        self._token = secrets.token_hex(4)  # in the temporary names of this store and its copies in workers
        self.anchors = self.root / "anchors"

    def check_writable(self) -> None:
        """Make the folder, or say in one sentence why nothing can be written there.

        Raises:
            InputError: it is a file, or may not be written.
        """
        if self.root.exists() and not self.root.is_dir():
            raise InputError(
                f"the output folder '{self.root}' is a file; give a folder, e.g. ",
                Option("out", "results"),
                ".",
            )
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.cells):
                pass
        except OSError as error:
            raise InputError(
                f"the output folder '{self.root}' cannot be written: {error.strerror}."
            ) from None

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

    @contextmanager
    def new_folder(self, cell: Cell) -> Iterator[Path]:
        """A folder to fill; it becomes the cell's own, at once and whole, when the block ends well.

        What was there before moves to ``superseded/``. If the block fails, nothing has changed.
        """
        self.cells.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{self._token}.{cell.folder}.", dir=self.cells))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())  # mkdtemp makes it private; results are for sharing
            self._supersede(cell)
            temporary.rename(self.folder(cell))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def clean_up(self) -> None:
        """Remove what workers that were killed left half written; other runs' folders stay."""
        for half in self.cells.glob(f".{self._token}.*"):
            shutil.rmtree(half, ignore_errors=True)

    def _supersede(self, cell: Cell) -> None:
        old = self.folder(cell)
        if old.exists():
            superseded = self.root / "superseded"
            superseded.mkdir(exist_ok=True)
            stamp = datetime.now().strftime("%Y%m%dT%H%M%S.%f")
            old.rename(superseded / f"{old.name}.{stamp}")


def write_record(folder: Path, record: Record) -> None:
    """Add a record to a cell's folder: ``record.json``, or the next free number beside it."""
    text = json.dumps(seal(record, folder), indent=1, allow_nan=False) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".record.", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.chmod(file.name, 0o666 & ~_umask())
        for number in itertools.count(_last_number(folder) + 1):
            try:  # a link, unlike a rename, never replaces what another run wrote meanwhile
                os.link(file.name, folder / ("record.json" if number == 1 else f"record.{number}.json"))
                return
            except FileExistsError:
                continue


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: temporary name, flush to disk, rename. Makes its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private; results are for sharing
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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
        warnings.warn(problem, stacklevel=2)
    return tabulate(records)


def read_anchors(path: str | Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read what a perfect code and noise score; :mod:`dis_bench.runners.anchors` writes it.

    Args:
        path: the ``--out`` folder of one or more runs.

    Returns:
        The anchors (:class:`dis_bench.runners.schema.KeptAnchor`), and a sentence for each file that cannot
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
    order = ["dataset", "source", "model", *_hyperparameters(records), "seed"]
    table = table.sort_values(order, ignore_index=True)
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
