"""Validation of paths given by users, before anything uses them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dis_bench.errors import InputError, shown

LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes, on Linux; about the same elsewhere


def check_path(what: str, given: Any) -> Path:
    """Return the given path if a file system can hold it.

    Args:
        what: its name in the error, such as ``the output folder``.
        given: the value given by a user.

    Raises:
        InputError: it is neither text nor a path, is empty, contains a NUL or half a character, or is too
            long.
    """
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise InputError(f"{what} must be a path as text, but {shown(given)} was given.")
    text = os.fspath(given)
    if not text:
        raise InputError(f"{what} must be a path, but an empty string was given.")
    if "\0" in text:
        raise InputError(f"{what} must be a path, but {shown(text)} holds a NUL character.")
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        raise InputError(f"{what} must be a path, but {shown(text)} holds half a character.") from None
    longest = max(map(len, encoded.split(os.fsencode(os.sep))))
    if longest > LONGEST_NAME or len(encoded) > LONGEST_PATH:
        raise InputError(
            f"{what} is too long: names may have {LONGEST_NAME} bytes and paths {LONGEST_PATH:,}, but "
            f"{shown(text)} has {longest:,} and {len(encoded):,}."
        )
    return Path(text)
