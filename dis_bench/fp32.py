"""Set how torch multiplies fp32 numbers: in full, or with factors rounded to tf32.

torch has two sets of switches for it: the older ones are a word for matrix products and a flag of cuDNN, the
newer ones a word for each library and operation. Reading an older switch raises an error once the two sets
differ, so both are set here, always.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_ON_A_GPU = ("cuda.matmul", "cudnn.conv", "cudnn.rnn")
_ON_A_CPU = ("mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")


class Products(NamedTuple):
    """A state of the switches.

    Attributes:
        matmul: the older word for matrix products; None where torch cannot read it.
        cudnn: the older flag of cuDNN; None where torch cannot read it.
        newer: the newer words by library and operation, as far as torch has them.
    """

    matmul: str | None
    cudnn: bool | None
    newer: dict[str, str]


# Of a fresh process, in which cuDNN's convolutions are tf32: the precision of a cell decides about those.
IN_FULL = Products("highest", None, dict.fromkeys(("cuda.matmul", *_ON_A_CPU), "ieee"))


def read_products() -> Products:
    """Return how torch multiplies fp32 numbers.

    Returns:
        ``IN_FULL`` for every state that amounts to it.
    """
    products = _read_all()
    words = {products.newer.get(name, "none") for name in IN_FULL.newer}
    return IN_FULL if products.matmul == IN_FULL.matmul and words <= {"none", "ieee"} else products


def set_products(products: Products) -> None:
    """Set how torch multiplies fp32 numbers."""
    import torch

    if products.matmul is not None:
        torch.set_float32_matmul_precision(products.matmul)
    if products.cudnn is not None:
        torch.backends.cudnn.allow_tf32 = products.cudnn
    for name, switch in _newer_switches():
        if products.newer.get(name, switch.fp32_precision) != switch.fp32_precision:
            switch.fp32_precision = products.newer[name]


@contextlib.contextmanager
def multiplying(*, tf32: bool) -> Iterator[None]:
    """Multiply fp32 numbers as tf32 on a GPU, or in full, within a block."""
    before = _read_all()
    on_gpu = dict.fromkeys(_ON_A_GPU, "tf32" if tf32 else "ieee")
    set_products(Products("high" if tf32 else "highest", tf32, on_gpu | dict.fromkeys(_ON_A_CPU, "ieee")))
    try:
        yield
    finally:
        set_products(before)


def _read_all() -> Products:
    import torch

    return Products(
        _try(torch.get_float32_matmul_precision),
        _try(lambda: torch.backends.cudnn.allow_tf32),
        {name: switch.fp32_precision for name, switch in _newer_switches()},
    )


def _newer_switches() -> Iterator[tuple[str, Any]]:
    """Yield the newer switches of this torch, each with its name."""
    import torch

    for name in (*_ON_A_GPU, *_ON_A_CPU):
        library, operation = name.split(".")
        switch = getattr(getattr(torch.backends, library), operation, None)
        if hasattr(switch, "fp32_precision"):
            yield name, switch


def _try(read: Callable[[], Any]) -> Any:
    """Read an older switch; None where torch refuses, as only a newer one was set."""
    try:
        return read()
    except RuntimeError:
        return None
