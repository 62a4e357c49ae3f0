"""``dis-bench compare``: what changed in the same cells of two result folders."""

from __future__ import annotations

import argparse
from typing import Any

from dis_bench.escape import visible

EXAMPLES = """\
examples:
  dis-bench compare results results/paper
  dis-bench compare before after --tolerance 0.01    exit code 1 if a score changes by more
"""


def add_parser(subparsers: Any) -> None:
    """Add ``compare`` to the command line."""
    parser = subparsers.add_parser(
        "compare",
        help="what changed in the same cells of two result folders",
        description=(
            "Compare scores and losses of the cells that two result folders have in common, also across "
            "versions. The exit code is 1 if a change is beyond the tolerance, a cell or a score failed in "
            "only one, or a record cannot be read, and 2 if no cell is in both."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument("first", metavar="A", help="a result folder")
    parser.add_argument("second", metavar="B", help="the result folder to compare it with")
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="T",
        help="largest change to accept: absolute up to 1, relative above (default: 1e-06)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the comparison; return 1 if something changed beyond the tolerance."""
    from dis_bench.reports.compare import TOLERANCE, compare

    found = compare(args.first, args.second, TOLERANCE if args.tolerance is None else args.tolerance)
    print("\n".join(visible(line) for line in str(found).splitlines()))
    return 1 if found.differs else 0
