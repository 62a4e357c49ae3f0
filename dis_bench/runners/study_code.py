"""The code behind a study's plug-ins, as it was when the study was planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dis_bench import registry
from dis_bench.plugin_code import Code
from dis_bench.records.cell import Cell

MOST_NAMED = 5


class CodeChanged(RuntimeError):
    """A plug-in's code is no longer what its cell was planned with; the message says whose."""


@dataclass(frozen=True)
class StudyCode:
    """The code of each plug-in of a study.

    Attributes:
        specifications: what to load for each (kind, name): the name itself, or ``path/file.py:Class``.
        codes: by (kind, name).
    """

    specifications: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[tuple[str, str], Code] = field(default_factory=dict)

    def describe(self, cell: Cell, metrics: Iterable[str]) -> dict[str, Any]:
        """Return the part of a record's environment on the code of a cell's plug-ins.

        Args:
            cell: which.
            metrics: the names of those that score it.
        """
        keys = [
            *(("models", cell.model), ("networks", cell.network), ("datasets", cell.dataset)),
            *(("metrics", name) for name in metrics),
        ]
        codes = [self.codes[key] for key in keys if key in self.codes]
        return {
            "imported": {name: version for code in codes for name, version in code.packages.items()},
            "unwatched": _unwatched(codes),
        }

    def check(self, cell: Cell) -> None:
        """Check that this process trains a cell with the code that the study was planned with.

        Raises:
            CodeChanged: the files of its model, networks or dataset were changed in between.
        """
        planned = {
            ("models", cell.model): cell.model_version,
            ("datasets", cell.dataset): cell.dataset_version,
        }
        if cell.network_version:
            planned["networks", cell.network] = cell.network_version
        for (kind, name), version in planned.items():
            wanted = self.specifications.get((kind, name))
            if wanted is not None and registry.find(kind, wanted).version != version:
                raise CodeChanged(
                    f"the code of {kind.removesuffix('s')} '{name}' was changed after the study was planned; "
                    "start it again in a new process"
                )

    @property
    def warning(self) -> str:
        """A sentence on what is not watched; empty where everything is."""
        named = _unwatched(self.codes.values())
        if not named:
            return ""
        more = f"; and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        return (
            f"not watched for changes: {'; '.join(named[:MOST_NAMED])}{more}; "
            "if what is read there changes, give --rerun always."
        )


def _unwatched(codes: Iterable[Code]) -> list[str]:
    return [*dict.fromkeys(what for code in codes for what in code.unwatched)]
