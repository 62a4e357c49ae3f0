"""``dis-bench list``: installed plug-ins, named studies, and sources of published figures."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.errors import InputError, blaming, unknown

if TYPE_CHECKING:
    from dis_bench.models.model import Hyperparameter
    from dis_bench.parameters import Parameter

EXAMPLES = """\
examples:
  dis-bench list              one line per plug-in, study and source of published figures
  dis-bench list models
  dis-bench list networks
  dis-bench list datasets
  dis-bench list metrics
  dis-bench list studies      what `run --study NAME` trains, its cost, and how it differs from the paper
  dis-bench list published    what `report --published NAME` shows, and where it was read
"""

_WRAPPER = textwrap.TextWrapper(
    width=100, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False
)
# Kinds that are no plug-ins.
STUDIES, PUBLISHED = "studies", "published"


def add_parser(subparsers: Any) -> None:
    """Add ``list`` to the command line."""
    parser = subparsers.add_parser(
        "list",
        help="list models, networks, datasets, metrics, studies and published figures",
        description=(
            "List the installed plug-ins (name, summary, parameters with defaults, origin), the studies that "
            "have a name, and the sources of published figures."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "kind", nargs="?", default="all", metavar="models|networks|datasets|metrics|studies|published"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print a paragraph per entry of one kind, or a line per entry of all kinds.

    A plug-in that cannot be imported is listed with the reason; the list continues.
    """
    kinds = (*registry.KINDS, STUDIES, PUBLISHED, "all")
    if args.kind not in kinds:
        raise unknown("kind", args.kind, kinds)
    if args.kind == "all":
        _print_all()
        return 0
    for head, lines in _list_kind(args.kind):
        print(head)
        for line in lines:
            print(_WRAPPER.fill(line))
    return 0


def _list_kind(kind: str) -> Iterator[tuple[str, list[str]]]:
    """Yield a head and the lines below it for each entry of a kind."""
    if kind == STUDIES:
        yield from _list_studies()
    elif kind == PUBLISHED:
        yield from _list_published()
    else:
        for plugin in registry.plugins(kind).values():
            yield f"{plugin.name}  ({plugin.origin}, {plugin.target})", _describe(plugin)


def _list_studies() -> Iterator[tuple[str, list[str]]]:
    from dis_bench.runners.named import find_studies, read_about

    for name in find_studies():
        about = read_about(name)
        cost = f"{about.cells:,} cells, roughly {format_hours(about.core_hours)} core-hours of training"
        after = [f"After {about.source}."] if about.source else []
        differences = [f"- {line}" for line in about.differences]
        yield f"{name}  ({cost})", [about.summary, *after, *differences]


def format_hours(hours: float) -> str:
    """Format hours: whole ones from 1 up."""
    return f"{hours:,.0f}" if hours >= 1 else f"{hours:g}"


def _list_published() -> Iterator[tuple[str, list[str]]]:
    from dis_bench.reports.published.reported import describe_source
    from dis_bench.reports.published.source import find_sources, read_source

    for name in find_sources():
        source = read_source(name)
        counts: dict[str, int] = {}
        for table in source.tables:
            counts[table.data] = counts.get(table.data, 0) + len(table.rows)
        rows = ", ".join(f"{dataset} {count}" for dataset, count in counts.items())
        text = describe_source(source).removeprefix(f"[{name}] ")
        yield f"{name}{'  (second-hand)' if source.second_hand else ''}", [text, f"rows: {rows}"]


def _print_all() -> None:
    for kind in registry.KINDS:
        found = registry.plugins(kind)
        print(f"{kind} (`dis-bench list {kind}` has parameters and origins)")
        width = max(map(len, found), default=0)
        for plugin in found.values():
            start = f"    {plugin.name:{width}}  "
            summary = textwrap.shorten(_describe(plugin)[0], 110 - len(start), placeholder=" ...")
            print(start + summary)
    for kind in (STUDIES, PUBLISHED):
        print(f"{kind} (`dis-bench list {kind}` has more)")
        entries = {head.partition(" ")[0]: lines[0] for head, lines in _list_kind(kind)}
        width = max(map(len, entries))
        for name, line in entries.items():
            start = f"    {name:{width}}  "
            print(start + textwrap.shorten(line, 110 - len(start), placeholder=" ..."))


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


def _describe_parameter(parameter: Parameter) -> str:
    """Describe a parameter of a dataset."""
    words = f"; one of {', '.join(parameter.words)}" if parameter.words else ""
    default = str(parameter.default)
    shown = default.lower() if isinstance(parameter.default, bool) else default or "(empty)"
    return f"{parameter.name} = {shown}: {parameter.summary}{words}"


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
    from dis_bench.datasets.inventory import describe_contents

    images, factors = describe_contents(plugin)
    return [
        summary,
        f"source = {' | '.join(plugin.sources)}",
        f"{images}; factors: {factors}",
        *(_describe_parameter(parameter) for parameter in getattr(plugin, "parameters", ())),
    ]
