"""Work that falls into parts, one per code or factor, on as many threads as this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

from dis_bench.bars import bar

Part = TypeVar("Part")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Part], Result], parts: Iterable[Part], description: str, unit: str
) -> list[Result]:
    """The results of a function for each part, in order; a progress bar shows after two seconds.

    Each part is computed on one thread, so that results do not depend on how many there are. It pays where
    the function spends its time in numpy, scikit-learn or compiled loops, which let other threads run.

    Args:
        function: of one part.
        parts: any values.
        description: names the bar.
        unit: what a part is.
    """
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    parts = list(parts)

    def watch(results: Iterable[Result]) -> list[Result]:
        return list(bar(results, description, len(parts), unit=unit))

    threads = min(len(parts), count_threads())
    # Also around a single thread: products of matrices, too, are rounded as one thread rounds them.
    with threadpool_limits(1, user_api="blas"):
        if threads < 2:
            return watch(map(function, parts))
        with ThreadPoolExecutor(threads) as pool:
            return watch(pool.map(function, parts))


def count_threads() -> int:
    """``OMP_NUM_THREADS``, which numpy and torch follow too; without it, one per core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return count_cores()


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
