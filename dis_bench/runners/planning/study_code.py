"""The code of a study's plug-ins at the time when the study was planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dis_bench import registry
from dis_bench.plugin_code import Code
from dis_bench.records.cell import Cell
from dis_bench.registry import Plugin
from dis_bench.runners.planning.specifications import specify

MOST_NAMED = 5
LONGEST_SOURCE = 200_000  # characters of a plug-in that records keep


class CodeChanged(RuntimeError):
    """Error: a plug-in's code has changed since its cell was planned."""


@dataclass(frozen=True)
class StudyCode:
    """The code of each plug-in of a study.

    Attributes:
        specifications: what to load for each (kind, name): the name itself, or ``path/file.py:Class``.
        codes: code by (kind, name).
        sources: source by (kind, name) of the plug-ins that were given as classes or functions.
    """

    specifications: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[tuple[str, str], Code] = field(default_factory=dict)
    sources: dict[tuple[str, str], str] = field(default_factory=dict)

    def describe(self, cell: Cell, metrics: Iterable[str]) -> dict[str, Any]:
        """Describe the code of a cell's plug-ins, for the environment in its record.

        Args:
            cell: the cell.
            metrics: names of the metrics that score it.
        """
        codes = [self.codes[key] for key in _list_keys(cell, metrics) if key in self.codes]
        return {
            "imported": {name: version for code in codes for name, version in code.packages.items()},
            "unwatched": _unwatched(codes),
        }

    def gather_sources(self, cell: Cell, metrics: Iterable[str]) -> dict[str, dict[str, str]]:
        """Gather the sources of a cell's plug-ins for its record, by kind and name."""
        found: dict[str, dict[str, str]] = {}
        for kind, name in _list_keys(cell, metrics):
            if (kind, name) in self.sources:
                found.setdefault(kind, {})[name] = self.sources[kind, name]
        return found

    def check(self, cell: Cell) -> None:
        """Check that a cell's code is the same as when the study was planned.

        Raises:
            CodeChanged: the files of its model, networks or dataset have changed since.
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
                    f"the code of {registry.name_one(kind)} '{name}' was changed after the study was "
                    "planned; start it again in a new process"
                )

    @property
    def warning(self) -> str:
        """A sentence on code that is not watched for changes, or an empty text."""
        named = _unwatched(self.codes.values())
        if not named:
            return ""
        more = f"; and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        return (
            f"not watched for changes: {'; '.join(named[:MOST_NAMED])}{more}; "
            "if the code or data behind them change, give --rerun always."
        )


def _list_keys(cell: Cell, metrics: Iterable[str]) -> list[tuple[str, str]]:
    return [
        *(("models", cell.model), ("networks", cell.network), ("datasets", cell.dataset)),
        *(("metrics", name) for name in metrics),
    ]


def _unwatched(codes: Iterable[Code]) -> list[str]:
    return [*dict.fromkeys(what for code in codes for what in code.unwatched)]


def describe_code(plugins: Iterable[Mapping[str, Plugin]], given: Sequence[tuple[str, Any]]) -> StudyCode:
    """Describe the code of plug-ins, with sources of those given as objects.

    Args:
        plugins: the plug-ins of a study by name, of each kind.
        given: what the user gave for them, by kind.
    """
    by_name = {(plugin.kind, plugin.name): plugin for some in plugins for plugin in some.values()}
    return StudyCode(
        {key: specify(plugin) for key, plugin in by_name.items()},
        {key: plugin.code for key, plugin in by_name.items()},
        dict(_read_sources(given)),
    )


def _read_sources(given: Sequence[tuple[str, Any]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield sources of classes and functions that were given, by kind and name."""
    for kind, some in given:
        for one in some:
            if isinstance(one, str):
                continue
            plugin = registry.find(kind, one if callable(one) else type(one))  # or an instance of a dataset
            if not plugin.is_ours and registry.installed(kind, plugin.name) is None:
                source = registry.read_source(plugin)
                if source and len(source) <= LONGEST_SOURCE:
                    yield (kind, plugin.name), source
