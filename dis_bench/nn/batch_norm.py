"""Batch normalisation in a stack on a GPU.

cuDNN's batch normalisation asks for the memory layout of its input, which ``torch.func.vmap`` cannot answer:
a network with BatchNorm would have to be trained cell by cell. torch's own kernels do not ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class WithoutCudnn(TorchFunctionMode):
    """Normalise batches and instances with torch's own kernels within a block.

    This holds for ``torch.nn``'s layers and functions, also those of plug-ins.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, those that normalise without cuDNN."""
        if function not in (F.batch_norm, F.instance_norm):
            return function(*args, **(kwargs or {}))
        cudnn = torch.backends.cudnn
        before, cudnn.enabled = cudnn.enabled, False
        try:
            return function(*args, **(kwargs or {}))
        finally:
            cudnn.enabled = before
