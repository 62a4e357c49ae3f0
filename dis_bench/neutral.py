"""Isolation from the caller's global settings, in both directions.

numpy, torch, scikit-learn and joblib have settings that a whole process shares, such as torch's default
dtype. A notebook may have changed any of them for its own work. :func:`neutral` runs a block of our code with
the values of a fresh process, and then restores what it found: results neither depend on the caller's
settings nor change them. Libraries that are not imported are left alone.
:mod:`dis_bench.plotting` does the same for matplotlib.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from typing import Any, NamedTuple

from dis_bench.fp32 import IN_FULL, read_products, set_products

NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
NUMPY_PRINTING = {
    **{"edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False},
    **{"linewidth": 75, "nanstr": "nan", "infstr": "inf", "sign": "-", "formatter": None, "legacy": False},
    "override_repr": None,
}
SKLEARN = {
    **{"assume_finite": False, "working_memory": 1024, "enable_metadata_routing": False},
    **{"enable_cython_pairwise_dist": True, "pairwise_dist_chunk_size": 256, "array_api_dispatch": False},
    **{"transform_output": "default", "skip_parameter_validation": False},
}
SMALLEST = [5e-324]  # in a list, since Python would multiply a constant at compile time


class Switch(NamedTuple):
    """A global setting: its name, its getter, its setter, and its value in a fresh process."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], Any]
    neutral: Any


@contextmanager
def neutral(*, warn: bool = False) -> Iterator[None]:
    """Compute as in a fresh process, within a block or a decorated function.

    Args:
        warn: keep warnings as warnings even if the caller turns them into errors; meant for work that takes
            minutes, which no warning should end.
    """
    with ExitStack() as stack:
        stack.enter_context(_undecided_start_method())
        for switch in _switches():
            value = switch.get()
            if value != switch.neutral:
                stack.callback(switch.set, value)
                switch.set(switch.neutral)
        _enter_contexts(stack)
        if warn and any(action == "error" for action, *_ in warnings.filters):
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("default")
        yield


@contextmanager
def _undecided_start_method() -> Iterator[None]:
    """Leave the start method of processes undecided; tqdm and joblib's locks set it."""
    module = "multiprocessing"
    decided = module in sys.modules and sys.modules[module].get_start_method(allow_none=True) is not None
    try:
        yield
    finally:
        if not decided and module in sys.modules:
            sys.modules[module].set_start_method(None, force=True)


def _switches() -> Iterator[Switch]:
    modules = sys.modules
    if modules.get("numpy"):
        yield from _numpy_switches(modules["numpy"])
    if hasattr(modules.get("torch"), "set_default_dtype"):  # False while it is being imported
        yield from _torch_switches(modules["torch"])
    if hasattr(modules.get("sklearn"), "get_config"):
        sklearn = modules["sklearn"]
        known = sklearn.get_config()
        wanted = {name: value for name, value in SKLEARN.items() if name in known}
        read = partial(_read, sklearn.get_config, wanted)
        name = "scikit-learn's configuration"
        yield Switch(name, read, lambda values: sklearn.set_config(**values), wanted)


def _read(get: Callable[[], dict[str, Any]], names: dict[str, Any]) -> dict[str, Any]:
    values = get()
    return {name: values[name] for name in names}


def _numpy_switches(numpy: Any) -> Iterator[Switch]:
    yield Switch("numpy's error state", numpy.geterr, lambda values: numpy.seterr(**values), NUMPY_ERRORS)
    known = numpy.get_printoptions()
    wanted = {name: value for name, value in NUMPY_PRINTING.items() if name in known}
    yield Switch(
        "numpy's print options",
        numpy.get_printoptions,
        lambda values: numpy.set_printoptions(**values),
        wanted,
    )


def _torch_switches(torch: Any) -> Iterator[Switch]:
    yield Switch("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32)
    yield Switch(
        "torch's deterministic algorithms",
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda values: torch.use_deterministic_algorithms(values[0], warn_only=values[1]),
        (False, False),
    )
    yield Switch(
        "torch's anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda values: torch.autograd.set_detect_anomaly(*values),
        (False, True),
    )
    for device in ("cpu", "cuda"):
        yield Switch(
            f"torch's autocast on {device}",
            partial(torch.is_autocast_enabled, device),
            partial(torch.set_autocast_enabled, device),
            False,
        )
    yield Switch(
        "torch's flushing of denormal numbers",
        flushes_denormals,
        torch.set_flush_denormal,
        False,
    )
    yield Switch(
        "torch's precision of fp32 products",
        read_products,
        set_products,
        IN_FULL,
    )
    mkldnn = torch.backends.mkldnn
    yield Switch("torch's oneDNN", lambda: mkldnn.enabled, partial(setattr, mkldnn, "enabled"), True)


def flushes_denormals() -> bool:
    """Return True if this thread's processor takes denormal numbers for zero."""
    return SMALLEST[0] * 1.0 == 0.0


def read_state() -> dict[str, Any]:
    """Read the global settings and random streams of this process, by name."""
    import numpy

    torch = sys.modules.get("torch")
    legacy: Any = numpy.random.get_state()  # noqa: NPY002
    state = {switch.name: copy(switch.get()) for switch in _switches()}
    state |= {
        "the working directory": os.getcwd(),
        "Python's random stream": random.getstate(),
        "numpy's random stream": (legacy[1].tobytes(), *legacy[2:]),
    }
    if torch is not None:
        state |= {
            "torch's random stream": torch.get_rng_state().numpy().tobytes(),
            "torch's number of threads": torch.get_num_threads(),
            "torch's recording of gradients": torch.is_grad_enabled(),
            "torch's default device": str(torch.get_default_device()),
        }
    return state


def _enter_contexts(stack: ExitStack) -> None:
    """Enter context managers for torch's modes and joblib's backend."""
    torch, joblib = sys.modules.get("torch"), sys.modules.get("joblib")
    if torch is not None and hasattr(torch, "set_default_dtype"):
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
    if joblib is not None and joblib.parallel.get_active_backend()[1] != 1:
        stack.enter_context(joblib.parallel_config("sequential", n_jobs=1))


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread within a block, as in a worker."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def own_streams(seed: int) -> Iterator[None]:
    """Seed the global random generators within a block, and restore them afterwards.

    This covers Python, numpy and torch's CPU. Code that draws from them then draws the same numbers every
    time, and the caller's own sequences continue as if it had not run.
    """
    import numpy

    python, legacy = random.getstate(), numpy.random.get_state()  # noqa: NPY002
    torch = sys.modules.get("torch")
    generator = getattr(torch, "default_generator", None)
    state = None if generator is None else generator.get_state()
    try:
        random.seed(seed)
        numpy.random.seed(seed % 2**32)  # noqa: NPY002
        if generator is not None:
            generator.manual_seed(seed % 2**64)
        yield
    finally:
        random.setstate(python)
        numpy.random.set_state(legacy)  # noqa: NPY002
        if generator is not None:
            generator.set_state(state)
