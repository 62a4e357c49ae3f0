"""TOML files: those that come with the package, known by name, and those that users write."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dis_bench.errors import InputError, describe, unknown
from dis_bench.paths import check_path

LARGEST_FILE = 1_000_000  # bytes


def list_named(folder: Path) -> dict[str, Path]:
    """Return the files of a folder of the package by name, sorted."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}


def read_toml(
    given: str | Path, named: Mapping[str, Path], what: str, kind: str
) -> tuple[Path, dict[str, Any]]:
    """Read a TOML file that a user named.

    Args:
        given: one of ``named``, or a path.
        named: files by name.
        what: how messages call the file, such as ``the study file``.
        kind: what is unknown if it is neither, such as ``study or study file``.

    Returns:
        The path, and what the file holds.

    Raises:
        InputError: it is neither, no regular file, too large, or not TOML.
    """
    path = named[given] if isinstance(given, str) and given in named else check_path(what, given)
    try:
        if path.exists() and not path.is_file():  # a device may never end, and a pipe may never begin
            raise InputError(f"{what} '{path}' is not a regular file.")
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise unknown(kind, str(path), named) from None
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}.") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"{what} '{path}' is larger than the limit of {LARGEST_FILE:,} bytes.")
    try:
        return path, tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # wrong syntax or encoding, long numbers, deep nesting
        raise InputError(f"{what} '{path}' is not TOML: {describe(error)}.") from None
