"""Independent parts of work, such as codes or factors, on all threads of this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

from dis_bench.bars import bar
from dis_bench.cores import count_cores

Part = TypeVar("Part")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Part], Result], parts: Iterable[Part], description: str, unit: str
) -> list[Result]:
    """Apply a function to each part on several threads; return the results in order.

    Each part is computed on one thread, so results do not depend on the number of threads. This saves time if
    the function spends it in numpy, scikit-learn or compiled loops, which release the GIL. A progress bar
    appears after two seconds.

    Args:
        function: a function of one part.
        parts: the parts, any values.
        description: label of the progress bar.
        unit: name of a part in the progress bar.
    """
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    parts = list(parts)

    def watch(results: Iterable[Result]) -> list[Result]:
        return list(bar(results, description, len(parts), unit=unit))

    threads = min(len(parts), count_threads())
    # Also for a single thread, so that matrix products are always rounded as on one thread.
    with threadpool_limits(1, user_api="blas"):
        if threads < 2:
            return watch(map(function, parts))
        with ThreadPoolExecutor(threads) as pool:
            return watch(pool.map(function, parts))


def count_threads() -> int:
    """Return ``OMP_NUM_THREADS``, as numpy and torch do; if unset, one per core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return count_cores()
