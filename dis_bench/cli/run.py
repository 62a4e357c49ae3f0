"""``dis-bench run``: train, encode and score the cells of a study."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dis_bench.cli.options import SEVERAL
from dis_bench.cli.words import format_duration, quote, typed_command
from dis_bench.errors import InputError, describe
from dis_bench.escape import visible
from dis_bench.runners.stopping import exit_code, stopped_by_signals
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.runners.study import Study

EXAMPLES = """\
examples:
  dis-bench run --models betavae --betas 1 4 10
  dis-bench run --models vae betavae --betas 4 --datasets dsprites shapes3d --seeds 5
  dis-bench run --models betavae --set betavae.beta=1,2,4,6,8,16 --budget paper --out results/paper
  dis-bench run --models betavae --metrics mig dci --set betavae.beta=1,4 mig.bins=40
  dis-bench run --models factorvae dipvae1 --grid published --seeds 5
  dis-bench run --models betavae --set "betavae.beta=4,linear(0,4,0.1)"      a schedule beside a value
  dis-bench run --datasets shapes3d --correlate "floor_hue~scale:0.2"       factors correlated in training
  dis-bench run --holdout "shape=heart,scale<3"                             combinations kept out of training
  dis-bench run --models path/to/mine.py:MyVAE --dry-run
  dis-bench run --models betavae --seeds 0-49 --shard 3/8 --workers 4       one task of an array job of 8
  dis-bench run --models betavae --seeds 0-49 --engine ray                  on the nodes of a Ray cluster
  dis-bench run --study study.toml --seeds 1        a file of the same options; flags override it
  dis-bench run --study higgins2017 --steps 30000   a study by name (`dis-bench list studies`)

Finished cells are skipped, so the same command resumes where it was stopped.
"""

# Options of the command that are not part of the study: those of its run, and others.
_RUN = ("rerun", "checkpoint_minutes", "workers", "shard", "log", "engine", "address")
_PLACES = (*_RUN, "out", "grid")


def add_parser(subparsers: Any) -> None:
    """Add ``run`` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="train, encode and score models over a grid",
        description="Train, encode and score each cell of datasets x models x hyperparameters x seeds.",
        epilog=EXAMPLES,
        argument_default=argparse.SUPPRESS,  # so that only options that were typed override the study file
    )
    _add_grid(parser.add_argument_group("the grid"))
    _add_training(parser.add_argument_group("training"))
    _add_data(parser.add_argument_group("data and scores"))
    _add_doing(parser.add_argument_group("execution"))
    parser.set_defaults(execute=execute)


def _add_grid(group: Any) -> None:
    add = group.add_argument
    add("--models", **SEVERAL, metavar="NAME", help="by name or file.py:Class (default: betavae)")
    add(
        "--betas",
        **SEVERAL,
        type=_list_numbers,
        metavar="BETA",
        help="values for each model whose dial is beta",
    )
    add(
        "--set",
        **SEVERAL,
        metavar="NAME.KEY=V1,V2",
        help="values or schedules of a model's hyperparameter; a parameter of a metric or dataset",
    )
    add(
        "--grid",
        metavar="defaults|published",
        help="values of hyperparameters where none are set (default: defaults)",
    )
    add("--datasets", **SEVERAL, metavar="NAME", help="dsprites, mnist, folder:PATH, ... (default: dsprites)")
    add(
        "--seeds",
        metavar="N|A-B|A,B",
        help="seeds 0 to N-1, a range or a list (default: the budget's number)",
    )


def _add_training(group: Any) -> None:
    add = group.add_argument
    add(
        "--budget",
        metavar="quick|standard|paper",
        help="a few minutes (default), 30,000 steps, or the published 300,000",
    )
    add("--steps", type=_whole, metavar="N", help="optimiser steps (default: the budget's)")
    add("--batch-size", type=_whole, metavar="N", help="images per step (default: 64)")
    add("--lr", type=_number, metavar="RATE", help="Adam's learning rate (default: the budget's)")
    add("--clip-norm", type=_number, metavar="N", help="largest gradient norm of a player (default: none)")
    add("--lr-schedule", metavar="plateau", help="rates fall when held-out images no longer improve")
    add("--early-stop", type=_whole, metavar="N", help="end after N steps without better held-out images")
    add(
        "--holdout", type=_share, metavar="SHARE|RULE", help='images kept out of training: 0.1, "shape=heart"'
    )
    add(
        "--correlate",
        **SEVERAL,
        metavar="A~B:WIDTH",
        help='factors that are correlated in training, e.g. "floor_hue~scale:0.2"',
    )
    add(
        "--score-at",
        **SEVERAL,
        type=_list_steps,
        metavar="STEP",
        help="also score the codes after these steps, e.g. 1000 3000",
    )
    add("--network", metavar="NAME", help="encoder and decoder, by name or file.py:Class (default: burgess)")
    add("--latent-size", type=_whole, metavar="N", help="number of latents (default: 10)")
    add("--likelihood", metavar="bernoulli|gaussian", help="distribution of the pixels (default: bernoulli)")
    add("--device", metavar="auto|cpu|cuda", help="where to train (default: auto)")
    add(
        "--precision",
        metavar="auto|fp32|tf32|bf16",
        help="(default: auto, bf16 on CPUs that have it, tf32 on GPUs)",
    )
    add(
        "--kernels",
        metavar="auto|compiled|torch",
        help="convolution code (default: auto, compiled on CPUs with AVX2)",
    )


def _add_data(group: Any) -> None:
    add = group.add_argument
    add("--source", metavar="NAME", help="rendered, official or own (default: the dataset's first)")
    add("--data-dir", metavar="DIR", help="where official files are")
    add("--image-size", type=_whole, metavar="N", help="pixels, for data that is resized (default: 64)")
    add("--metrics", **SEVERAL, metavar="NAME", help="or none (default: betavae_score mig sap dci)")
    add("--allow-small", action="store_true", help="score datasets with fewer images than published; marked")
    add(
        "--keep",
        **SEVERAL,
        type=_list_words,
        metavar="PART",
        help="parts of a finished cell to keep, or none (default: weights codes pictures)",
    )


def _add_doing(group: Any) -> None:
    add = group.add_argument
    add(
        "--study",
        metavar="NAME|FILE.toml",
        help="a study of `dis-bench list studies`, or a file of these options (default: quickstart)",
    )
    add("--out", metavar="DIR", help="where results go (default: results)")
    add("--rerun", metavar="never|missing|always", help="which cells to run again (default: missing)")
    add(
        "--checkpoint-minutes",
        type=_number,
        metavar="M",
        help="minutes between checkpoints of unfinished training (default: 5)",
    )
    add("--log", metavar="csv|tensorboard", help="training.csv alone (default), or also for TensorBoard")
    add("--workers", type=_whole, metavar="N", help="worker processes (default: one per core allowed here)")
    add("--shard", metavar="i/N", help="run only the i-th of N parts of the study, for array jobs")
    add("--engine", metavar="local|ray", help="this machine (default), or a Ray cluster (docs/cluster.md)")
    add("--address", metavar="auto|HOST:PORT", help="of the Ray cluster (default: auto, this machine's own)")
    add("--dry-run", action="store_true", help="print the cells and an estimate, and stop")
    add("--verbose", action="store_true", help="with --dry-run, print every cell of a long plan")


def execute(args: argparse.Namespace) -> int:
    """Run the study that the flags and the study file describe."""
    with stopped_by_signals():
        return _execute(args)


def _execute(args: argparse.Namespace) -> int:
    given = {
        name: value
        for name, value in vars(args).items()
        if name not in ("command", "execute", "study", "dry_run", "verbose")
    }
    wanted = _read_study(given, getattr(args, "study", None))
    out = wanted.out
    if getattr(args, "dry_run", False):
        return _print_plan(wanted, getattr(args, "verbose", False))
    if wanted.grid == "published":  # it may take weeks
        _print_plan(wanted, verbose=False)

    from dis_bench.records.store import StoreLost
    from dis_bench.runners.engines.local import WorkerDied
    from dis_bench.runners.run import run_study
    from dis_bench.runners.watch import ProgressBar

    bar = ProgressBar()
    try:
        with temporary_files_in(out):
            table = run_study(
                wanted.study, out, rerun=wanted.rerun, command=typed_command(), watcher=bar, **wanted.options
            )
    except KeyboardInterrupt as stop:
        print(
            f"dis-bench: stopped; {bar.kept} finished cells are kept in {out}, and the same command resumes."
        )
        return exit_code(stop)
    except (WorkerDied, StoreLost) as error:
        print(f"dis-bench: {error}", file=sys.stderr)
        return 1
    return _print_results(table, out)


class Wanted(NamedTuple):
    """The request of the command line and the study file.

    Attributes:
        study: the study.
        out: the output folder.
        rerun: the rerun policy.
        options: other options of :func:`dis_bench.runners.run.run_study`, as far as they are given.
        grid: ``defaults`` or ``published``.
    """

    study: Study
    out: str
    rerun: str
    options: dict[str, Any]
    grid: str


def _read_study(given: dict[str, Any], file: str | None) -> Wanted:
    """Read the study: flags override its file, and the file overrides the defaults."""
    from dis_bench.paths import check_path
    from dis_bench.runners.planning.options import check_choice, check_run
    from dis_bench.runners.planning.published import GRIDS, add_published_grids
    from dis_bench.runners.quickstart import DEFAULTS
    from dis_bench.runners.study import Study, read_study_file

    values = _merge(given, read_study_file(file, also=_PLACES) if file is not None else {})
    out, grid = values.pop("out", "results"), values.pop("grid", "defaults")
    check_path("the output folder", out)
    check_choice("grid", grid, GRIDS)
    options = {name: values.pop(name) for name in _RUN if name in values}
    check_run(options)
    rerun = options.pop("rerun", "missing")
    models, settings = values.get("models", DEFAULTS["models"]), values["settings"]
    if grid == "published" and isinstance(settings, dict) and isinstance(models, (list, tuple)):
        values["settings"] = add_published_grids(settings, models, values.get("betas", ()))
    return Wanted(Study(**values), out, rerun, options, grid)


def _merge(given: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Merge flags into the options of a study file, which they override."""
    from dis_bench.runners.planning.options import check_alone
    from dis_bench.runners.planning.overriding import override_betas
    from dis_bench.runners.planning.settings import parse_settings

    flags = {name: value for name, value in given.items() if name != "set"}
    for name in ("betas", "score_at", "keep"):  # some of which were given with commas
        if name in flags:
            flags[name] = [
                one for some in flags[name] for one in (some if isinstance(some, list) else [some])
            ]
    typed = parse_settings(given.get("set", []), "betavae.beta=1,4")
    settings = values.get("settings", {})
    if isinstance(settings, dict):
        values = override_betas({**values, "settings": settings}, flags, typed)
        settings = {**values["settings"], **typed}
    values = {**values, **flags, "settings": settings}
    for name in ("metrics", "keep"):
        if isinstance(values.get(name), list):
            check_alone(name, "none", values[name])
        if values.get(name) == ["none"]:
            values[name] = []
    return values


def _print_plan(wanted: Wanted, verbose: bool) -> int:
    from dis_bench.cli.plan import describe_plan
    from dis_bench.records.claims import find_owners
    from dis_bench.records.store import Store
    from dis_bench.runners.estimate import estimate
    from dis_bench.runners.remaining import choose_jobs, choose_shard

    options = wanted.options
    store = Store(wanted.out)
    store.check_folder()
    plan = choose_shard(wanted.study.plan(), options.get("shard"))
    jobs = choose_jobs(plan, store, wanted.rerun)
    to_do = {job.cell.hash: "to score" if job.scores_only else "to do" for job in jobs}
    owners = find_owners(store.unfinished, now=time.time())
    listed = [
        (cell, "held", f"  by {owners[cell.folder]}")
        if cell.folder in owners
        else (cell, to_do.get(cell.hash, "done"), "")
        for cell in plan.cells
    ]
    print("\n".join(map(visible, describe_plan(listed, verbose=verbose))))
    count = len(plan.cells)
    print(f"\n{count} {'cell' if count == 1 else 'cells'}, {len(jobs)} of them to do.")
    for sentence in plan.warnings:
        print(f"dis-bench: {sentence}", file=sys.stderr)
    if jobs:
        try:
            cost = estimate(plan, jobs, workers=options.get("workers"))
        except InputError:
            raise
        except Exception as error:  # a plug-in's loss may raise anything
            print(f"There is no estimate, because the first steps failed: {describe(error)}.")
            return 1
        print(
            f"Training takes about {format_duration(cost.train_seconds)} on {cost.workers} worker(s) here: "
            f"{1000 * cost.step_seconds:.0f} ms a step, measured just now. Scoring comes on top."
        )
    return 0


def _print_results(table: pd.DataFrame, out: str) -> int:
    from dis_bench.records.record import read_newest
    from dis_bench.reports.tables import summarise_text

    failed = table[table["status"] == "failed"]
    if len(failed) < len(table):
        found = [read_newest(Path(folder), problems=[]) for folder in table["folder"]]
        print("\n" + summarise_text([record for record in found if record is not None]))
    if table.attrs.get("small"):
        print(f"\nFrom fewer rows than the protocol needs: {', '.join(table.attrs['small'])}.")
    for _, row in failed.iterrows():
        print(visible(f"failed: {row['folder']}: {row['failure']}"), file=sys.stderr)
    print(f"\nNext: dis-bench report{'' if out == 'results' else ' ' + quote(out)}")
    return 1 if len(failed) else 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def _share(text: str) -> float | str:
    """Return a share as a number, and leave a rule as it is."""
    try:
        return float(text)
    except ValueError:
        return text


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None


def _list_numbers(text: str) -> list[float]:
    return [_number(one) for one in text.split(",")]


def _list_words(text: str) -> list[str]:
    return text.split(",")


def _list_steps(text: str) -> list[int]:
    return [_whole(step) for step in text.split(",")]
