"""``dis-bench run``: train, encode and score the cells of a study."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from dis_bench.runners.run import Watcher
    from dis_bench.runners.study import Study

EXAMPLES = """\
examples:
  dis-bench run --models betavae --betas 1 4 10
  dis-bench run --models vae betavae --betas 4 --datasets dsprites shapes3d --seeds 5
  dis-bench run --models betavae --set betavae.beta=1,2,4,6,8,16 --budget paper --out results/paper
  dis-bench run --models path/to/mine.py:MyVAE --dry-run
  dis-bench run --study study.toml --seeds 1        a file of the same options; flags win over it

A cell that is done is never done twice: the same command goes on where it was stopped.
"""

# Options of the command that say where and how, and are no part of the study itself.
_PLACES = ("out", "rerun")


def add_parser(subparsers: Any) -> None:
    """Add ``run`` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="train, encode and score models over a grid",
        description="Train, encode and score each cell of datasets x models x hyperparameters x seeds.",
        epilog=EXAMPLES,
        argument_default=argparse.SUPPRESS,  # so that only what was typed goes before the study file
    )
    _add_grid(parser.add_argument_group("the grid"))
    _add_training(parser.add_argument_group("training"))
    _add_data(parser.add_argument_group("data and scores"))
    _add_doing(parser.add_argument_group("doing it"))
    parser.set_defaults(execute=execute)


def _add_grid(group: Any) -> None:
    add = group.add_argument
    add("--models", nargs="+", metavar="NAME", help="by name or file.py:Class (default: betavae)")
    add("--betas", nargs="+", type=_number, metavar="BETA", help="for each model that has a beta")
    add("--set", nargs="+", action="extend", metavar="MODEL.NAME=V1,V2", help="values of a hyperparameter")
    add("--datasets", nargs="+", metavar="NAME", help="dsprites, shapes3d, ... (default: dsprites)")
    add("--seeds", type=_whole, metavar="N", help="how many, counted from 0 (default: the budget's)")


def _add_training(group: Any) -> None:
    add = group.add_argument
    add("--budget", metavar="quick|paper", help="minutes (default), or the published 300,000 steps")
    add("--steps", type=_whole, metavar="N", help="optimiser steps (default: the budget's)")
    add("--batch-size", type=_whole, metavar="N", help="images per step (default: 64)")
    add("--lr", type=_number, metavar="RATE", help="Adam's learning rate (default: the budget's)")
    add("--network", metavar="burgess|locatello|tutorial", help="networks (default: burgess)")
    add("--latent-size", type=_whole, metavar="N", help="number of latents (default: 10)")
    add("--likelihood", metavar="bernoulli|gaussian", help="of pixels (default: bernoulli)")
    add("--device", metavar="auto|cpu|cuda", help="where to train (default: auto)")
    add("--precision", metavar="auto|fp32|tf32|bf16", help="(default: auto, bf16 on CPUs, tf32 on GPUs)")


def _add_data(group: Any) -> None:
    add = group.add_argument
    add("--source", metavar="rendered|official", help="drawn, or the authors' file (default: rendered)")
    add("--data-dir", metavar="DIR", help="where official files are")
    add("--metrics", nargs="+", metavar="NAME", help="(default: betavae_score mig sap dci)")


def _add_doing(group: Any) -> None:
    add = group.add_argument
    add("--study", metavar="FILE.toml", help="a file of these options")
    add("--out", metavar="DIR", help="where results go (default: results)")
    add("--rerun", metavar="never|missing|always", help="which cells to do again (default: missing)")
    add("--dry-run", action="store_true", help="print the cells and an estimate, and stop")
    add("--verbose", action="store_true", help="with --dry-run, print every cell of many")


def execute(args: argparse.Namespace) -> int:
    """Run the study that the flags and the study file describe."""
    given = {
        name: value
        for name, value in vars(args).items()
        if name not in ("command", "execute", "study", "dry_run", "verbose")
    }
    study, out, rerun = _read_study(given, getattr(args, "study", None))
    if getattr(args, "dry_run", False):
        return _print_plan(study, out, rerun, getattr(args, "verbose", False))

    from dis_bench.runners.engine import WorkerDied
    from dis_bench.runners.progress import ProgressBar
    from dis_bench.runners.run import run_study

    for name in ("SIGTERM", "SIGHUP"):  # `kill` and a closed terminal stop as cleanly as Ctrl-C
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    bar = ProgressBar()
    try:
        table = run_study(study, out, rerun=rerun, command=_typed(), watcher=bar)
    except KeyboardInterrupt:
        print(
            f"dis-bench: stopped; {bar.kept} finished cells are kept in {out}, and the same command goes on."
        )
        return 130
    except WorkerDied as error:
        print(f"dis-bench: {error}", file=sys.stderr)
        return 1
    return _print_results(table, out, bar)


def _read_study(given: dict[str, Any], file: str | None) -> tuple[Study, str, str]:
    """The study, the output folder and the rerun rule: flags over the file over the defaults."""
    from dis_bench.runners.study import Study, read_study_file

    values: dict[str, Any] = read_study_file(file, also=_PLACES) if file else {}
    flags = {name: value for name, value in given.items() if name != "set"}
    from_file, typed = values.get("settings", {}), _parse_settings(given.get("set", []))
    if "betas" in flags and isinstance(from_file, dict):  # --betas goes before betas that the file sets
        from_file = {key: value for key, value in from_file.items() if not key.endswith(".beta")}
    if any(key.endswith(".beta") for key in typed) and "betas" not in flags:
        values.pop("betas", None)
    settings = {**from_file, **typed} if isinstance(from_file, dict) else from_file
    values = {**values, **flags, "settings": settings}
    out, rerun = values.pop("out", "results"), values.pop("rerun", "missing")
    for name, value in (("out", out), ("rerun", rerun)):
        if not isinstance(value, str):
            raise InputError(f"{name} must be a text, but {value!r} was given.")
    return Study(**values), out, rerun


def _parse_settings(texts: list[str]) -> dict[str, list[str]]:
    """``["betavae.beta=1,4"]`` as ``{"betavae.beta": ["1", "4"]}``."""
    settings: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or "." not in key or not values:
            raise InputError(
                f"--set takes MODEL.NAME=VALUE[,VALUE...], e.g. betavae.beta=1,4, but '{text}' was given."
            )
        settings.setdefault(key, []).extend(values.split(","))
    return settings


def _print_plan(study: Study, out: str, rerun: str, verbose: bool) -> int:
    from dis_bench.cli.plan import describe_plan
    from dis_bench.runners.run import RERUN, choose_jobs, estimate
    from dis_bench.runners.store import Store

    if rerun not in RERUN:
        raise unknown("rerun", rerun, RERUN)
    plan = study.plan()
    jobs = choose_jobs(plan, Store(out), rerun)
    to_do = {job.cell.hash: "to score" if job.scores_only else "to do" for job in jobs}
    listed = [(cell, to_do.get(cell.hash, "done"), "") for cell in plan.cells]
    print("\n".join(describe_plan(listed, verbose=verbose)))
    print(f"\n{len(plan.cells)} cells, {len(jobs)} of them to do.")
    if jobs:
        try:
            cost = estimate(plan, jobs)
        except Exception as error:  # a plug-in's loss may raise anything
            print(f"There is no estimate, as the first steps failed: {type(error).__name__}: {error}")
            return 1
        print(
            f"Training takes about {_duration(cost.train_seconds)} on {cost.workers} worker(s) here: "
            f"{1000 * cost.step_seconds:.0f} ms a step, measured just now. Scoring comes on top."
        )
    return 0


def _print_results(table: pd.DataFrame, out: str, bar: Watcher) -> int:
    from dis_bench.reports.tables import summarise_text

    failed = table[table["status"] == "failed"]
    if len(failed) < len(table):
        print("\n" + summarise_text(table))
    for _, row in failed.iterrows():
        print(f"failed: {row['folder']}: {row['failure']}", file=sys.stderr)
    print(f"\nNext: dis-bench report{'' if out == 'results' else ' ' + shlex.quote(out)}")
    return 1 if len(failed) else 0


def _typed() -> str:
    return "dis-bench " + shlex.join(sys.argv[1:])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
