"""Export a trained cell in the layout of model hubs, without uploading anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from dis_bench.errors import InputError, Option
from dis_bench.neutral import neutral
from dis_bench.paths import check_path
from dis_bench.records.exported import pack_export
from dis_bench.records.kept import read_file
from dis_bench.records.parts import explain_no_weights, list_kept
from dis_bench.records.pictures import FILE as PICTURES
from dis_bench.records.pictures import read_pictures
from dis_bench.records.processes import make_stamp
from dis_bench.records.record import find_only_cell, read_trained
from dis_bench.records.schema import Damaged, Record
from dis_bench.records.weights import FILE as WEIGHTS
from dis_bench.records.weights import find_weights, pack_weights, read_weights
from dis_bench.reports.card import TRAVERSAL, write_card
from dis_bench.requirements import names_missing_packages


@names_missing_packages
@neutral()
def export(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write a trained cell as a folder that a model hub shows, and that load reads.

    It holds ``model.safetensors``, ``config.json``, ``record.json``, and a card, ``README.md``, with scores,
    their protocol and a traversal.

    Args:
        folder: a cell's folder, or a result folder with a single cell.
        out: the folder to write, which must not exist or be empty; ``export/NAME`` if None.

    Returns:
        The path of the new folder.

    Raises:
        InputError: there is no such cell, it has no weights, or ``out`` holds files.
    """
    cell = find_cell(folder)
    target = Path("export") / cell.name if out is None else check_path("the folder to write", out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"'{target}' already exists; give another folder, ", Option("out", "DIR"), ".")
    record = read_trained(cell)
    files: dict[str, bytes] = pack_export(record, _read_weights(cell, record))
    traversal, lacking = _draw_traversal(cell, record)
    if traversal is not None:
        files[TRAVERSAL] = traversal
    files["README.md"] = write_card(record, traversal is not None, lacking).encode()
    _write(target, files)
    return target


def find_cell(folder: str | Path) -> Path:
    """Return a cell's folder; that of the only cell of a result folder.

    Raises:
        InputError: there is no such folder, or it has no or several cells.
    """
    path = check_path("the folder", folder)
    if not path.is_dir():
        raise InputError(f"there is no folder '{path}'.")
    return find_only_cell(path, "export", "a cell's folder nor a result folder with cells")


def _read_weights(cell: Path, record: Record) -> bytes:
    """Return the weights of a cell, also of an earlier version, as safetensors."""
    name = find_weights(cell)
    try:
        if name == WEIGHTS:
            return read_file(cell, WEIGHTS, record)
        return pack_weights(read_weights(cell, record))
    except FileNotFoundError:
        why = explain_no_weights(cell, record)
        raise InputError(f"the cell in '{cell}' has no {name} to export, as {why}.") from None
    except Damaged as error:
        raise InputError(f"'{cell / name}' cannot be read ({error}).") from None


def _draw_traversal(cell: Path, record: Record) -> tuple[bytes | None, str]:
    """Return a picture of the traversals, or None and a sentence that says why not."""
    if PICTURES not in record["files"]:
        kept = "pictures" in list_kept(record)
        why = "the model decodes no images" if kept else "the cell was not to keep pictures"
        return None, f"There is no traversal, as {why}."
    try:
        pictures = read_pictures(cell, record)
    except (Damaged, FileNotFoundError) as error:
        return None, f"There is no traversal, as {PICTURES} cannot be read ({error})."
    from dis_bench.reports.figures.pictures import draw_traversals
    from dis_bench.reports.figures.theme import theme, to_pixels, to_png

    with theme():
        return to_png(to_pixels(draw_traversals(pictures))), ""


def _write(target: Path, files: dict[str, Any]) -> None:
    """Write all files, or none: they appear at once."""
    half = target.with_name(f".{target.name}.{make_stamp()}")
    try:
        half.mkdir(parents=True)
        for name, content in files.items():
            (half / name).write_bytes(content)
        if target.exists():
            target.rmdir()
        os.rename(half, target)
    except OSError as error:
        raise InputError(
            f"'{target}' cannot be written ({error.strerror}); give another folder, ",
            Option("out", "DIR"),
            ".",
        ) from None
    finally:
        shutil.rmtree(half, ignore_errors=True)
