"""Unreadable files in a result folder, and the warnings about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dis_bench.records.schema import Outdated


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
