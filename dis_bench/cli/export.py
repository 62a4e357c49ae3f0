"""``dis-bench export``: a trained cell in the layout of model hubs."""

from __future__ import annotations

import argparse
from typing import Any

from dis_bench.escape import visible

EXAMPLES = """\
examples:
  dis-bench export results/cells/NAME                     write export/NAME
  dis-bench export results/cells/NAME --out my-model      write elsewhere
"""


def add_parser(subparsers: Any) -> None:
    """Add ``export`` to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="a trained cell as a folder for a model hub",
        description=(
            "Write a trained cell as model.safetensors, config.json, record.json and a card with scores, "
            "protocol and traversal, in the layout of Hugging Face. Nothing is uploaded; dis_bench.load "
            "reads it."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument("folder", metavar="DIR", help="a cell's folder, or a result folder with one cell")
    parser.add_argument("--out", metavar="DIR", help="the folder to write (default: export/NAME)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Write the export, and print where it is."""
    from dis_bench.reports.export import export

    path = export(args.folder, args.out)
    print(f"exported: {visible(str(path))}\nRead it with dis_bench.load({str(path)!r}).")
    return 0
