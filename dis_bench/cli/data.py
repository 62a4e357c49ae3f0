"""``dis-bench data``: fetch, verify and show datasets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.cli.options import SEVERAL
from dis_bench.errors import InputError, blaming
from dis_bench.paths import check_path

if TYPE_CHECKING:
    from pathlib import Path

    from dis_bench.datasets.archives import Archive

EXAMPLES = """\
examples:
  dis-bench data show dsprites                         draws dsprites.png: no download
  dis-bench data fetch dsprites                        the authors' archive, about 26 MB
  dis-bench data fetch shapes3d --data-dir /data       268 MB
  dis-bench data verify shapes3d --data-dir /data      is that file the authors'?
  dis-bench data list                                  what there is, what is on this machine, and where
  dis-bench data fetch mnist                           four files, 12 MB
  dis-bench data fetch mpi3d --set mpi3d.variant=toy   the file of one variant
  dis-bench data show folder:photos                    a sample of your own images
  dis-bench data show shapes3d --source official --out faces.png

Archives are stored in --data-dir, else in the directory that DIS_BENCH_DATA names, else in the user's cache.
"""
UNVERIFIED = "there, but cannot be verified, since no digest of it is published."
PICTURES = (".png", ".pdf", ".svg", ".jpg")


def add_parser(subparsers: Any) -> None:
    """Add ``data`` to the command line."""
    parser = subparsers.add_parser(
        "data",
        help="fetch, verify and show datasets",
        description="Fetch and verify the authors' archives; draw a picture of a dataset's factors.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    text = "list datasets: images, factors, sources, files, what is on this machine and where"
    action = actions.add_parser("list", help=text, description=_sentence(text), epilog=EXAMPLES)
    action.add_argument("--data-dir", metavar="DIR", help="where archives are stored")
    action.set_defaults(act=_list)
    texts = {
        _fetch: "download the authors' archive, unless it is there; resumes a broken download",
        _verify: "read the authors' archive again and compare its digests",
        _show: "draw a picture with one row per factor, in which only that factor changes",
    }
    for act, text in texts.items():
        action = actions.add_parser(act.__name__[1:], help=text, description=_sentence(text), epilog=EXAMPLES)
        action.add_argument("name", metavar="NAME", help="a dataset; `dis-bench list datasets` shows them")
        action.add_argument("--data-dir", metavar="DIR", help="where archives are stored")
        action.add_argument(
            "--set",
            **SEVERAL,
            default=[],
            metavar="NAME.KEY=VALUE",
            help="parameters of the dataset, as `dis-bench list datasets` shows them",
        )
        action.set_defaults(act=act)
        if act is _show:
            action.add_argument("--source", help="where the pixels come from (default: the dataset's first)")
            action.add_argument(
                "--out", metavar="FILE", help="the picture (default: NAME.png, in this folder)"
            )
    parser.set_defaults(execute=execute)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def execute(args: argparse.Namespace) -> int:
    """Carry out one action."""
    if args.data_dir is not None:
        check_path("--data-dir", args.data_dir)
    args.act(args)
    return 0


def _list(args: argparse.Namespace) -> None:
    from dis_bench.datasets.inventory import describe_datasets

    for number, lines in enumerate(describe_datasets(args.data_dir)):
        print("\n".join([*([""] if number else []), *lines]))


def _fetch(args: argparse.Namespace) -> None:
    from dis_bench.datasets import archives, download

    found = _find_archives(args)
    for archive, there in found:
        if there is not None and archive.digests:
            archives.verify(*there)
            path, is_new = there[1], False
        else:
            path, is_new = download.fetch(archive, args.data_dir)
        if archive.digests:
            print(f"{path}: {'downloaded and verified' if is_new else 'already there, and verified'}.")
        else:
            print(f"{path}: {UNVERIFIED}")
    print(f"Licence of the data: {found[0][0].licence}.")


def _verify(args: argparse.Namespace) -> None:
    from dis_bench.datasets import archives

    for published, there in _find_archives(args):
        if there is None:
            raise archives.missing(published, args.data_dir)
        archive, path = there
        if not archive.digests:
            print(f"{path}: {UNVERIFIED}")
            continue
        archives.verify(archive, path)
        digests = ", ".join(f"{algorithm} {digest}" for algorithm, digest in archive.digests.items())
        print(f"{path}: verified ({digests}).")


def _show(args: argparse.Namespace) -> None:
    from dis_bench.datasets import load_dataset
    from dis_bench.runners.planning.plugins import check_dataset, check_images

    values = _read_parameters(args)
    dataset = load_dataset(args.name, source=args.source, data_dir=args.data_dir, **values)
    check_dataset(args.name, dataset)
    out = check_path("--out", f"{dataset.name}.png" if args.out is None else args.out)
    if out.suffix not in PICTURES:
        raise InputError(f"pictures are written as {', '.join(PICTURES)}, but '{out}' was given.")
    if not out.parent.is_dir():
        raise InputError(f"the picture cannot be written: there is no directory '{out.parent}'.")
    from dis_bench.datasets.picture import draw_picture

    check_images(args.name, dataset)
    path = draw_picture(dataset, out)
    renamed = f" ('{out}' already exists)" if path != out else ""
    what = "a row per factor" if dataset.known_factors is not None else "a sample"
    print(f"{path}{renamed}: {dataset.name} ({dataset.source}), {what}.")


def _find_archives(args: argparse.Namespace) -> list[tuple[Archive, tuple[Archive, Path] | None]]:
    """Find the files that a dataset reads with the given parameters.

    Returns:
        Each as it was published, with the file that is there, packed or not, or None.
    """
    from dis_bench.datasets.archives import Archive
    from dis_bench.datasets.packed import find_there

    values = _read_parameters(args)
    dataset = registry.find("datasets", args.name).load()
    with blaming(f"dataset '{args.name}' cannot be used", refusals=False):
        declared = getattr(dataset, "parameters", ())
        parsed = {one.name: one.parse(values.get(one.name, one.default)) for one in declared}
        found = dataset.list_archives(**parsed) if hasattr(dataset, "list_archives") else ()
        sources = getattr(dataset, "sources", ())
        is_valid = bool(found) and all(isinstance(one, Archive) for one in found)
    if not is_valid:
        known = ", ".join(map(str, sources)) or "none"
        raise InputError(f"dataset '{args.name}' has no archive to download: its sources are {known}.")
    files = getattr(dataset, "files", None)
    return [(archive, find_there(archive, files, args.data_dir)) for archive in found]


def _read_parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Read the parameters of the dataset, as texts by name.

    Raises:
        InputError: an argument has another form, or names another dataset or an unknown parameter.
    """
    if not args.set:
        return {}
    from dis_bench.runners.planning.settings import parse_settings, resolve_settings

    plugin = registry.find("datasets", args.name)
    with blaming(f"dataset '{args.name}' cannot be used", refusals=False):
        declared = {one.name: one for one in getattr(plugin.load(), "parameters", ())}
    example = "mpi3d.variant=toy"
    given = parse_settings(args.set, example)
    return resolve_settings(given, {}, {}, {plugin.name: declared}).datasets.get(plugin.name, {})
