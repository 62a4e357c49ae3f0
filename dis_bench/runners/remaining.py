"""The jobs of a plan that are left to do, in all of it or in one part."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from dis_bench.bars import bar
from dis_bench.errors import InputError
from dis_bench.records.cell import Cell
from dis_bench.records.checks.cell import check_cell
from dis_bench.records.checks.scores import check_column
from dis_bench.records.codes import has_codes
from dis_bench.records.parts import list_lacking
from dis_bench.records.seal import canonical
from dis_bench.records.store import Store
from dis_bench.runners.job import Job, identify
from dis_bench.runners.planning.plan import Plan
from dis_bench.runners.planning.shards import read_shard
from dis_bench.runners.scoring.lacking import lacking_metrics

MOST_WARNINGS = 20  # about unreadable records


def choose_shard(plan: Plan, shard: str | None) -> Plan:
    """Return the part of a plan that a text such as ``3/8`` names; all without one.

    Raises:
        InputError: the text names no part.
    """
    return plan if shard is None else replace(plan, cells=read_shard(shard).choose(plan.cells))


def choose_jobs(plan: Plan, store: Store, rerun: str) -> list[Job]:
    """List the jobs that a plan still needs under the given rerun policy.

    An invalid record is named in a warning, and its cell is run again. So are the parts that finished cells
    did not keep, but these cells stay as they are.

    Raises:
        InputError: a record cannot hold the values of a cell.
    """
    problems: list[str] = []
    jobs = []
    lacking: Counter[str] = Counter()
    for cell in bar(plan.cells, "plan", unit="cell"):
        wanted = plan.protocols[cell.dataset]
        _check_identity(cell, wanted)
        record = store.find(cell, problems)
        before = "" if record is None else identify(record)
        if record is None or rerun == "always" or (rerun == "missing" and record["status"] == "failed"):
            jobs.append(Job(cell, before=before, anew=rerun == "always"))
        elif rerun == "missing" and lacking_metrics(record, wanted):
            # Without its codes a finished cell must be trained again to be scored.
            scores_only = has_codes(store.folder(cell), record)
            earlier = None if scores_only else record
            jobs.append(Job(cell, scores_only=scores_only, before=before, earlier=earlier))
        if record is not None and record["status"] == "done" and (not jobs or jobs[-1].cell != cell):
            parts = [part for part in plan.keep if part != "codes" or cell.latent_size]
            lacking.update(list_lacking(store.folder(cell), record, parts))
    if lacking:
        warnings.warn(_describe_lacking(lacking), stacklevel=2)
    more = [f"{len(problems) - MOST_WARNINGS} more records cannot be read."]
    for problem in problems[:MOST_WARNINGS] + (more if problems[MOST_WARNINGS:] else []):
        warnings.warn(problem, stacklevel=2)
    return jobs


def _describe_lacking(lacking: Counter[str]) -> str:
    """Return a sentence on the wanted parts that finished cells lack."""
    counts = [
        f"{count:,} finished cell{'s have' if count > 1 else ' has'} no {part}"
        for part, count in lacking.items()
    ]
    return f"{', and '.join(counts)}, which this study keeps; rerun 'always' trains again."


def _check_identity(cell: Cell, wanted: Collection[str]) -> None:
    """Check, before a cell is trained, that readers will accept its record."""
    try:
        check_cell(cell.identity)
        canonical(cell.identity)
        for name in cell.hyperparameters:
            check_column("hyperparameter", name, taken=wanted)
    except ValueError as error:
        raise InputError(
            f"model '{cell.model}' cannot be trained, as no record can hold it: {error}."
        ) from None
