"""``dis-bench merge``: copy the results of several folders into one."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dis_bench.escape import visible

EXAMPLES = """\
examples:
  dis-bench merge laptop cluster --out all      the cells of both, each once
  dis-bench merge more --out all                and of one more, later
"""


def add_parser(subparsers: Any) -> None:
    """Add ``merge`` to the command line."""
    parser = subparsers.add_parser(
        "merge",
        help="copy the results of several folders into one",
        description=(
            "Copy the finished cells of result folders into another one, with their anchors and plans. "
            "No finished cell is replaced. Of a cell in two folders, the copy that has all that the other "
            "has is taken, and a finished one before a failed one; any other difference is refused before "
            "anything is copied. Unfinished cells stay where they are."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument("folders", nargs="+", metavar="DIR", help="result folders to read")
    parser.add_argument("--out", metavar="DIR", required=True, help="the result folder to copy to")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Merge folders, and print what was copied."""
    from dis_bench.records.merging import merge
    from dis_bench.records.store import NotPlaced
    from dis_bench.reports.words import count_things

    try:
        merged = merge(args.folders, args.out)
    except NotPlaced as error:  # the cells that were copied stay
        print(f"dis-bench: stopped: {visible(str(error))}.", file=sys.stderr)
        return 1
    there = f"; {merged.present:,} were there already" if merged.present else ""
    print(f"{count_things(len(merged.copied), 'cell')} copied to {visible(args.out)}{there}.")
    if merged.unfinished:
        stay = "stays where it is" if merged.unfinished == 1 else "stay where they are"
        print(f"{count_things(merged.unfinished, 'unfinished cell')} {stay}.")
    for problem in merged.problems:
        print(f"dis-bench: {visible(problem)}", file=sys.stderr)
    return 1 if merged.problems else 0
