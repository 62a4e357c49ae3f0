"""``dis-bench score``: scores of any representation, from arrays or an encoder."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.cli.options import SEVERAL
from dis_bench.cli.words import quote, typed_command
from dis_bench.errors import InputError
from dis_bench.escape import visible

if TYPE_CHECKING:
    from dis_bench.runners.scoring.encoding import Encoded


Parameters = Mapping[str, Mapping[str, Any]]

DATASET = "dsprites"  # if an encoder is given without one
WIDTH = 100  # of a card, in characters

EXAMPLES = """\
examples:
  dis-bench score codes.npz                                    arrays `codes` [N, D] and `factors` [N, F]
  dis-bench score codes.npz --metrics mig dci --bootstrap 100  with intervals over rows
  dis-bench score codes.npz --metrics all                      the slow ones too: dci, dci_forest, ...
  dis-bench score codes.npz --allow-small                      with fewer rows than 15,000; marked
  dis-bench score codes.npz --no-anchors                       in half the time, without perfect and chance
  dis-bench score codes.npz --metrics mig dci --set mig.bins=40 dci.estimator=sklearn
  dis-bench score --encoder my_model.py:encode --dataset shapes3d
  dis-bench score --encoder my_model.py:encode --out results --name mine       a row in the folder's reports
  dis-bench score --encoder a.py:encode b.py:encode --out results --name mine  two seeds of one encoder

An encoder takes images, a uint8 torch tensor [B, C, H, W], and returns codes [B, D], or a tuple of means and
log-variances. A torch.nn.Module gets floats in [0, 1] instead, in evaluation mode.
"""


def add_parser(subparsers: Any) -> None:
    """Add ``score`` to the command line."""
    parser = subparsers.add_parser(
        "score",
        help="score any representation: arrays in a file, or an encoder",
        description="Score codes against ground-truth factors: an npz file, or an encoder on a dataset.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE.npz", help="arrays codes [N, D] and factors [N, F]; one per seed"
    )
    _add_encoder(parser.add_argument_group("an encoder instead of a file"))
    _add_scoring(parser.add_argument_group("scoring"))
    _add_row(parser.add_argument_group("a row in the reports of a result folder"))
    parser.set_defaults(execute=execute)


def _add_encoder(group: Any) -> None:
    add = group.add_argument
    add(
        "--encoder",
        **SEVERAL,
        metavar="FILE.py:NAME",
        help="a callable: images [B, C, H, W] to codes [B, D]; one per seed",
    )
    add("--dataset", metavar="NAME", help="the dataset to encode (default: dsprites)")
    add("--source", metavar="NAME", help="rendered, official or own (default: the dataset's first)")
    add("--data-dir", metavar="DIR", help="where official files are")
    add("--rows", type=int, metavar="N", help="images to encode (default: 15,000)")


def _add_scoring(group: Any) -> None:
    add = group.add_argument
    add(
        "--metrics",
        **SEVERAL,
        metavar="NAME",
        help="or all (default: those of the records in DIR, else the fast ones, under 5 CPU s)",
    )
    add(
        "--set",
        **SEVERAL,
        default=[],
        metavar="METRIC.NAME=VALUE",
        help="parameters of metrics (default: as published; docs/metrics.md lists them)",
    )
    add("--seed", type=int, default=0, metavar="N", help="for shuffling and sampling (default: 0)")
    add("--bootstrap", type=int, default=0, metavar="N", help="resamples for 95%% intervals")
    add("--allow-small", action="store_true", help="score with fewer rows than published")
    add("--no-anchors", action="store_true", help="score the codes only, in half the time")
    add(
        "--out",
        metavar="FILE.csv|DIR",
        help="write the table into a new file as well, or records into a result folder",
    )


def _add_row(group: Any) -> None:
    add = group.add_argument
    add("--name", metavar="NAME", help="its name in tables (default: the function's or file's)")
    add(
        "--seeds", **SEVERAL, type=int, metavar="N", help="seed of each encoder's training (default: 0 1 ...)"
    )
    add("--replace", action="store_true", help="move other codes of this name and seed to superseded/")


def execute(args: argparse.Namespace) -> int:
    """Print a score per line with its anchors, or add records to a result folder."""
    folder = args.out if args.out is not None and not args.out.endswith(".csv") else None
    _check(args, folder)
    from dis_bench.metrics import find_metrics
    from dis_bench.runners.planning.settings import parse_settings, resolve_settings
    from dis_bench.runners.scoring.choosing import choose_metrics, keep_scorable

    chosen = choose_metrics(args.metrics, folder)
    metrics = find_metrics(chosen)
    parameters = resolve_settings(parse_settings(args.set, "mig.bins=40"), {}, metrics).parameters
    specifications = {name: one for one in chosen for name in find_metrics([one])}  # some may be repeated
    dataset = _load(args)
    if dataset is not None and args.encoder:
        specifications = keep_scorable(dataset, specifications, args.metrics)
        parameters = {name: given for name, given in parameters.items() if name in specifications}
    if folder is None:
        return _print_card(args, dataset, specifications, parameters)
    return _add_records(args, dataset, folder, specifications, parameters)


def _load(args: argparse.Namespace) -> Any:
    """Return the dataset to encode, or that of a file; None for a file without one."""
    if not args.encoder and args.dataset is None:
        return None
    from dis_bench.datasets import load_dataset

    return load_dataset(args.dataset or DATASET, source=args.source, data_dir=args.data_dir)


def _print_card(
    args: argparse.Namespace, dataset: Any, chosen: dict[str, str], parameters: Parameters
) -> int:
    from dis_bench.metrics import Representation, find_metrics, resolve_parameters
    from dis_bench.metrics.score_card import make_card
    from dis_bench.runners.scoring.choosing import ALL

    metrics = find_metrics(chosen.values())
    used = resolve_parameters(metrics, parameters)
    is_named = args.metrics not in (None, [ALL])
    needs_factors = is_named and any(metric.reads_factors for metric in metrics.values())
    encoded = _encode(args, dataset, used) if args.encoder else _read(args.files, needs_factors)
    if len(encoded) > 1:
        raise InputError("several encoders require --out DIR, a result folder for their records.")
    given: dict[str, Any] = encoded[0]._asdict()
    representation = Representation(**given, seed=args.seed, allow_small=args.allow_small)
    there = representation.list_given(), representation.has_factors
    lacking = [name for name, metric in metrics.items() if not metric.is_given_all(*there)]
    if lacking and args.encoder and is_named:
        which = "which an encoder returns beside its codes, as a tuple (means, log_variances)"
        raise InputError(f"{lacking[0]} needs log_variances, {which}.")
    if not is_named:  # those that can be computed
        chosen = {name: given for name, given in chosen.items() if name not in lacking}
    card = make_card(
        representation,
        chosen.values(),
        {name: given for name, given in parameters.items() if name in chosen},
        bootstrap=args.bootstrap,
        anchors=not args.no_anchors,
    )
    print(card.text)
    if args.metrics is None:
        able = find_metrics(None, *there)
        others = [name for name in able if name not in chosen]
        if others:
            left_out = f"Left out, as they take longer: {', '.join(others)}; --metrics all adds them."
            print(textwrap.fill(left_out, WIDTH))
    if args.out is not None:
        with open(args.out, "x", encoding="utf-8") as file:
            card.table.to_csv(file)
    return 0


def _add_records(
    args: argparse.Namespace, dataset: Any, folder: str, chosen: dict[str, str], parameters: Parameters
) -> int:
    """Write a record for each encoder, and print its scores."""
    from dis_bench.metrics import find_metrics, resolve_parameters
    from dis_bench.records.store import NotPlaced
    from dis_bench.runners.encoders import Scoring, add_anchors, add_encoder, match_rows, pair_seeds
    from dis_bench.runners.scoring.choosing import ALL

    metrics = find_metrics(chosen.values())
    used = resolve_parameters(metrics, parameters)
    encoded = _encode(args, dataset, used) if args.encoder else _read(args.files, needs_factors=True)
    if dataset is not None and args.files:
        for one in encoded:
            match_rows(one, dataset)
    named = (args.encoder or args.files)[0]
    default = named.rpartition(":")[2] if args.encoder else Path(named).stem
    cells = pair_seeds(default if args.name is None else args.name, args.seeds, len(encoded))
    scoring = Scoring(chosen, parameters, args.allow_small, typed_command())
    records = []
    for (name, seed), one in zip(cells, encoded, strict=True):
        there = [] if one.log_variances is None else ["log_variances"], one.factors is not None
        able = {metric: given for metric, given in chosen.items() if metrics[metric].is_given_all(*there)}
        own = replace(scoring, metrics=able) if args.metrics in (None, [ALL]) else scoring
        label = args.dataset or (DATASET if args.encoder else "codes")
        try:
            records.append(add_encoder(folder, label, dataset, name, seed, one, own, args.replace))
        except NotPlaced as error:
            print(f"dis-bench: stopped: {visible(str(error))}.", file=sys.stderr)
            return 1
        print("\n".join(map(visible, _describe(records[-1]))))
    if not args.no_anchors:
        add_anchors(folder, records, dataset, scoring)
    print(visible(f"Next: dis-bench report {quote(folder)}"))
    return 1 if any(record["unscored"] for record in records) else 0


def _describe(record: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on a record: its scores, those that are missing, and notes."""
    who = f"{record['cell']['model']} seed={record['cell']['seed']}"
    yield f"{who}: {', '.join(f'{name} {value:.3f}' for name, value in record['scores'].items())}"
    for metric, reason in record["unscored"].items():
        yield f"{who} has no {metric}: {reason}"
    for metric, count in record.get("left_out", {}).items():
        yield f"{metric} leaves out {count} of {record['cell']['latent_size']} codes, which hardly vary."


def _check(args: argparse.Namespace, folder: str | None) -> None:
    from dis_bench.paths import check_path

    if bool(args.files) == bool(args.encoder):
        raise InputError(
            "give either a file, `dis-bench score codes.npz`, or --encoder file.py:name; one of the two."
        )
    for name in ("source", "data_dir", "rows") if folder else ("dataset", "source", "data_dir", "rows"):
        if args.files and getattr(args, name) is not None:
            or_else = "; a file may have it with --out DIR" if name == "dataset" else ""
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} requires --encoder, but a file was given{or_else}.")
    for name, least in (("rows", 2), ("seed", 0), ("bootstrap", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name} must be a whole number of at least {least}, but {value} was given.")
    if args.bootstrap == 1:
        raise InputError("--bootstrap must be 0, for no intervals, or at least 2, but 1 was given.")
    if args.bootstrap:
        from dis_bench.metrics.bootstrap import MOST_RESAMPLES

        if args.bootstrap > MOST_RESAMPLES:
            raise InputError(
                f"--bootstrap must be at most {MOST_RESAMPLES:,}, but {args.bootstrap} was given."
            )
    if args.data_dir is not None:
        check_path("--data-dir", args.data_dir)
    if folder is None:
        _check_table(args)
        return
    for name in ("rows", "seed", "bootstrap"):
        if getattr(args, name):
            raise InputError(
                f"--{name} was given, but records in '{folder}' are scored as those of studies; leave it "
                "out, or write a table with --out FILE.csv."
            )


def _check_table(args: argparse.Namespace) -> None:
    """Check the options of a card, which may be written as a table."""
    from dis_bench.paths import check_path

    for name in ("name", "seeds", "replace"):
        if getattr(args, name) not in (None, False):
            raise InputError(f"--{name} requires --out DIR, a result folder.")
    if len(args.files or args.encoder) > 1:
        raise InputError("several encoders require --out DIR, a result folder for their records.")
    if args.out is not None:
        out = check_path("--out", args.out)
        if out.exists() or out.is_symlink():
            raise InputError(f"'{out}' already exists; give another file.")
        if not out.parent.is_dir():
            raise InputError(f"there is no folder '{out.parent}' to write '{out}' into.")


def _read(files: list[str], needs_factors: bool) -> list[Encoded]:
    from dis_bench.runners.scoring.encoding import Encoded, read_codes

    every = [read_codes(file, needs_factors) for file in files]
    return [Encoded(one["codes"], one.get("factors"), one.get("log_variances")) for one in every]


def _encode(args: argparse.Namespace, dataset: Any, protocols: dict[str, dict[str, Any]]) -> list[Encoded]:
    """Encode the dataset with each encoder.

    Too few rows for a protocol raise InputError before anything runs.
    """
    from dis_bench.runners.encoders import encode_all
    from dis_bench.runners.scoring.encoding import load_encoders
    from dis_bench.runners.scoring.rows import ROWS

    encoders = [encoder for name in args.encoder for encoder in load_encoders(name)]
    return encode_all(
        encoders, args.dataset or DATASET, dataset, protocols, args.allow_small, args.rows or ROWS
    )
