"""Problems with files of cells, and one sentence for all that have the same one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MISSING = ("is missing", "are missing")
EMPTY = ("is empty", "are empty")


def unreadable(error: Exception) -> tuple[str, str]:
    """Return that a file cannot be read, for one and for several."""
    text = f"cannot be read ({error})"
    return text, text


class FileProblem(str):
    """A sentence on one file, which can stand for several with the same problem."""

    path: Path
    plural: tuple[str, str]

    def __new__(cls, path: Path, faults: tuple[str, str], losses: tuple[str, str]) -> FileProblem:
        """Write the sentence.

        Args:
            path: the file.
            faults: what is wrong with one file, and with several.
            losses: what a report lacks for it, likewise: ``its pictures are left out``.
        """
        problem = super().__new__(cls, f"{path} {faults[0]}; {losses[0]}.")
        problem.path, problem.plural = path, (faults[1], losses[1])
        return problem

    @property
    def kind(self) -> tuple[str, ...]:
        """The part of the problem that those of other files may share."""
        return (self.path.name, *self.plural)

    def describe_all(self, count: int) -> str:
        """Write a sentence on several files with this problem, of which this is one."""
        fault, loss = self.plural
        return f"{count:,} files {self.path.name} {fault}, such as {self.path}; {loss}."


def gather_problems(problems: Iterable[str]) -> list[str]:
    """List problems, with a single sentence for files of a name with the same one."""
    alike: dict[str | tuple[str, ...], list[str]] = {}
    for problem in dict.fromkeys(problems):
        kind = problem.kind if isinstance(problem, FileProblem) else problem
        alike.setdefault(kind, []).append(problem)
    return [
        first.describe_all(1 + len(others)) if others and isinstance(first, FileProblem) else first
        for first, *others in alike.values()
    ]
