"""``dis-bench``: the parser, and the reporting of errors to the user."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from dis_bench.cli import check, compare, data, doctor, export, merge, prune, report, run, score, status
from dis_bench.cli import list as list_plugins
from dis_bench.errors import COMMAND, InputError, unknown, worded_for
from dis_bench.escape import visible
from dis_bench.printing import plain_warnings, unbreakable
from dis_bench.requirements import names_missing_packages
from dis_bench.runners.stopping import exit_code
from dis_bench.version import __version__

EXAMPLES = """\
examples:
  dis-bench run --models betavae --betas 1 4 10     train, encode and score: a few minutes, no download
  dis-bench report                                  tables, plots and a page from the results
  dis-bench doctor                                  what looks wrong with trained cells, and what to try
  dis-bench status                                  what is done, running and left, also from elsewhere
  dis-bench score codes.npz                         scores for the codes of any encoder
  dis-bench compare before after                    what changed in the same cells of two folders
  dis-bench check metric my_metric.py:my_score      does your own metric behave as tables assume?
  dis-bench check model mine.py:MyVAE               and your own model, dataset or network?
  dis-bench list models                             what is available, with its parameters
  dis-bench data show dsprites                      a picture of each factor of a dataset
"""


class Parser(argparse.ArgumentParser):
    """A parser that raises InputError with a suggestion instead of printing the usage."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        # argparse reads -1 as a value, but -1e3 and -inf as options.
        self._negative_number_matcher = re.compile(r"^-(\d|\.\d|inf|nan)")

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` shows the usage.")


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """Build the parser of the command line; return it and its subparsers by name."""
    parser = Parser(
        prog="dis-bench",
        description="Train, score and compare disentangled representations.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"dis-bench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=Parser)
    runs = (run, report, doctor, status, merge, prune)
    for module in (*runs, compare, export, score, check, list_plugins, data):
        module.add_parser(commands)
    return parser, commands.choices


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: the words after ``dis-bench``; by default those of this process.

    Returns:
        0 for success, 1 if something failed, 2 for bad input, 75 if a scheduler stopped it (SIGTERM or
        SIGUSR1), 130 after Ctrl-C.
    """
    words = sys.argv[1:] if arguments is None else [*arguments]
    with unbreakable() as lost:
        code = _report_errors(words)
        sys.stdout.flush()
        if lost:
            print(f"dis-bench: error: the output could not be written: {lost[0].strerror}.", file=sys.stderr)
            return code or 1
        return code


def _report_errors(words: Sequence[str]) -> int:
    try:
        with worded_for(COMMAND), _importing_from_here(), plain_warnings():
            return _execute(words)
    except InputError as error:
        print(f"dis-bench: error: {visible(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("dis-bench: stopped.", file=sys.stderr)
        return exit_code(stop)
    except BrokenPipeError:  # from a stream that a caller has substituted for stdout
        return 1
    except OSError as error:  # what was done before it stays done
        from dis_bench.records.durable import explain

        print(f"dis-bench: stopped: {visible(explain(error))}.", file=sys.stderr)
        return 1


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """Let ``module:Name`` find modules in the current folder, as ``python -m`` does."""
    try:
        here = os.getcwd()
    except FileNotFoundError:  # the folder was deleted
        here = ""
    is_new = here not in ("", *sys.path)
    if is_new:
        sys.path.append(here)
    try:
        yield
    finally:
        if is_new and here in sys.path:
            sys.path.remove(here)


@names_missing_packages
def _execute(words: Sequence[str]) -> int:
    parser, commands = build_parser()
    if words and not words[0].startswith("-") and words[0] not in commands:
        raise unknown("command", words[0], commands)
    args, rest = parser.parse_known_args(words)
    if rest:
        raise _unknown_option(rest[0], commands.get(args.command, parser))
    if args.command is None:
        parser.print_help()
        return 0
    return args.execute(args)


def _unknown_option(given: str, parser: Parser) -> InputError:
    if not given.startswith("-"):
        return InputError(f"unexpected argument '{given}'; `{parser.prog} --help` shows the usage.")
    options = [option for action in parser._actions for option in action.option_strings]
    close = difflib.get_close_matches(given.partition("=")[0], options, n=1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    return InputError(f"unknown option '{given}': {meant}`{parser.prog} --help` lists them.")
