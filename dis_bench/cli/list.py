"""``dis-bench list``: the installed plug-ins, with their parameters and origins."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.errors import InputError, blaming, unknown

if TYPE_CHECKING:
    from dis_bench.models.model import Hyperparameter

EXAMPLES = """\
examples:
  dis-bench list              one line per plug-in, of all four kinds
  dis-bench list models
  dis-bench list networks
  dis-bench list datasets
  dis-bench list metrics
"""


def add_parser(subparsers: Any) -> None:
    """Add ``list`` to the command line."""
    parser = subparsers.add_parser(
        "list",
        help="list the installed models, networks, datasets and metrics",
        description="List the installed plug-ins: name, summary, parameters with defaults, origin.",
        epilog=EXAMPLES,
    )
    parser.add_argument("kind", nargs="?", default="all", metavar="models|networks|datasets|metrics")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print a paragraph per plug-in of one kind, or a line per plug-in of all kinds.

    A plug-in that cannot be imported is listed with the reason; the list continues.
    """
    kinds = (*registry.KINDS, "all")
    if args.kind not in kinds:
        raise unknown("kind", args.kind, kinds)
    if args.kind == "all":
        _print_all()
        return 0
    for plugin in registry.plugins(args.kind).values():
        print(f"{plugin.name}  ({plugin.origin}, {plugin.target})")
        for line in _describe(plugin):
            print(textwrap.fill(line, width=100, initial_indent="    ", subsequent_indent="        "))
    return 0


def _print_all() -> None:
    for kind in registry.KINDS:
        found = registry.plugins(kind)
        print(f"{kind} (`dis-bench list {kind}` has parameters and origins)")
        width = max(map(len, found), default=0)
        for plugin in found.values():
            start = f"    {plugin.name:{width}}  "
            summary = textwrap.shorten(_describe(plugin)[0], 110 - len(start), placeholder=" ...")
            print(start + summary)


def _describe(plugin: registry.Plugin) -> list[str]:
    try:
        with blaming("cannot be used"):
            return _list_facts(plugin.kind, plugin.name, plugin.load())
    except InputError as error:
        return [str(error)]


def _describe_hyperparameter(hyperparameter: Hyperparameter, dial: str | None) -> str:
    """Describe a hyperparameter, and mark the dial."""
    h = hyperparameter
    notes = [
        *([f"one of {', '.join(h.words)}"] if h.words else []),
        *([f"published: {', '.join(map(_number, h.grid))}"] if h.grid else []),
        *(["reports draw along it"] if h.name == dial else []),
    ]
    return f"{h.name} = {_number(h.default)}: {h.summary}{''.join(f'; {note}' for note in notes)}"


def _number(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _list_facts(kind: str, name: str, plugin: Any) -> list[str]:
    """Return the first line of the docstring, then a line per parameter."""
    summary = (plugin.__doc__ or "no description").strip().splitlines()[0]
    if kind == "models":
        return [
            summary,
            *(_describe_hyperparameter(h, getattr(plugin, "dial", None)) for h in plugin.hyperparameters),
        ]
    if kind == "metrics":
        from dis_bench.metrics.metric import as_metric

        return [summary, *(f"{name} = {value}" for name, value in as_metric(plugin).parameters.items())]
    if kind == "networks":
        from dis_bench.networks.chosen import choose_networks, describe_sizes

        networks = choose_networks(name)
        return [
            summary,
            f"images: {describe_sizes(networks.sizes)}",
            *([f"batches: {networks.least_batch} images or more"] if networks.least_batch > 1 else []),
        ]
    sizes = zip(plugin.grid.names, plugin.grid.sizes, strict=True)
    factors = ", ".join(f"{name} {size}" for name, size in sizes)
    shape = "x".join(str(n) for n in plugin.image_shape)
    return [
        summary,
        f"source = {' | '.join(plugin.sources)}",
        f"{len(plugin.grid):,} images {shape}; factors: {factors}",
    ]
