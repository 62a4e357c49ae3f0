"""Run a study: find the cells that are left to do, do them, and tabulate all results."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench import registry
from dis_bench.cores import count_cores
from dis_bench.errors import InputError, shown
from dis_bench.neutral import neutral
from dis_bench.printing import as_utf8, printable
from dis_bench.records.cell import OF_MACHINE, Cell
from dis_bench.records.events import FOLDER
from dis_bench.records.parts import remove_unlisted
from dis_bench.records.plans import write_plan
from dis_bench.records.record import read_newest
from dis_bench.records.schema import PENDING, Record
from dis_bench.records.store import KEPT, Store, StoreLost
from dis_bench.records.sweep import sweep, sweep_unfinished
from dis_bench.records.table import tabulate
from dis_bench.requirements import names_missing_packages
from dis_bench.runners.engines.gpu import run_stacks
from dis_bench.runners.engines.local import can_start_workers, run_jobs
from dis_bench.runners.engines.sharing import Engine, share_jobs
from dis_bench.runners.job import Job, Pipeline
from dis_bench.runners.planning.options import AUTO, check_run
from dis_bench.runners.planning.plan import Plan, Plannable
from dis_bench.runners.planning.plugins import check_all_images
from dis_bench.runners.remaining import choose_jobs, choose_shard
from dis_bench.runners.scoring.anchors import keep_anchors
from dis_bench.runners.scoring.lacking import lacking_scores
from dis_bench.runners.space import check_study_space, find_space, measure_cell
from dis_bench.runners.stages import Manner
from dis_bench.runners.training.checkpoints import MINUTES
from dis_bench.runners.watch import ProgressBar, Watcher
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    import pandas as pd


@names_missing_packages
def run(
    study: Plannable,
    out: str | Path = "results",
    *,
    rerun: str = "missing",
    command: str = "",
    checkpoint_minutes: float = MINUTES,
    workers: int | None = None,
    shard: str | None = None,
    log: str = "csv",
    engine: str = "local",
    address: str | None = None,
) -> pd.DataFrame:
    """Run the cells of a study that are not done yet, with a progress bar.

    Args:
        study: a :class:`dis_bench.Study`.
        out: the result folder.
        rerun: ``never``, ``missing`` or ``always``; see :func:`run_study`.
        command: the command that the user typed, for the records.
        checkpoint_minutes: minutes between checkpoints of a cell, from which interrupted training is resumed.
        workers: number of worker processes; None means one per core that this process may use.
        shard: ``i/N`` runs the i-th of N parts of the study.
        log: ``tensorboard`` also writes event files under ``out/tensorboard``, ``csv`` none.
        engine: ``local`` runs cells on this machine, ``ray`` on the nodes of a Ray cluster.
        address: ``HOST:PORT`` of the cluster's head, or ``auto``, the default with ``ray``.

    Returns:
        The table of this study's results, one row per cell.

    Raises:
        InputError: the input is invalid; nothing was started.
    """
    if not isinstance(study, Plannable):
        raise InputError(f"study must be a dis_bench.Study, but {shown(study)} was given.")
    with printable(), temporary_files_in(out):
        return run_study(
            study,
            out,
            rerun=rerun,
            command=command,
            watcher=ProgressBar(),
            checkpoint_minutes=checkpoint_minutes,
            workers=workers,
            shard=shard,
            log=log,
            engine=engine,
            address=address,
        )


@neutral(warn=True)
def run_study(
    study: Plannable,
    out: str | Path = "results",
    *,
    rerun: str = "missing",
    command: str = "",
    watcher: Watcher | None = None,
    workers: int | None = None,
    shard: str | None = None,
    stack: bool | None = None,
    checkpoint_minutes: float = MINUTES,
    log: str = "csv",
    engine: str = "local",
    address: str | None = None,
) -> pd.DataFrame:
    """Run the cells of a study that are left to do.

    On a CPU, each cell runs in a single-threaded worker process. On a GPU, this process trains similar cells
    in stacks, and workers score them.

    Args:
        study: the study, which is checked completely before anything starts.
        out: the result folder, created if it is missing.
        rerun: ``missing`` runs the cells that have no result or failed, and adds scores that finished ones
            lack; ``never`` runs only the cells that have no record at all; ``always`` runs all of them again,
            and moves the old results to ``superseded/``.
        command: the command that the user typed, for the records; derived from the study if empty.
        watcher: receiver of events.
        workers: number of worker processes; None means one per core that this process may use, 0 runs all in
            this process.
        shard: ``i/N`` runs the i-th of N parts of the study, of which the table then has the cells.
        stack: whether to train similar cells as one; None does so on a GPU, as it is slower on a CPU.
        checkpoint_minutes: minutes between checkpoints of a cell, from which interrupted training is resumed.
        log: ``tensorboard`` also writes event files under ``out/tensorboard``, ``csv`` none.
        engine: ``local`` runs cells on this machine; ``ray`` runs a task for each cell, or each stack on a
            GPU, on the nodes of a Ray cluster, where ``workers`` is the largest number of tasks at a time.
        address: ``HOST:PORT`` of the cluster's head; None and ``auto`` find that of this machine.

    Returns:
        One row per cell of this study, as in :func:`dis_bench.read_results`.

    Raises:
        InputError: the input is invalid; nothing was started.
        StoreLost: nothing more can be written; finished cells are in the store.
        KeyboardInterrupt: the study was interrupted and stopped cleanly; finished cells are in the store.
    """
    options = {"rerun": rerun, "workers": workers, "shard": shard, "checkpoint_minutes": checkpoint_minutes}
    check_run({**options, "log": log, "engine": engine, "address": address})
    if stack and study.kernels == "compiled":
        raise InputError(
            "--kernels compiled was given, but stacks train with torch's layers; use torch or auto."
        )
    store = Store(out)
    whole = study.plan()
    if stack:
        whole = replace(whole, cells=tuple(replace(cell, kernels="torch") for cell in whole.cells))
    plan = choose_shard(whole, shard)
    command = as_utf8(command or f"dis_bench.{study!r}")
    store.check_writable()
    sweep(store)
    # Only the parts of an array job share such cells: any other run trains all that it has planned.
    chosen = [name for name in OF_MACHINE if shard is not None and getattr(study, name) == "auto"]
    write_plan(store.root, whole.cells, command, chosen)
    jobs = choose_jobs(plan, store, rerun)
    _remove_dropped_codes(plan, store)
    watcher, done = watcher or Watcher(), len(plan.cells) - len(jobs)
    failed: dict[Cell, Record] = {}
    if jobs:
        check_all_images(plan.datasets)
        pipeline = build_pipeline(plan, store, command, checkpoint_minutes, log)
        with registry.keeping_code():
            needed = _check_space(jobs, pipeline)
    for sentence in plan.warnings:
        watcher.warn(sentence)
    try:
        with closing(watcher):
            if jobs:
                opened = _open_engine(jobs, pipeline, watcher, engine, address, workers, stack)
                with opened as (run, wait), registry.keeping_code():
                    watcher.start(jobs, done)
                    failed = _do(jobs, pipeline, run, watcher, needed, wait)
            else:
                watcher.start(jobs, done)
    except KeyboardInterrupt:
        watcher.keep(_count_moved(plan, store))
        raise
    finally:
        sweep_unfinished(store)
    found = [failed.get(cell) or store.find(cell) for cell in plan.cells]
    records = [record for record in found if record is not None]
    for sentence in _list_scored_otherwise(plan, records):
        watcher.warn(sentence)
    keep_anchors(plan, _list_tried(records), store)
    return tabulate(records)


def _remove_dropped_codes(plan: Plan, store: Store) -> None:
    """Remove codes that cells were not to keep, if a kill has left them."""
    for folder in map(store.folder, () if "codes" in plan.keep else plan.cells):
        record = read_newest(folder, []) if any(folder.glob("codes*.npz")) else None
        if record is not None:
            remove_unlisted(folder, record)


def _list_scored_otherwise(plan: Plan, records: Sequence[Record]) -> Iterator[str]:
    """Yield a sentence for each metric that scored cells by another protocol."""
    replaced: Counter[str] = Counter()
    earlier: Counter[str] = Counter()
    for record in records:
        for metric in lacking_scores(record, plan.protocols.get(record["cell"]["dataset"], {})):
            if metric in record["protocol"]:
                (earlier if metric in record["unscored"] else replaced)[metric] += 1
    for metric, count in sorted(replaced.items()):
        cells = "1 cell" if count == 1 else f"{count} cells"
        yield (
            f"another run has scored {cells} with other parameters of {metric} meanwhile, and the table "
            "shows its scores; the same command scores them again with those of this study"
        )
    for metric, count in sorted(earlier.items()):
        cells = "1 cell" if count == 1 else f"{count} cells"
        yield f"{metric} failed for {cells} that had a score by an earlier protocol, which the table shows"


def _count_moved(plan: Plan, store: Store) -> int:
    """Move cells that a stop left finished into place, and count them.

    Those that lack scores do not count.
    """
    moved = sweep_unfinished(store)
    cells = tuple(cell for cell in plan.cells if cell.folder in moved)
    return len(cells) - len(choose_jobs(replace(plan, cells=cells), store, "missing")) if cells else 0


def _list_tried(records: Sequence[Record]) -> set[str]:
    """List the metrics that records mention; any other may kill its process."""
    refused = [name for record in records for name, why in record["unscored"].items() if why != PENDING]
    return {*refused, *(name for record in records for name in record["protocol"])}


@contextmanager
def _open_engine(
    jobs: Sequence[Job],
    pipeline: Pipeline,
    watcher: Watcher,
    engine: str,
    address: str | None,
    workers: int | None,
    stack: bool | None,
) -> Iterator[tuple[Engine, Callable[[int], None]]]:
    """Open the engine of a run; yield it, and what waits for cells of other runs.

    Raises:
        InputError: there is no such cluster, or one of its nodes cannot do the jobs.
    """
    stacked = pipeline.device == "cuda" if stack is None else stack
    if engine == "ray":
        from dis_bench.runners.engines.cluster.engine import RayEngine

        with RayEngine(pipeline, address or AUTO, workers, stacked, watcher) as cluster:
            yield cluster.run, cluster.wait
        return
    if workers is None:  # if this process trains, it keeps a core for itself
        workers = max(1, min(len(jobs), count_cores() - stacked)) if can_start_workers() else 0
    if stacked:
        yield partial(run_stacks, pipeline=pipeline, workers=workers, watch=watcher.watch), watcher.wait
    else:
        yield partial(run_jobs, work=pipeline, workers=workers, watch=watcher.watch), watcher.wait


def _do(
    jobs: Sequence[Job],
    pipeline: Pipeline,
    engine: Engine,
    watcher: Watcher,
    needed: int,
    wait: Callable[[int], None],
) -> dict[Cell, Record]:
    """Run jobs; return the records of failed cells, which may not be in the store.

    Args:
        jobs: the jobs to run.
        pipeline: the stages of a cell.
        engine: runs the jobs.
        watcher: receiver of events.
        needed: bytes that a cell needs.
        wait: called every second while only cells of other runs are left.

    Raises:
        StoreLost: nothing more can be written.
    """
    failed: dict[Cell, Record] = {}
    finished: set[Cell] = set()
    store = pipeline.store
    try:
        for job, record in share_jobs(jobs, pipeline, engine, wait):
            finished.add(job.cell)
            watcher.finish(job.cell, record)
            if record["status"] == "failed":
                failed[job.cell] = {"folder": str(store.folder(job.cell)), **record}
                _check_still_writable(store, needed)
    except KeyboardInterrupt:
        for job in jobs:  # a worker that was just moving a cell into place could not report it
            done = None if job.cell in finished else pipeline.find_done(job)
            if done is not None:
                watcher.finish(job.cell, done)
        raise
    for cell in {job.cell for job in jobs} - failed.keys():
        if store.find(cell) is None:
            gone = FileNotFoundError(
                errno.ENOENT, "its folder was removed while the study ran", str(store.folder(cell))
            )
            failed[cell] = pipeline.describe_failure(cell, gone)
    return failed


def _check_still_writable(store: Store, needed: int) -> None:
    """Stop a run if no further cell could be written.

    Raises:
        StoreLost: nothing more can be written.
    """
    try:
        store.check_writable()
    except InputError as error:
        raise StoreLost(f"{str(error).rstrip('.')}; {KEPT}") from None
    if find_space(store.root) < needed:
        raise StoreLost(f"the disk of '{store.root}' is full; {KEPT}")


def _check_space(jobs: Sequence[Job], pipeline: Pipeline) -> int:
    """Check that the disk has space for the cells to train; return the smallest size.

    Raises:
        InputError: there is no space for a single cell.
    """
    kinds: dict[tuple[str, str], list[Cell]] = {}
    for job in jobs:
        if not job.scores_only:
            kinds.setdefault((job.cell.dataset, job.cell.model), []).append(job.cell)
    sizes: Counter[int] = Counter()
    for cells in kinds.values():  # several kinds may have the same size
        sizes[_measure(cells[0], pipeline)] += len(cells)
    return check_study_space(pipeline.store.root, sizes)


def _measure(cell: Cell, pipeline: Pipeline) -> int:
    try:
        return measure_cell(replace(pipeline, device="cpu").prepare(cell))
    except Exception:  # the same error will be reported in training
        return 0


def build_pipeline(
    plan: Plan, store: Store, command: str, checkpoint_minutes: float = MINUTES, log: str = "csv"
) -> Pipeline:
    """Build the pipeline of a study, with the datasets' tables in shared memory.

    So the workers on this machine hold these tables only once.
    """
    for dataset in plan.datasets.values():
        dataset.share_memory()
    events = None if log == "csv" else store.root / FOLDER
    return Pipeline(
        store,
        command=command,
        manner=Manner(checkpoint_minutes=checkpoint_minutes, events=events),
        datasets=plan.datasets,
        models=plan.models,
        networks=plan.networks,
        metrics=plan.metrics,
        device=plan.device,
        code=plan.code,
        parameters=plan.parameters,
        allow_small=plan.allow_small,
        protocols=plan.protocols,
        parts=plan.keep,
        unscorable=plan.unscorable,
    )
