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
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError
from dis_bench.runners.cell import Cell
from dis_bench.runners.sorting import sort_key

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1

Record = dict[str, Any]


class Store:
    """The results under one folder.

    Args:
        root: made when the first cell is written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.cells = self.root / "cells"
        self._token = secrets.token_hex(4)  # in the temporary names of this store and its copies in workers
        self.anchors = self.root / "anchors"

    def check_writable(self) -> None:
        """Make the folder, or say in one sentence why nothing can be written there.

        Raises:
            InputError: it is a file, or may not be written.
        """
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"the output folder '{self.root}' is a file; give a folder, e.g. --out results.")
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

    def find(self, cell: Cell) -> Record | None:
        """The newest readable record of a cell, or None."""
        return next(_read_newest(self.folder(cell), problems=[]), None)

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
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".record.", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.chmod(file.name, 0o666 & ~_umask())
        for number in itertools.count(1):
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
    columns = ["dataset", "source", "model", *_hyperparameters(records), "seed"]
    # in Python, as a column of texts and numbers has no order in pandas
    keys = [[sort_key(row.get(name)) for name in columns] for row in settings]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return table.iloc[order].reset_index(drop=True)


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
