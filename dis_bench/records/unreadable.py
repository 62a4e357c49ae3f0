"""Unreadable files in a result folder, and the warnings about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dis_bench.records.schema import Damaged, Outdated


@dataclass(frozen=True)
class Unreadable:
    """A file in a result folder that cannot be read.

    Attributes:
        path: path of the file, or of its folder.
        error: the reason.
        consequence: the consequence for the reader, as a clause.
    """

    path: Path
    error: Exception
    consequence: str = "skipped"


def describe_unreadable(failures: list[Unreadable]) -> list[str]:
    """Return a sentence for each file, and a single one for all of an earlier version."""
    outdated = [each for each in failures if isinstance(each.error, Outdated)]
    sentences = []
    for each in failures:
        if isinstance(each.error, Outdated) and each is not outdated[0]:
            continue
        others = f" and {len(outdated) - 1} more" if outdated[:1] == [each] and outdated[1:] else ""
        reason = "it was removed" if isinstance(each.error, FileNotFoundError) else each.error
        sentences.append(f"{each.path}{others} cannot be read ({reason}); {each.consequence}.")
    return sentences


def is_readable(read: Callable[[Path], Any], path: Path) -> bool:
    """Return True if a file is there, and is valid for the function that reads it."""
    try:
        read(path)
    except (Damaged, FileNotFoundError):
        return False
    return True


def read_each(
    folder: Path, read: Callable[[Path], dict[str, Any]], consequence: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the JSON files of a folder, by name.

    Args:
        folder: the folder, which may not exist.
        read: reads one file.
        consequence: what follows for the reader from one that cannot be read, as a clause.

    Returns:
        What was read, and a sentence for each invalid file.
    """
    contents, failures = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            contents.append(read(path))
        except (Damaged, FileNotFoundError) as error:
            failures.append(Unreadable(path, error, consequence))
    return contents, describe_unreadable(failures)
