"""``dis-bench doctor``: what looks wrong with trained cells, and what to try."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dis_bench.escape import visible

if TYPE_CHECKING:
    from dis_bench.reports.doctor.diagnoses import Examined

EXAMPLES = """\
examples:
  dis-bench doctor                          look at every cell of results/
  dis-bench doctor results/paper            another result folder
  dis-bench doctor --all                    with every cell of a long list
  dis-bench doctor --json                   the same for programs
"""
MOST_CELLS = 12  # with findings, unless all are wanted
WIDTH = 100  # columns of the text


def add_parser(subparsers: Any) -> None:
    """Add ``doctor`` to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="what looks wrong with trained cells, and what to try",
        description=(
            "Look at the records, training curves, codes and pictures in a result folder, and say what is "
            "wrong with each cell, with the figures behind it and what to try: posterior collapse, a dial "
            "that is too high or too low, a KL that explodes, over-fitting, and others (docs/doctor.md). "
            "Nothing is trained or written. Findings are advice: the exit code is 0."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", default="results", metavar="DIR", help="result folder (default: results)"
    )
    parser.add_argument("--all", action="store_true", help="print every cell with findings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the findings on the cells of a result folder."""
    from dis_bench.reports.doctor.folder import examine_folder

    examined, problems = examine_folder(args.folder)
    for problem in problems:
        print(f"dis-bench: {visible(problem)}", file=sys.stderr)
    if args.json:
        from dis_bench.reports.doctor.folder import describe_as_data

        print(json.dumps(describe_as_data(examined, problems), indent=1))
    else:
        print("\n".join(map(visible, describe_findings(examined, everything=args.all))))
    return 0


def describe_findings(examined: Sequence[Examined], *, everything: bool) -> Iterator[str]:
    """Yield the lines that describe the findings.

    Args:
        examined: the cells.
        everything: whether to describe all cells with findings, however many there are.
    """
    from dis_bench.reports.words import count_things

    ill = [one for one in examined if one.findings]
    total = sum(len(one.findings) for one in ill)
    cells, findings = count_things(len(examined), "cell"), count_things(total, "finding")
    yield f"{cells}: {findings}{f' in {len(ill):,} of them' if ill else ''}."
    shown = ill if everything else ill[:MOST_CELLS]
    for one in shown:
        yield from ("", one.label)
        for name, finding in one.findings.items():
            yield from _wrap(f"{name}: {finding.what}", "  ", "    ")
            for number, advice in enumerate(finding.advice):
                yield from _wrap(advice, "    try  " if number == 0 else "         ", "           ")
    if len(ill) > len(shown):
        counts = Counter(name for one in ill[len(shown) :] for name in one.findings)
        listed = ", ".join(f"{name} in {count:,}" for name, count in counts.items())
        more = len(ill) - len(shown)
        verb = "cell has" if more == 1 else "cells have"
        yield from ("", *_wrap(f"{more:,} more {verb} findings: {listed}.", "", "  "))
        yield "--all prints them all."
    yield from _describe_unseen(examined)


def _describe_unseen(examined: Sequence[Examined]) -> Iterator[str]:
    """Yield the diagnoses that were not possible, by their reason."""
    from dis_bench.reports.words import count_things

    reasons: dict[str, dict[str, int]] = {}
    for one in examined:
        for name, reason in one.unseen.items():
            by_name = reasons.setdefault(reason, {})
            by_name[name] = by_name.get(name, 0) + 1
    if reasons:
        yield from ("", "not looked at:")
    for reason, names in reasons.items():
        counts = max(names.values())
        cells = "" if len(examined) == 1 else f" ({count_things(counts, 'cell')})"
        yield from _wrap(f"{', '.join(names)}: {reason}{cells}", "  ", "    ")


def _wrap(text: str, first: str, then: str) -> list[str]:
    """Wrap a text, but never within an option or a word."""
    glued = _glue(text)
    lines = textwrap.wrap(
        glued,
        WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace("\0", " ") for line in lines]


def _glue(text: str) -> str:
    """Replace the spaces of quoted options by a character that is no space."""
    return "`".join(
        part.replace(" ", "\0") if place % 2 else part for place, part in enumerate(text.split("`"))
    )
