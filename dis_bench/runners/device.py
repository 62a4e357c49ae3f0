"""The training device: its precision, kernels, allocator and description in records."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dis_bench.errors import InputError, Option
from dis_bench.fp32 import multiplying, read_products
from dis_bench.neutral import flushes_denormals

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")
KERNELS = ("auto", "compiled", "torch")

# Environment variables that change how libraries round.
_ROUNDING = (
    *("ATEN_CPU_CAPABILITY", "DNNL_DEFAULT_FPMATH_MODE", "DNNL_MAX_CPU_ISA", "MKL_CBWR"),
    *("MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME"),
    *("NUMBA_DISABLE_JIT", "NUMBA_OPT", "NVIDIA_TF32_OVERRIDE", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)


def choose_device(wanted: str) -> str:
    """Return ``cuda`` or ``cpu``; ``auto`` chooses a GPU if there is one.

    Raises:
        InputError: CUDA was requested, but torch finds no CUDA device.
    """
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(
            *(Option("device", "cuda"), " was given, but torch sees no CUDA device here; use "),
            *(Option("device", "cpu"), " or ", Option("device", "auto"), "."),
        )
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def choose_precision(wanted: str, device: str) -> str:
    """Return ``fp32``, ``tf32`` or ``bf16``; ``auto`` chooses the fastest one.

    On a CPU it is bf16. On a GPU it is tf32: fp32 storage, products with factors rounded to 10-bit mantissas.

    Raises:
        InputError: the device does not support the requested precision.
    """
    allowed = {"fp32": True, "tf32": _has_tf32(device), "bf16": _has_bf16(device)}
    if wanted == "auto":
        faster = "tf32" if device == "cuda" else "bf16"
        return faster if allowed[faster] else "fp32"
    if not allowed[wanted]:
        raise InputError(
            *(Option("precision", wanted), f" was given, but this {device} does not support it; use "),
            *(Option("precision", "fp32"), " or ", Option("precision", "auto"), "."),
        )
    return wanted


def choose_kernels(wanted: str, device: str, precision: str) -> str:
    """Return ``compiled`` or ``torch``; ``auto`` prefers compiled kernels.

    Raises:
        InputError: compiled kernels were requested, but are not available.
    """
    from dis_bench.nn.compiled import why_unavailable

    reason = "a GPU trains with torch's layers" if device == "cuda" else why_unavailable(precision)
    if wanted == "auto":
        return "torch" if reason else "compiled"
    if wanted == "compiled" and reason:
        raise InputError(f"--kernels compiled was given, but {reason}; use torch or auto.")
    return wanted


@contextmanager
def computing(precision: str, kernels: str) -> Iterator[None]:
    """Set the precision and kernels of computations in this block.

    A GPU multiplies fp32 numbers as tf32 if that is the precision, and in full fp32 otherwise; sums of bf16
    products are fp32. Only the passes of networks run in bf16: losses are fp32. cuDNN times its algorithms
    once for every shape, and uses the fastest. On a CPU, ``kernels`` selects the convolutions: ``compiled``,
    ``torch``, or ``auto`` for those that are available; and numbers below 1.2e-38 count as zero, because some
    processors take many times as long for them. Adam's means of the gradients of a dead unit all get there.
    """
    import torch

    from dis_bench.nn.compiled import convolving_with
    from dis_bench.nn.precision import networks_in

    switches = [
        (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
        (torch.backends.cudnn, "benchmark", True),
    ]
    before = [getattr(library, name) for library, name, _ in switches]
    try:
        for library, name, value in switches:
            setattr(library, name, value)
        with (
            multiplying(tf32=precision == "tf32"),
            convolving_with(kernels),
            networks_in(precision),
            _flushing_denormals(),
        ):
            yield
    finally:
        for (library, name, _), value in zip(switches, before, strict=True):
            setattr(library, name, value)


@contextmanager
def _flushing_denormals() -> Iterator[None]:
    import torch

    before = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def check_device(device: str) -> None:
    """Check that the GPU still works, by synchronising with it.

    Raises:
        RuntimeError: an error such as an illegal access broke the GPU for the rest of this process.
    """
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def _has_tf32(device: str) -> bool:
    import torch

    return device == "cuda" and torch.cuda.get_device_capability() >= (8, 0)


def _has_bf16(device: str) -> bool:
    import torch

    return torch.cuda.is_bf16_supported() if device == "cuda" else _cpu_has_bf16()


def _cpu_has_bf16() -> bool:
    """Return True if the CPU multiplies bf16 natively; emulation is slower than fp32."""
    return any(flag in _cpuinfo("flags").split() for flag in ("avx512_bf16", "amx_bf16"))


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks, rather than return them to the kernel.

    A training step allocates and frees tensors of megabytes. The page faults of allocating them again took
    from 3 % to a third of each step, depending on what a fault costs on a host. Without glibc, this does
    nothing.
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


def describe_environment(device: str, precision: str, kernels: str) -> dict[str, Any]:
    """Return versions, hardware and numerical settings, for a record."""
    from importlib.metadata import version

    import torch

    from dis_bench.nn.compiled import describe_instructions
    from dis_bench.version import __version__

    packages = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "numba", "llvmlite")
    return {
        "dis_bench": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "platform": platform.platform(),
        "processor": _cpuinfo("model name") or platform.processor(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": precision,
        "kernels": f"compiled, {describe_instructions(precision)}" if kernels == "compiled" else kernels,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "switches": _describe_switches(),
    }


def describe_computer(device: str, precision: str, kernels: str) -> dict[str, Any]:
    """Return what of the environment decides how a training rounds."""
    names = ("dis_bench", "torch", "numba", "processor", "device", "kernels", "instructions", "switches")
    environment = describe_environment(device, precision, kernels)
    return {name: environment[name] for name in names}


def _describe_switches() -> dict[str, str]:
    """Return the settings that affect rounding and differ from their defaults."""
    import torch

    states = {
        "default dtype": (str(torch.get_default_dtype()), "torch.float32"),
        "deterministic algorithms": (str(torch.are_deterministic_algorithms_enabled()), "False"),
        "float32 matmul precision": (read_products().matmul or "mixed", "highest"),
        "oneDNN": (str(torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled()), "True"),
        "flush denormal": (str(flushes_denormals()), "False"),
    }
    changed = {name: state for name, (state, usual) in states.items() if state != usual}
    return changed | {name: os.environ[name] for name in _ROUNDING if name in os.environ}


def _cpuinfo(name: str) -> str:
    """Return an entry of /proc/cpuinfo for the first processor; empty without Linux."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            entries = (line.partition(":") for line in file)
            return next((value.strip() for key, _, value in entries if key.strip() == name), "")
    except OSError:
        return ""
