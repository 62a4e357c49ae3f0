"""Train, score and compare disentangled representations.

The public API, imported when first used, so that ``import dis_bench`` stays cheap.
"""

from __future__ import annotations

from typing import Any

from dis_bench.version import __version__

_API = {
    "InputError": "dis_bench.errors",
    "Study": "dis_bench.runners.study",
    "build_model": "dis_bench.models",
    "load_dataset": "dis_bench.datasets",
    "read_results": "dis_bench.records.store",
    "run": "dis_bench.runners.run",
    "score": "dis_bench.metrics",
    "udr": "dis_bench.metrics.udr",
}

__all__ = [
    "InputError",
    "Study",
    "__version__",
    "build_model",
    "load_dataset",
    "read_results",
    "run",
    "score",
    "udr",
]


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'dis_bench' has no attribute '{name}'")
    import importlib

    from dis_bench.requirements import names_missing_packages

    return getattr(names_missing_packages(importlib.import_module)(_API[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_API])
