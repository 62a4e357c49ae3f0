"""Plans: studies that were checked and expanded into cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dis_bench.datasets.dataset import NO_FACTORS
from dis_bench.records.cell import Cell
from dis_bench.records.schema import PARTS
from dis_bench.runners.planning.study_code import StudyCode

if TYPE_CHECKING:
    from dis_bench.datasets.dataset import Dataset


@dataclass(frozen=True)
class Plan:
    """A checked study: its cells, and what they need to run.

    Attributes:
        cells: all cells, in the order in which they are run.
        datasets: datasets by the name that the cells use.
        models: what to load for each name that the cells use: the name itself, or ``path/file.py:Class``.
        networks, metrics: likewise.
        device: the training device, ``cpu`` or ``cuda``.
        code: code of all plug-ins.
        parameters: parameters of metrics that differ from the defaults.
        allow_small: whether protocols are reduced to the images that a dataset has.
        protocols: version and parameters of each metric, by dataset.
        keep: parts of each finished cell to keep.
        unscorable: by dataset, the reason for each metric that it has no factors for.
    """

    cells: tuple[Cell, ...]
    datasets: dict[str, Dataset]
    models: dict[str, str]
    networks: dict[str, str]
    metrics: dict[str, str]
    device: str
    code: StudyCode
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    allow_small: bool = False
    protocols: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    keep: tuple[str, ...] = PARTS
    unscorable: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """Sentences to read before a study starts: unwatched code, scores left empty."""
        left_empty = [
            f"{', '.join(reasons)} {'are' if len(reasons) > 1 else 'is'} left empty for dataset '{name}', "
            f"which has {NO_FACTORS}."
            for name, reasons in self.unscorable.items()
            if reasons
        ]
        return [*filter(None, [self.code.warning]), *left_empty]


@runtime_checkable
class Plannable(Protocol):
    """The interface of studies that the runner uses."""

    @property
    def kernels(self) -> str:
        """The option ``kernels``."""

    def plan(self) -> Plan:
        """Check everything, and expand the grid."""
