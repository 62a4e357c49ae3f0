"""``dis-bench list``: the plug-ins that there are, with their parameters and where they come from."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from dis_bench import registry
from dis_bench.errors import InputError, unknown

EXAMPLES = """\
examples:
  dis-bench list models
  dis-bench list datasets
  dis-bench list metrics
"""


def add_parser(subparsers: Any) -> None:
    """Add ``list`` to the command line."""
    parser = subparsers.add_parser(
        "list",
        help="show the models, datasets or metrics that there are",
        description="Show the plug-ins that are installed: name, one line, parameters with defaults, origin.",
        epilog=EXAMPLES,
    )
    parser.add_argument("kind", metavar="models|datasets|metrics")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print one paragraph per plug-in; one that cannot be imported is told of, and does not stop the list."""
    if args.kind not in registry.KINDS:
        raise unknown("kind", args.kind, registry.KINDS)
    for plugin in registry.plugins(args.kind).values():
        try:
            lines = _describe(args.kind, plugin.load())
        except InputError as error:
            lines = [f"cannot be used: {error}"]
        print(f"{plugin.name}  ({plugin.origin}, {plugin.target})")
        for line in lines:
            print(textwrap.fill(line, width=100, initial_indent="    ", subsequent_indent="        "))
    return 0


def _describe(kind: str, plugin: Any) -> list[str]:
    """The first line of the docstring, then a line per parameter."""
    summary = (plugin.__doc__ or "no description").strip().splitlines()[0]
    if kind == "models":
        return [summary, *(f"{h.name} = {h.default}: {h.summary}" for h in plugin.hyperparameters)]
    if kind == "metrics":
        from dis_bench.metrics.metric import as_metric

        return [summary, *(f"{name} = {value}" for name, value in as_metric(plugin).parameters.items())]
    sizes = zip(plugin.grid.names, plugin.grid.sizes, strict=True)
    factors = ", ".join(f"{name} {size}" for name, size in sizes)
    shape = "x".join(str(n) for n in plugin.image_shape)
    return [
        summary,
        f"source = {' | '.join(plugin.sources)}",
        f"{len(plugin.grid):,} images {shape}; factors: {factors}",
    ]
