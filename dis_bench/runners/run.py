"""Run a study: find the cells that are left to do, do them, and tabulate all results."""

from __future__ import annotations

import errno
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench import registry
from dis_bench.cores import count_cores
from dis_bench.errors import STUDY, InputError, shown, worded_for
from dis_bench.neutral import neutral, one_thread
from dis_bench.nn.patches import WAYS
from dis_bench.printing import as_utf8, printable
from dis_bench.records.cell import Cell
from dis_bench.records.checks import canonical, check_cell, check_column
from dis_bench.records.codes import has_codes
from dis_bench.records.events import FOLDER
from dis_bench.records.parts import list_lacking
from dis_bench.records.plans import write_plan
from dis_bench.records.schema import Record
from dis_bench.records.store import Store, StoreLost
from dis_bench.records.sweep import sweep, sweep_unfinished
from dis_bench.records.table import tabulate
from dis_bench.requirements import names_missing_packages
from dis_bench.runners.device import check_device, keep_freed_memory
from dis_bench.runners.engines.gpu import run_stacks
from dis_bench.runners.engines.local import can_start_workers, run_jobs
from dis_bench.runners.engines.sharing import Engine, share_jobs
from dis_bench.runners.engines.sizes import (
    choose_stacks,
    group_jobs,
    is_stackable,
    measure_stack,
    split_group,
)
from dis_bench.runners.job import PENDING, Job, Pipeline, identify, lacking_metrics
from dis_bench.runners.options import (
    AUTO,
    RERUN,
    check_choice,
    check_engine,
    check_log,
    check_minutes,
    check_workers,
)
from dis_bench.runners.plan import Plan, Plannable
from dis_bench.runners.plugins import check_images
from dis_bench.runners.scoring.anchors import keep_anchors
from dis_bench.runners.shards import read_shard
from dis_bench.runners.space import check_study_space, find_space, measure_cell
from dis_bench.runners.stages import Manner
from dis_bench.runners.training.checkpoints import MINUTES
from dis_bench.runners.training.trainee import Trainee
from dis_bench.runners.watch import ProgressBar, Watcher
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.runners.engines.cluster.engine import RayEngine

MOST_WARNINGS = 20  # about unreadable records


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
    check_choice("rerun", rerun, RERUN)
    check_minutes(checkpoint_minutes)
    check_log(log)
    if workers is not None:
        check_workers(workers)
    check_engine(engine, address, workers)
    if stack and study.kernels == "compiled":
        raise InputError(
            "--kernels compiled was given, but stacks train with torch's layers; use torch or auto."
        )
    store = Store(out)
    plan = study.plan()
    if stack:
        plan = replace(plan, cells=tuple(replace(cell, kernels="torch") for cell in plan.cells))
    whole, plan = plan, choose_shard(plan, shard)
    command = as_utf8(command or f"dis_bench.{study!r}")
    store.check_writable()
    sweep(store)
    write_plan(store.root, whole.cells, command)
    jobs = choose_jobs(plan, store, rerun)
    if jobs:
        check_all_images(plan)
    watcher = watcher or Watcher()
    failed: dict[Cell, Record] = {}
    run: Engine
    wait = watcher.wait
    if jobs:
        pipeline = build_pipeline(plan, store, command, checkpoint_minutes, log)
        with registry.keeping_code():
            needed = _check_space(jobs, pipeline)
    for sentence in plan.warnings:
        watcher.warn(sentence)
    try:
        with ExitStack() as held:
            held.callback(watcher.close)
            if jobs and engine == "ray":
                cluster = held.enter_context(_join_cluster(pipeline, address, workers, stack, watcher))
                run, wait = cluster.run, cluster.wait
            elif jobs:
                run = _choose_engine(jobs, pipeline, workers, stack, watcher)
            watcher.start(jobs, done=len(plan.cells) - len(jobs))
            if jobs:
                held.enter_context(registry.keeping_code())
                failed = _do(jobs, pipeline, run, watcher, needed, wait)
    finally:
        sweep_unfinished(store)
    found = [failed.get(cell) or store.find(cell) for cell in plan.cells]
    records = [record for record in found if record is not None]
    # A metric that no record mentions may be one that kills its process.
    refused = [name for record in records for name, why in record["unscored"].items() if why != PENDING]
    tried = {*refused, *(name for record in records for name in record["protocol"])}
    keep_anchors(plan, tried, store)
    return tabulate(records)


def _choose_engine(
    jobs: Sequence[Job], pipeline: Pipeline, workers: int | None, stack: bool | None, watcher: Watcher
) -> Engine:
    stacked = pipeline.device == "cuda" if stack is None else stack
    if workers is None:  # if this process trains, it keeps a core for itself
        workers = max(1, min(len(jobs), count_cores() - stacked)) if can_start_workers() else 0
    if stacked:
        return partial(run_stacks, pipeline=pipeline, workers=workers, watch=watcher.watch)
    return partial(run_jobs, work=pipeline, workers=workers, watch=watcher.watch)


def _join_cluster(
    pipeline: Pipeline, address: str | None, workers: int | None, stack: bool | None, watcher: Watcher
) -> RayEngine:
    """Join a Ray cluster, and check that its nodes can do the jobs.

    Raises:
        InputError: there is no such cluster, or one of its nodes cannot.
    """
    from dis_bench.runners.engines.cluster.engine import RayEngine

    stacked = pipeline.device == "cuda" if stack is None else stack
    return RayEngine(pipeline, address or AUTO, workers, stacked, watcher)


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
    kept = "the finished cells are kept, and the same command continues from there."
    try:
        store.check_writable()
    except InputError as error:
        raise StoreLost(f"{str(error).rstrip('.')}; {kept}") from None
    if find_space(store.root) < needed:
        raise StoreLost(f"the disk of '{store.root}' is full; {kept}")


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
    for cell in plan.cells:
        wanted = plan.protocols[cell.dataset]
        _check_identity(cell, wanted)
        record = store.find(cell, problems)
        before = "" if record is None else identify(record)
        if record is None or rerun == "always" or (rerun == "missing" and record["status"] == "failed"):
            jobs.append(Job(cell, before=before, anew=rerun == "always"))
        elif rerun == "missing" and lacking_metrics(record, wanted):
            # Without its codes a finished cell must be trained again to be scored.
            scores_only = has_codes(store.folder(cell), record)
            jobs.append(Job(cell, scores_only=scores_only, before=before))
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


def choose_shard(plan: Plan, shard: str | None) -> Plan:
    """Return the part of a plan that a text such as ``3/8`` names; all without one.

    Raises:
        InputError: the text names no part.
    """
    return plan if shard is None else replace(plan, cells=read_shard(shard).choose(plan.cells))


def check_all_images(plan: Plan) -> None:
    """Draw images of each dataset, to report faults before training starts.

    Raises:
        InputError: a dataset cannot draw its images, or draws something else.
    """
    with worded_for(STUDY):
        for name, dataset in plan.datasets.items():
            check_images(name, dataset)


def build_pipeline(
    plan: Plan, store: Store, command: str, checkpoint_minutes: float = MINUTES, log: str = "csv"
) -> Pipeline:
    """Build the pipeline of a study, with the datasets' tables in shared memory.

    So the workers on this machine hold these tables only once.
    """
    for dataset in plan.datasets.values():
        dataset.share_memory()
    return Pipeline(
        store,
        plan.datasets,
        plan.models,
        plan.networks,
        plan.metrics,
        plan.device,
        command,
        plan.code,
        plan.parameters,
        plan.allow_small,
        plan.protocols,
        Manner(checkpoint_minutes=checkpoint_minutes, events=None if log == "csv" else store.root / FOLDER),
        plan.keep,
        plan.unscorable,
    )


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a study on this machine, from a few measured steps.

    Attributes:
        train_seconds: seconds of training with this number of workers.
        step_seconds: seconds of the slowest model's step; in a stack, the share of one cell.
        workers: number of cells that are trained at the same time.
    """

    train_seconds: float
    step_seconds: float
    workers: int


@neutral(warn=True)
def estimate(plan: Plan, jobs: Sequence[Job], steps: int = 8, workers: int | None = None) -> Estimate:
    """Measure a few steps of the first job of each kind, and estimate the cost of all.

    Args:
        plan: the plan.
        jobs: its jobs that are left.
        steps: number of steps to measure.
        workers: number of worker processes; None means one per core that this process may use.
    """
    check_all_images(plan)
    pipeline = Pipeline(
        Store("."), plan.datasets, plan.models, plan.networks, plan.metrics, plan.device, "", plan.code
    )
    to_train = [job for job in jobs if not job.scores_only]
    if plan.device == "cuda":
        measured = [
            (group, _measure_group(group, pipeline, steps)) for group in group_jobs(to_train, pipeline)
        ]
    else:
        kinds: dict[tuple[str, str], list[Job]] = {}
        for job in to_train:
            kinds.setdefault((job.cell.dataset, job.cell.model), []).append(job)
        keep_freed_memory()
        with one_thread():
            measured = [
                (kind, _measure_step(pipeline.prepare(kind[0].cell), steps)) for kind in kinds.values()
            ]
    total = sum(seconds * job.cell.steps for kind, seconds in measured for job in kind)
    most = count_cores() if workers is None else workers
    workers = 1 if plan.device == "cuda" else max(1, min(len(jobs), most))
    return Estimate(total / workers, max((seconds for _, seconds in measured), default=0.0), workers)


def _measure_step(trainee: Trainee, steps: int) -> float:
    """Measure the seconds of a step of a cell that is trained alone; 0 without steps."""
    return measure_stack([trainee], WAYS[0], steps).step_seconds if trainee.is_trained_by_steps else 0.0


def _measure_group(group: Sequence[Job], pipeline: Pipeline, steps: int) -> float:
    """Measure the seconds of a cell's step, in a stack if it would be trained in one."""
    if is_stackable(group, pipeline):
        try:
            choice = choose_stacks(group, pipeline)
            stack = [pipeline.prepare(job.cell) for job in split_group(group, choice.cells)[0]]
            return 1 / measure_stack(stack, choice.way, steps, choice.capture).rate
        except Exception:  # in training, they would be trained one by one too
            check_device(pipeline.device)
    return _measure_step(pipeline.prepare(group[0].cell), steps)
