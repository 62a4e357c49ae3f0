"""The machine that trains: its device, its allocator, and how it describes itself in a record."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

from dis_bench.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(wanted: str) -> str:
    """``cuda`` or ``cpu``; ``auto`` takes a GPU where there is one.

    Raises:
        InputError: CUDA was asked for, and torch sees none.
    """
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device cuda was given, but torch sees no CUDA device here; use --device cpu or auto."
        )
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def count_cores() -> int:
    """The cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks, instead of giving them back to the kernel after each step.

    A training step allocates and frees tensors of megabytes; the page faults of getting them anew each
    time take a third of a step on a CPU. Elsewhere than on glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, 1 << 30)


def describe_environment(device: str) -> dict[str, Any]:
    """Versions and hardware, for a record."""
    from importlib.metadata import version

    import torch

    import dis_bench

    packages = ("torch", "numpy", "scipy", "scikit-learn", "pandas")
    return {
        "dis_bench": dis_bench.__version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "platform": platform.platform(),
        "processor": _processor(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": "fp32",
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()
