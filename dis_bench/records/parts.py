"""The parts of a finished cell that ``--keep`` chooses, and the files that hold them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dis_bench.records import codes, pictures, weights
from dis_bench.records.along import list_code_files
from dis_bench.records.durable import remove_file
from dis_bench.records.schema import PARTS, Record
from dis_bench.records.seal import KEPT

# The file of each part; a cell may also have codes at steps of its training, and of other images.
_FILES = dict(zip(PARTS, (weights.FILE, codes.FILE, pictures.FILE), strict=True))


def list_kept(record: Mapping[str, Any]) -> list[str]:
    """List the parts that a cell was to keep; all, unless its record says otherwise."""
    return list(record.get("keep", PARTS))


def explain_no_weights(folder: str | Path, record: Record) -> str:
    """Say why a cell has no weights, and what makes some."""
    kept = list_kept(record)
    removed = f"{weights.find_weights(folder)} was removed or not copied"
    why = removed if "weights" in kept else f"it keeps {', '.join(kept) or 'nothing'}"
    return f"{why}; rerun 'always' trains it again and, by default, keeps them"


def keep_also(record: Record, part: str) -> Record:
    """Return a record whose cell is to keep a further part."""
    kept = {*list_kept(record), part}
    others: Record = {name: value for name, value in record.items() if name != "keep"}
    return others if kept >= {*PARTS} else {**others, "keep": [one for one in PARTS if one in kept]}


def list_lacking(folder: Path, record: Record, wanted: Collection[str]) -> list[str]:
    """List the wanted parts of a finished cell that it did not keep, or has lost.

    A model without a decoder makes no pictures, so none are lacking.
    """
    kept = list_kept(record)
    files = {**_FILES, "weights": weights.find_weights(folder)}
    return [
        part
        for part in wanted
        if part not in kept or (files[part] in record["files"] and not (folder / files[part]).exists())
    ]


def remove_unlisted(folder: Path, record: Record) -> None:
    """Remove files of a cell that it was not to keep, which a kill may leave."""
    for name in (*KEPT, *list_code_files(folder)):
        if name not in record["files"]:
            remove_file(folder / name)


def list_codes(record: Record) -> list[str]:
    """List the files of codes that a finished cell has or had."""
    names = codes.list_files(record)
    return names if "files" not in record else [name for name in names if name in record["files"]]
