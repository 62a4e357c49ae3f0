"""``dis-bench check``: test a plug-in for the properties that studies and tables rely on."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError, unknown

if TYPE_CHECKING:
    from dis_bench.findings import Finding

EXAMPLES = """\
examples:
  dis-bench check model mine.py:MyVAE              trains small networks for seconds, several times
  dis-bench check metric my_metric.py:my_score     a function of codes [N, D] and factors [N, F]
  dis-bench check dataset shapes3d                 an installed one
  dis-bench check network my_networks.py:Small
  dis-bench check metric my_metric.py:my_score --tolerance 0.1

The exit code is 0 when every property holds, 1 when one fails, and 2 when there is no such plug-in.
"""


def add_parser(subparsers: Any) -> None:
    """Add ``check`` to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="check a model, dataset, network or metric of your own",
        description="Try a plug-in on small inputs, and report which properties hold.",
        epilog=EXAMPLES,
    )
    parser.add_argument("kind", metavar="KIND", help="model, dataset, network or metric")
    parser.add_argument(
        "name", metavar="FILE.py:NAME", help="the class or function, or the name of an installed plug-in"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="SHARE",
        help="share of its range by which a metric may change where it should not (default: 0.05)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the findings, property by property; return 1 if one fails, else 0."""
    if args.kind not in KINDS:
        raise unknown("kind", args.kind, KINDS)
    if args.tolerance is not None and args.kind != "metric":
        raise InputError(f"--tolerance is for metrics, but a {args.kind} is checked.")
    if args.tolerance is not None and not 0 <= args.tolerance < 1:
        raise InputError(f"--tolerance must be from 0 to below 1, but {args.tolerance:g} was given.")
    header, findings = KINDS[args.kind](args)
    from dis_bench.findings import FAILED

    _print(header, findings)
    return 1 if any(finding.verdict == FAILED for finding in findings) else 0


def _check_metric(args: argparse.Namespace) -> tuple[str, list[Finding]]:
    from dis_bench.metrics import find_metrics
    from dis_bench.metrics.checks.properties import check_properties
    from dis_bench.metrics.checks.trial import TOLERANCE, put_on_trial
    from dis_bench.records.checks.scores import check_returned

    [metric] = find_metrics(args.name).values()
    trial = put_on_trial(metric, TOLERANCE if args.tolerance is None else args.tolerance, check_returned)
    parameters = "".join(f", {key}={value}" for key, value in trial.parameters.items())
    header = f"{metric.name}  ({args.name}), on tables of {len(trial):,} rows{parameters}"
    return header, check_properties(trial)


def _check_model(args: argparse.Namespace) -> tuple[str, list[Finding]]:
    from dis_bench.runners.checks.properties import check_properties
    from dis_bench.runners.checks.trial import BATCH, DATASET, LATENTS, ModelTrial

    trial = ModelTrial(args.name)
    manner = f"with small networks on {DATASET}, {LATENTS} latents, batches of {BATCH}"
    return f"{trial.name}  ({args.name}), {manner}", check_properties(trial)


def _check_dataset(args: argparse.Namespace) -> tuple[str, list[Finding]]:
    from dis_bench.datasets.checks.properties import check_properties
    from dis_bench.datasets.checks.trial import DatasetTrial
    from dis_bench.runners.planning.plugins import check_dataset

    trial = DatasetTrial(args.name, check_dataset)
    dataset = trial.dataset
    return f"{dataset.name}  ({args.name}), source {dataset.source}", check_properties(trial)


def _check_network(args: argparse.Namespace) -> tuple[str, list[Finding]]:
    from dis_bench.networks.checks.properties import check_properties
    from dis_bench.networks.checks.trial import NetworkTrial
    from dis_bench.networks.chosen import describe_sizes

    trial = NetworkTrial(args.name)
    sizes = describe_sizes(trial.family.sizes)
    return f"{trial.family.name}  ({args.name}), on images of {sizes}", check_properties(trial)


KINDS: dict[str, Callable[[argparse.Namespace], tuple[str, list[Finding]]]] = {
    "model": _check_model,
    "dataset": _check_dataset,
    "network": _check_network,
    "metric": _check_metric,
}


def _print(header: str, findings: list[Finding]) -> None:
    from dis_bench.findings import DOES_NOT_APPLY, FAILED, PASSED

    print(f"{header}\n")
    for finding in findings:
        print(f"{finding.verdict:14}  {finding.name}")
        _print_indented(finding.detail)
        if finding.verdict == FAILED:
            _print_indented(f"Why it matters: {finding.why}")
    verdicts = [finding.verdict for finding in findings]
    passed, failed, inapplicable = (verdicts.count(one) for one in (PASSED, FAILED, DOES_NOT_APPLY))
    apply = "does not apply" if inapplicable == 1 else "do not apply"
    print(f"\n{passed} passed, {failed} failed, {inapplicable} {apply}.")


def _print_indented(text: str) -> None:
    indent = " " * 16
    print(textwrap.fill(text, width=110, initial_indent=indent, subsequent_indent=indent))
