"""``dis-bench prune``: free the disk space that a result folder no longer needs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dis_bench.errors import InputError, Option
from dis_bench.escape import visible

EXAMPLES = """\
examples:
  dis-bench prune                               what could be removed from results/, and how much it is
  dis-bench prune results superseded            remove replaced cells, after asking
  dis-bench prune results weights --yes         remove the networks of finished cells, without asking
"""


def add_parser(subparsers: Any) -> None:
    """Add ``prune`` to the command line."""
    parser = subparsers.add_parser(
        "prune",
        help="free disk space: replaced cells, checkpoints, weights",
        description=(
            "Show what could be removed from a result folder and how much space it takes; remove the kinds "
            "that are named: superseded (cells that were trained again), unfinished (checkpoints of "
            "cells that no run works on), weights (networks of finished cells). It asks first."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", default="results", metavar="DIR", help="result folder (default: results)"
    )
    parser.add_argument("kinds", nargs="*", metavar="WHAT", help="superseded, unfinished, weights")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Show what could be removed, and remove what was named."""
    from dis_bench.records.pruning import KINDS, find_prunable, prune
    from dis_bench.runners.planning.options import check_choice

    for kind in args.kinds:
        check_choice("kind of file to prune", kind, tuple(KINDS))
    kinds = [*dict.fromkeys(args.kinds)] or [*KINDS]
    found = find_prunable(args.folder, kinds)
    for kind, content in found.items():
        print(f"{kind:12}{len(content.paths):6,}  {_size(content.size):>9}  {KINDS[kind].loss}")
    folder = visible(args.folder)
    if not args.kinds:
        print(f"\nNothing was removed. Name what to remove: dis-bench prune {folder} superseded")
        return 0
    if not any(content.paths for content in found.values()):
        print("There is nothing to remove.")
        return 0
    if not args.yes and not _agrees(folder):
        print("Nothing was removed.")
        return 1
    print(f"{_size(prune(args.folder, found))} removed.")
    return 0


def _agrees(folder: str) -> bool:
    """Ask the user.

    Raises:
        InputError: nobody can answer.
    """
    if not sys.stdin.isatty():
        raise InputError(
            "nobody can be asked here, and nothing was removed; remove it with ", Option("yes"), "."
        )
    return input(f"Remove this from {folder} for good? [y/N] ").strip().lower() in ("y", "yes")


def _size(count: int) -> str:
    """Return a number of bytes in units that a reader can compare."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"
