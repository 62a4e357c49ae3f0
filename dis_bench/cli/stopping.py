"""Commands that stop when a result folder can no longer be read or written."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable

from dis_bench.escape import visible


def stops_in_a_sentence(execute: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command say in a sentence which error of the file system stopped it.

    It returns exit code 1; what it did before the error stays done.
    """

    @functools.wraps(execute)
    def call(args: argparse.Namespace) -> int:
        try:
            return execute(args)
        except BrokenPipeError:  # of standard output, which the command line handles
            raise
        except OSError as error:
            from dis_bench.records.durable import explain

            print(f"dis-bench: stopped: {visible(explain(error))}.", file=sys.stderr)
            return 1

    return call
