"""All diagnoses, and the examination of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dis_bench.records.cell import name_cell
from dis_bench.records.schema import Record
from dis_bench.reports.configurations import format_value
from dis_bench.reports.doctor.budget import find_short_training
from dis_bench.reports.doctor.collapse import find_collapse
from dis_bench.reports.doctor.dial import find_high_dial, find_low_dial
from dis_bench.reports.doctor.explosion import find_explosion
from dis_bench.reports.doctor.finding import Finding, Unseen
from dis_bench.reports.doctor.inputs import find_bad_inputs
from dis_bench.reports.doctor.likeness import find_alike
from dis_bench.reports.doctor.overfitting import find_overfitting
from dis_bench.reports.doctor.parts import Parts, read_parts
from dis_bench.reports.doctor.plateau import find_plateau
from dis_bench.reports.doctor.unexplained import find_unexplained

# In the order of a page: causes come before what may follow from them.
DIAGNOSES: dict[str, Callable[[Parts], Finding | None]] = {
    "inputs out of range": find_bad_inputs,
    "KL exploding": find_explosion,
    "dial too high": find_high_dial,
    "dial too low": find_low_dial,
    "posterior collapse": find_collapse,
    "plateau that never broke": find_plateau,
    "over-fitting": find_overfitting,
    "samples that look alike": find_alike,
    "latents that no factor explains": find_unexplained,
    "too few steps for an ordering": find_short_training,
}


@dataclass(frozen=True)
class Examined:
    """The result of examining a cell.

    Attributes:
        label: the cell in words.
        folder: its folder.
        findings: findings by the name of their diagnosis.
        unseen: reasons why a diagnosis was not possible, by its name.
    """

    label: str
    folder: str
    findings: dict[str, Finding]
    unseen: dict[str, str]


def examine(record: Record) -> Examined:
    """Read and examine a cell with all diagnoses.

    Args:
        record: its record, with its folder.
    """
    return examine_parts(read_parts(record))


def examine_parts(parts: Parts) -> Examined:
    """Examine a cell whose parts were read."""
    findings: dict[str, Finding] = {}
    unseen: dict[str, str] = {}
    for name, diagnose in DIAGNOSES.items():
        try:
            finding = diagnose(parts)
        except Unseen as reason:
            unseen[name] = str(reason)
        else:
            if finding is not None:
                findings[name] = finding
    label = name_cell(parts.cell, format_value)
    return Examined(label, parts.record["folder"], findings, unseen)
