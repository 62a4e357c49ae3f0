"""The file record.json: settings and results of a cell, verified when it is read.

Further records of a cell (``record.2.json``, ...) hold scores that were added later; the newest counts.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from dis_bench.errors import InputError
from dis_bench.paths import check_path
from dis_bench.printing import as_utf8
from dis_bench.records.columns import own_column
from dis_bench.records.durable import remove_file, sync_folder, write_new, write_whole
from dis_bench.records.schema import ENCODER, Damaged, Record
from dis_bench.records.seal import read_record, seal
from dis_bench.records.unreadable import Unreadable, describe_unreadable

FILE = "record.json"
MOST_NAMED = 3  # cells in a message


def is_written(folder: Path) -> bool:
    """Return True if a folder holds its first record."""
    return (folder / FILE).exists()


def find_cells(root: str | Path) -> list[Path]:
    """List the folders of cells in a result folder, in order of their names."""
    return sorted(f for f in (Path(root) / "cells").glob("*") if f.is_dir() and not f.name.startswith("."))


def check_results(name: str, path: str | Path) -> Path:
    """Check that a folder has cells, or had; return its path.

    Args:
        name: name of the folder in a message, such as ``the result folder``.
        path: the ``--out`` folder of one or more runs.

    Raises:
        InputError: it is no result folder.
    """
    root = check_path(name, path)
    if not (root / "cells").is_dir():
        raise InputError(f"'{root}' is not a result folder: it has no folder 'cells'.")
    return root


def find_time(folder: Path) -> int:
    """Return the time at which a cell was trained, by the file system's clock, in ns."""
    return (folder / FILE).stat().st_mtime_ns


def write_record(folder: Path, record: Record, *, replace: bool = False) -> None:
    """Add a record to a cell's folder, as ``record.json`` or the next free number.

    Args:
        folder: folder of the cell.
        record: the record to write.
        replace: overwrite ``record.json``, in a folder that is not in ``cells/`` yet.
    """
    text = json.dumps(seal(as_utf8(record), folder), indent=1, allow_nan=False) + "\n"
    if replace:
        write_whole(folder / FILE, text.encode())
    else:
        _write_next(folder, text.encode())
    sync_folder(folder)


def _write_next(folder: Path, content: bytes) -> None:
    """Write a record under the next free number, without ever replacing another one.

    A process that creates ``.record.2.json`` owns the number 2 until it renames the file. So it must check
    again that another process did not complete that number before.
    """
    for number in itertools.count(_last_number(folder) + 1):
        path = folder / (FILE if number == 1 else f"record.{number}.json")
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


def read_records(*paths: str | Path) -> tuple[list[Record], list[str]]:
    """Read the newest record of every cell in result folders.

    Returns:
        The records, and a sentence for each that is invalid, a copy of another, or has other codes of the
        same seed of an encoder.

    Raises:
        InputError: there is no such folder, or it holds no results.
    """
    distinct = {os.path.realpath(check_path("the result folder", path)): path for path in paths}
    read = [found for path in distinct.values() for found in _read_folder(path)]
    problems = describe_unreadable([failure for _, failures in read for failure in failures])
    records = _leave_out_copies([record for record, _ in read if record is not None], problems)
    records = _leave_out_other_codes(records, problems)
    return _leave_out_clashes(records, problems), problems


def check_exists(path: str | Path) -> Path:
    """Check that a result folder is there, whatever it holds; return its path.

    Raises:
        InputError: there is no such folder, or it is a file.
    """
    root = check_path("the result folder", path)
    if root.exists() and not root.is_dir():
        raise InputError(
            f"'{root}' is a file, not a result folder; give the folder that `dis-bench run` wrote."
        )
    if not root.is_dir():
        raise InputError(f"there is no folder '{root}'; create results with `dis-bench run --out {root}`.")
    return root


def _read_folder(path: str | Path) -> list[tuple[Record | None, list[Unreadable]]]:
    """Read the cells of a result folder, each with the failures of its records."""
    root = check_exists(path)
    read = [_find_newest(folder) for folder in find_cells(root)]
    if not read:
        raise InputError(
            f"the folder '{root}' holds no results; create some with `dis-bench run --out {root}`."
        )
    return read


def read_newest(folder: Path, problems: list[str]) -> Record | None:
    """Read the newest valid record in a cell's folder.

    Args:
        folder: folder of the cell.
        problems: list that a sentence for each newer, invalid record is appended to.

    Returns:
        The record, with its ``folder``; None if there is none.
    """
    record, failures = _find_newest(folder)
    problems += describe_unreadable(failures)
    return record


def find_only_cell(folder: Path, verb: str, otherwise: str) -> Path:
    """Return the folder of a cell; of the only one, if a result folder is given.

    Args:
        folder: a folder that exists.
        verb: what is done with a cell, for the message about several.
        otherwise: what the folder is not, for the message about none.

    Raises:
        InputError: it has no cell, or several.
    """
    if is_written(folder):
        return folder
    cells = find_cells(folder)
    if not cells:
        raise InputError(f"'{folder}' is neither {otherwise}.")
    if len(cells) > 1:
        named = ", ".join(map(str, cells[:MOST_NAMED]))
        raise InputError(f"'{folder}' has {len(cells):,} cells: {verb} the folder of one, such as {named}.")
    return cells[0]


def read_trained(folder: Path) -> Record:
    """Read the newest record of a cell that was trained here and is done.

    Args:
        folder: folder of the cell.

    Raises:
        InputError: it has no valid record, the cell failed, or its encoder was trained elsewhere.
    """
    problems: list[str] = []
    record = read_newest(folder, problems)
    if record is None:
        raise InputError(f"'{folder}' has no valid record: {problems[0]}")
    if "kind" in record["cell"]:
        raise InputError(f"the cell in '{folder}' has codes of an encoder trained elsewhere, no networks.")
    if record["status"] != "done":
        raise InputError(f"the cell in '{folder}' failed: {record['failure']['reason']}")
    return record


def list_records(folder: Path) -> list[Path]:
    """List the records in a cell's folder, valid or not, newest first."""
    return _list_records(folder, [])


def _find_newest(folder: Path) -> tuple[Record | None, list[Unreadable]]:
    """Return the newest valid record, and the invalid ones that are newer."""
    failures: list[Unreadable] = []
    try:
        paths = _list_records(folder, failures)
    except OSError as error:
        return None, [Unreadable(folder, Damaged(error.strerror))]
    if not paths and not failures:
        return None, [Unreadable(folder, Damaged("it has no record.json"))]
    for path in paths:
        try:
            record = read_record(path)
        except (Damaged, FileNotFoundError) as error:
            failures.append(Unreadable(path, error))
            continue
        older = "an older record of its cell is used instead"
        return {**record, "folder": str(folder)}, [replace(each, consequence=older) for each in failures]
    return None, failures


def _list_records(folder: Path, failures: list[Unreadable]) -> list[Path]:
    """List the records in a folder, newest first, with possible gaps in the numbers."""
    names = [name for name in os.listdir(folder) if name.startswith("record")]
    for name in names:
        if not _NUMBERED.fullmatch(name):
            failures.append(Unreadable(folder / name, Damaged("records do not have such names")))
    return [folder / name for _, name in sorted(_number(names), reverse=True)]


def _number(names: list[str]) -> list[tuple[int, str]]:
    return [(int(match[1] or 1), name) for name in names if (match := _NUMBERED.fullmatch(name))]


def _last_number(folder: Path) -> int:
    """Return the number of the newest record; one that filled a gap would not count."""
    return max((number for number, _ in _number(os.listdir(folder))), default=0)


_NUMBERED = re.compile(r"record(?:\.([2-9]|[1-9][0-9]{1,8}))?\.json")


def _leave_out_copies(records: list[Record], problems: list[str]) -> list[Record]:
    """Keep one record per cell, since a cell's folder may have been copied.

    A finished one comes before a failed one, and one with more scores before one with fewer.
    """

    def rank(record: Record) -> tuple[bool, int, int, str]:
        return record["status"] != "done", -len(record["scores"]), len(record["folder"]), record["folder"]

    kept: dict[str, Record] = {}
    for record in sorted(records, key=rank):
        first = kept.setdefault(record["hash"], record)
        if first is not record:
            problems.append(
                f"{record['folder']} and {first['folder']} hold the same cell; only the second counts."
            )
    return [record for record in records if kept[record["hash"]] is record]


def _leave_out_other_codes(records: list[Record], problems: list[str]) -> list[Record]:
    """Keep one record per seed of an encoder, since no mean may count a seed twice.

    Several folders may hold its codes of different trainings. A finished one comes before a failed one, and
    then the newest.
    """
    kept: dict[tuple[Any, ...], Record] = {}
    left_out = set()
    for record in sorted(records, key=lambda r: (r["status"] == "done", r["created"]), reverse=True):
        cell = record["cell"]
        if cell.get("kind") != ENCODER:
            continue
        first = kept.setdefault(tuple(cell[name] for name in _OF_TRAINING), record)
        if first is not record:
            left_out.add(record["hash"])
            problems.append(
                f"{record['folder']} and {first['folder']} hold different codes of encoder '{cell['model']}' "
                f"with seed {cell['seed']}; only the second counts."
            )
    return [record for record in records if record["hash"] not in left_out]


# What distinguishes the trainings of encoders in a report; codes of another width have a row of their own.
_OF_TRAINING = ("dataset", "source", "fingerprint", "model", "model_version", "latent_size", "seed")


def _leave_out_clashes(records: list[Record], problems: list[str]) -> list[Record]:
    """Leave out cells whose score has the name of a hyperparameter, or vice versa.

    Of the cells that have the score and those that have the hyperparameter, the smaller group is left out.
    """
    scores = {name for record in records for name in record["scores"]}
    for name in sorted(scores & {name for record in records for name in _list_hyperparameters(record)}):
        with_score = [record for record in records if name in record["scores"]]
        with_hyperparameter = [record for record in records if name in _list_hyperparameters(record)]
        fewer = min(with_score, with_hyperparameter, key=len)
        clash = f"'{name}' is a score of some cells and a hyperparameter of others"
        problems += [f"{record['folder']} is left out: {clash}." for record in fewer]
        records = [record for record in records if record not in fewer]
    return records


def _list_hyperparameters(record: Record) -> list[str]:
    """List the columns in which a cell's hyperparameters may be shown."""
    cell = record["cell"]
    return [*cell["hyperparameters"], *(own_column(cell, name) for name in cell["hyperparameters"])]
