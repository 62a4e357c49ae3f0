"""``dis-bench check``: test a metric for the properties that tables rely on."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, unknown

if TYPE_CHECKING:
    from dis_bench.findings import Finding
    from dis_bench.metrics.checks.trial import Trial

EXAMPLES = """\
examples:
  dis-bench check metric my_metric.py:my_score     a function of codes [N, D] and factors [N, F]
  dis-bench check metric mig                       an installed one
  dis-bench check metric my_metric.py:my_score --tolerance 0.1

The exit code is 0 when every property holds, 1 when one fails, and 2 when there is no such metric.
"""
KINDS = ("metric",)


def add_parser(subparsers: Any) -> None:
    """Add ``check`` to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="check a metric of your own",
        description="Try a metric on small tables of known codes, and report which properties hold.",
        epilog=EXAMPLES,
    )
    parser.add_argument("kind", metavar="metric", help="the kind of plug-in to check")
    parser.add_argument(
        "name", metavar="FILE.py:NAME", help="the function, or the name of an installed metric"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of its range by which a score may change where it should not (default: 0.05)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the findings, property by property; return 1 if one fails, else 0."""
    if args.kind not in KINDS:
        raise unknown("kind", args.kind, KINDS)
    if not 0 <= args.tolerance < 1:
        raise InputError(f"--tolerance must be from 0 to below 1, but {args.tolerance:g} was given.")
    from dis_bench.metrics import find_metrics
    from dis_bench.metrics.checks.properties import FAILED, check_properties
    from dis_bench.metrics.checks.trial import put_on_trial

    [metric] = find_metrics(args.name).values()
    trial = put_on_trial(metric, args.tolerance)
    findings = check_properties(trial)
    _print(args.name, trial, findings)
    return 1 if any(finding.verdict == FAILED for finding in findings) else 0


def _print(name: str, trial: Trial, findings: list[Finding]) -> None:
    from dis_bench.metrics.checks.properties import DOES_NOT_APPLY, FAILED, PASSED

    parameters = "".join(f", {key}={value}" for key, value in trial.parameters.items())
    print(f"{trial.metric.name}  ({name}), on tables of {len(trial):,} rows{parameters}\n")
    for finding in findings:
        print(f"{finding.verdict:14}  {finding.name}")
        _print_indented(finding.detail)
        if finding.verdict == FAILED:
            _print_indented(f"Why it matters: {finding.why}")
    verdicts = [finding.verdict for finding in findings]
    counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in (PASSED, FAILED, DOES_NOT_APPLY))
    print(f"\n{', '.join(counts)}.")


def _print_indented(text: str) -> None:
    indent = " " * 16
    print(textwrap.fill(text, width=110, initial_indent=indent, subsequent_indent=indent))
