"""``dis-bench status``: the state of the studies in a result folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dis_bench.cli.words import format_duration
from dis_bench.escape import visible

if TYPE_CHECKING:
    from dis_bench.records.status import Running, Status

EXAMPLES = """\
examples:
  dis-bench status                          what is done, failed, running and left in results/
  dis-bench status results/paper            another result folder, also while runs work on it
  dis-bench status --all                    with the name of every cell that is left
"""
MOST_LINES = 20  # of a list, unless all are wanted


def add_parser(subparsers: Any) -> None:
    """Add ``status`` to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="what is done, failed, running and left",
        description=(
            "Print how many cells of the studies that were started in a result folder are done, failed, "
            "running and left, with the processes at work and an estimate of the time to go. Nothing is "
            "written, so it can be run at any time, on any machine that sees the folder."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", default="results", metavar="DIR", help="result folder (default: results)"
    )
    parser.add_argument("--all", action="store_true", help="print every line of long lists")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the state of a result folder."""
    from dis_bench.records.status import read_status

    status = read_status(args.folder)
    print("\n".join(map(visible, describe_status(status, everything=args.all, now=datetime.now()))))
    for problem in status.problems:
        print(f"dis-bench: {visible(problem)}", file=sys.stderr)
    return 0


def describe_status(status: Status, *, everything: bool, now: datetime) -> Iterator[str]:
    """Yield the lines that describe a result folder.

    Args:
        status: its state.
        everything: whether to list all cells, however many there are.
        now: the local time.
    """
    from dis_bench.reports.words import count_things

    trained = {*status.done, *status.unscored}
    total = len({*status.planned, *trained, *status.failed, *(one.name for one in status.running)})
    counts = {
        "done": len(status.done),
        "failed": len(status.failed),
        "running": len(status.running),
        "stopped with a checkpoint": len(status.stopped),
        "to score": len(status.unscored),
        "left": len(status.left),
    }
    told = ", ".join(
        f"{count:,} {what}" for what, count in counts.items() if count or what in ("done", "left")
    )
    yield f"{count_things(total, 'cell')}: {told}."
    lists = {
        "running": [_describe_running(one, now) for one in status.running],
        "failed": [f"{name}: {reason}" for name, reason in status.failed.items()],
        "stopped": status.stopped,
        "to score": status.unscored,
        "left": status.left if everything else [],
    }
    for title, lines in lists.items():
        if lines:
            yield from ("", f"{title}:")
            shown = lines if everything else lines[:MOST_LINES]
            yield from (f"  {line}" for line in shown)
            if len(lines) > len(shown):
                yield f"  ... {len(lines) - len(shown):,} more; --all lists them"
    yield from _describe_time(status)


def _describe_time(status: Status) -> Iterator[str]:
    if not (status.left or status.stopped or status.unscored or status.failed or status.running):
        return
    yield ""
    if status.seconds is None:
        yield "time to go: unknown until a cell is done or has a row in its log."
    elif status.running:
        count = len(status.running)
        yield f"time to go: about {format_duration(status.seconds)}, with {count} at a time as now."
    else:
        yield f"time to go: about {format_duration(status.seconds)} of one worker; nothing runs now."
    if status.failed:
        yield "The same command runs the failed cells again, and the time includes that."


def _describe_running(one: Running, now: datetime) -> str:
    if one.scoring or (one.steps and one.step >= one.steps):
        at = "scoring"
    elif one.step:
        at = f"step {one.step:,}" + (f" of {one.steps:,}" if one.steps else "")
    else:
        at = "beginning"
    since = "" if one.seconds is None else f", since {_since(one.seconds, now)}"
    return f"{one.name}: {at}, by {one.owner}{since}"


def _since(seconds: float, now: datetime) -> str:
    then = now - timedelta(seconds=seconds)
    form = "%H:%M" if then.date() == now.date() else "%Y-%m-%d %H:%M"
    return f"{then.strftime(form)} ({format_duration(seconds)})"
