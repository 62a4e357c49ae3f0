"""Labels of the images in a folder: a file labels.csv, or the names of its folders."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from dis_bench.datasets.labels import Labels, is_number, name_classes
from dis_bench.errors import InputError, check_line, shown

FILE = "labels.csv"
LARGEST = 1 << 28  # bytes
MISSING = ("nan", "na", "n/a", "null", "none", "?")  # as programs write no value among numbers


def find_table(root: Path) -> Path | None:
    """Return the table in a folder, or else the one beside the folder, or None."""
    places = (root / FILE, root.absolute().parent / FILE)
    return next((place for place in places if place.is_file()), None)


def read_table(path: Path, root: Path, files: Sequence[str]) -> Labels:
    """Read the labels of images from a CSV file.

    The first column has the names of files, relative to the folder, or to the table if that is beside the
    folder; every other column is a factor. Rows of other files are ignored.

    Args:
        path: the table, in UTF-8, with a header.
        root: the folder of the images.
        files: names of the images, relative to the folder.

    Raises:
        InputError: the table cannot be read, lacks a column, a value or an image, has an image twice, or a
            column's name is no printable line.
    """
    header, rows = _read_rows(path)
    inside = path.parent == root
    found: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    known = frozenset(files)
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"'{path}', line {number}, has {len(row)} values, but its header names {len(header)} columns."
            )
        name = _find_name(row[0], known, "" if inside else f"{root.absolute().name}/")
        if name in found:
            raise InputError(f"'{path}', line {number}, has a second row for {shown(name)}.")
        found[name] = [value.strip() for value in row[1:]]
        lines[name] = number
        if "" in found[name]:
            column = header[1 + found[name].index("")]
            raise InputError(f"'{path}', line {number}, has no value of '{column}'.")
    lacking = [name for name in files if name not in found]
    if lacking:
        raise InputError(
            f"'{path}' has no row for {shown(lacking[0])}"
            + (f", nor for {len(lacking) - 1:,} more of {len(files):,} images" if len(lacking) > 1 else "")
            + ": give each image a row, or train without labels (folder.labels=none)."
        )
    columns = [*zip(*(found[name] for name in files), strict=True)]
    for title, values in zip(header[1:], columns, strict=True):
        for place in _find_missing(values):
            raise InputError(f"'{path}', line {lines[files[place]]}, has no value of '{title}'.")
    pairs = [name_classes(name, column) for name, column in zip(header[1:], columns, strict=True)]
    try:
        return Labels([factor for factor, _ in pairs], np.stack([classes for _, classes in pairs], axis=1))
    except InputError as error:
        raise error.prefixed(f"'{path}': ") from None


def _find_missing(column: Sequence[str]) -> list[int]:
    """Find the words for no value in a column of numbers.

    In a column of words they are values.
    """
    words = {value for value in column if not is_number(value)}
    if not words or len(words) == len({*column}) or not all(word.lower() in MISSING for word in words):
        return []
    return [place for place, value in enumerate(column) if value in words]


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each row with the number of its line."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"'{path}' has more than {LARGEST:,} bytes.")
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is not in UTF-8: save it in that encoding.") from None
    except csv.Error as error:
        raise InputError(f"'{path}' is not a CSV file: {error}.") from None
    header = [name.strip() for name in rows[0][1]] if rows else []
    if len(header) < 2 or "" in header[1:]:
        raise InputError(
            f"'{path}' must have a header with a column of file names and a name for each factor, separated "
            f"by commas, but begins with {shown(','.join(header))}."
        )
    for column, name in enumerate(header[1:], 2):
        check_line(f"'{path}', column {column}: the name of a factor", name)
    return header, rows[1:]


def _find_name(text: str, known: Collection[str], prefix: str) -> str:
    """Return the file that a table names: as it is written, if there is such a file.

    Args:
        text: as it is written, perhaps with white space around it, or with backslashes for slashes.
        known: the files that there are.
        prefix: the folder that names may begin with.
    """
    plain = text.strip()
    spellings = [
        one.removeprefix("./").removeprefix(prefix) for one in (text, plain, plain.replace("\\", "/"))
    ]
    # Some systems write accents as characters of their own, in names of files or in tables.
    alike = [unicodedata.normalize(form, one) for form in ("NFC", "NFD") for one in spellings]
    return next((one for one in (*spellings, *alike) if one in known), spellings[-1])


def read_folders(root: Path, files: Sequence[str]) -> Labels:
    """Label images with the name of the folder that they are in, below the root.

    Two folders are two classes, also if their names, such as "1" and "01", are the same number.

    Raises:
        InputError: some image is in no such folder.
    """
    outside = [name for name in files if "/" not in name]
    if outside:
        raise InputError(
            f"labels by folders were asked for, but {shown(outside[0])} is in no folder below '{root}'."
        )
    factor, classes = name_classes("folder", [name.partition("/")[0] for name in files], merges=False)
    return Labels([factor], classes[:, None])
