"""``dis-bench score``: scores of any representation, from arrays or an encoder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from dis_bench.errors import InputError

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = """\
examples:
  dis-bench score codes.npz                                    arrays `codes` [N, D] and `factors` [N, F]
  dis-bench score codes.npz --metrics mig dci --bootstrap 100  with intervals over rows
  dis-bench score codes.npz --allow-small                      with fewer rows than 15,000; marked
  dis-bench score codes.npz --no-anchors                       in half the time, without perfect and chance
  dis-bench score codes.npz --metrics mig dci --set mig.bins=40 dci.estimator=sklearn
  dis-bench score --encoder my_model.py:encode --dataset shapes3d

An encoder takes images, a uint8 torch tensor [B, C, H, W], and returns codes [B, D]. A torch.nn.Module
gets floats in [0, 1] instead, in evaluation mode.
"""


def add_parser(subparsers: Any) -> None:
    """Add ``score`` to the command line."""
    parser = subparsers.add_parser(
        "score",
        help="score any representation: arrays in a file, or an encoder",
        description="Score codes against ground-truth factors: an npz file, or an encoder on a dataset.",
        epilog=EXAMPLES,
    )
    parser.add_argument("file", nargs="?", metavar="FILE.npz", help="arrays codes [N, D] and factors [N, F]")
    encoder = parser.add_argument_group("an encoder instead of a file")
    encoder.add_argument(
        "--encoder", metavar="FILE.py:NAME", help="a callable: images [B, C, H, W] to codes [B, D]"
    )
    encoder.add_argument("--dataset", metavar="NAME", help="the dataset to encode (default: dsprites)")
    encoder.add_argument(
        "--source", metavar="rendered|official", help="source of the dataset's images (default: rendered)"
    )
    encoder.add_argument("--data-dir", metavar="DIR", help="where official files are")
    encoder.add_argument("--rows", type=int, metavar="N", help="images to encode (default: 15,000)")
    scoring = parser.add_argument_group("scoring")
    scoring.add_argument(
        "--metrics", nargs="+", metavar="NAME", help="metrics to compute (default: all installed)"
    )
    scoring.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="METRIC.NAME=VALUE",
        help="parameters of metrics (default: as published; docs/metrics.md lists them)",
    )
    scoring.add_argument(
        "--seed", type=int, default=0, metavar="N", help="for shuffling and sampling (default: 0)"
    )
    scoring.add_argument("--bootstrap", type=int, default=0, metavar="N", help="resamples for 95%% intervals")
    scoring.add_argument("--allow-small", action="store_true", help="score with fewer rows than published")
    scoring.add_argument("--no-anchors", action="store_true", help="score the codes only, in half the time")
    scoring.add_argument("--out", metavar="FILE.csv", help="write the table here as well; must not exist")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print one line per score: value, interval, perfect and chance anchors, range."""
    _check(args)
    from dis_bench.metrics import Representation, find_metrics
    from dis_bench.metrics.score_card import make_card
    from dis_bench.runners.settings import parse_settings, resolve_settings

    metrics = find_metrics(args.metrics, given=[] if args.encoder else ["log_variances"])
    parameters = resolve_settings(parse_settings(args.set, "mig.bins=40"), {}, metrics).parameters
    for metric in metrics.values():  # report it before an encoder runs
        if args.encoder and metric.needs:
            raise InputError(
                f"{metric.name} needs {metric.needs[0]}, which an encoder does not return: save them beside "
                "codes and factors, and give the file."
            )
    used = {name: metric.resolve(parameters.get(name, {})) for name, metric in metrics.items()}
    arrays = _read(args, used)
    representation = Representation(**arrays, seed=args.seed, allow_small=args.allow_small)
    card = make_card(
        representation, args.metrics, parameters, bootstrap=args.bootstrap, anchors=not args.no_anchors
    )
    print(card.text)
    if args.out is not None:
        with open(args.out, "x", encoding="utf-8") as file:
            card.table.to_csv(file)
    return 0


def _check(args: argparse.Namespace) -> None:
    from dis_bench.paths import check_path

    if (args.file is None) == (args.encoder is None):
        raise InputError(
            "give either a file, `dis-bench score codes.npz`, or --encoder file.py:name; one of the two."
        )
    for name in ("dataset", "source", "data_dir", "rows"):
        if args.file is not None and getattr(args, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} requires --encoder, but a file was given.")
    for name, least in (("rows", 2), ("seed", 0), ("bootstrap", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name} must be a whole number of at least {least}, but {value} was given.")
    if args.bootstrap == 1:
        raise InputError("--bootstrap must be 0, for no intervals, or at least 2, but 1 was given.")
    if args.data_dir is not None:
        check_path("--data-dir", args.data_dir)
    if args.out is not None:
        out = check_path("--out", args.out)
        if out.exists() or out.is_symlink():
            raise InputError(f"'{out}' already exists; give another file.")
        if not out.parent.is_dir():
            raise InputError(f"there is no folder '{out.parent}' to write '{out}' into.")


def _read(args: argparse.Namespace, protocols: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return the arrays to score.

    With an encoder, too few rows for a protocol raise InputError before it runs.
    """
    from dis_bench.metrics.protocols import check_rows
    from dis_bench.runners.scoring.encoding import encode_dataset, load_encoder, read_codes

    if args.file is not None:
        return read_codes(args.file)
    from dis_bench.datasets import load_dataset
    from dis_bench.runners.plugins import check_dataset, check_images
    from dis_bench.runners.scoring.rows import ROWS

    encode = load_encoder(args.encoder)
    name = "dsprites" if args.dataset is None else args.dataset
    dataset = load_dataset(name, source=args.source, data_dir=args.data_dir)
    check_dataset(name, dataset)
    check_images(name, dataset)
    rows = min(args.rows or ROWS, len(dataset))
    check_rows(protocols, rows, args.allow_small)
    codes, factors = encode_dataset(encode, dataset, args.rows or ROWS)
    return {"codes": codes, "factors": factors}
