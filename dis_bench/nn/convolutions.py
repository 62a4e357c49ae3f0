"""Layers of the published networks: torch's parameters and results, but faster.

They run on compiled kernels on a CPU (:mod:`compiled`), with the stack's chosen algorithm where many models
are trained as one (:mod:`patches`), and on torch's own layers elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dis_bench.nn import compiled, patches


class Convolution(nn.Conv2d):
    """An ``nn.Conv2d`` with stride 2, which halves height and width.

    In a stack it uses the algorithm chosen in :mod:`patches`.

    Args:
        wide_in: channels of the input.
        wide_out: channels of the output.
        kernel: 4 or 2.
    """

    def __init__(self, wide_in: int, wide_out: int, kernel: int) -> None:
        super().__init__(wide_in, wide_out, kernel, stride=2, padding=kernel // 2 - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, wide_in, 2 H, 2 W] to [B, wide_out, H, W]."""
        assert self.bias is not None
        if patches.by_patches():
            return patches.convolve(images, self.weight, self.bias)
        if patches.in_stack():
            images, weight = patches.as_autocast(patches.lay_out(images), self.weight)
            return patches.add_bias(self._conv_forward(images, weight, None), self.bias)
        return super().forward(images)


class Dense(nn.Linear):
    """An ``nn.Linear`` that keeps to autocast's type in a stack."""

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows [B, in_features] to [B, out_features]."""
        if patches.in_stack():
            rows, weight = patches.as_autocast(rows, self.weight)
            return patches.add_bias(F.linear(rows, weight), self.bias)
        return super().forward(rows)


class TransposedConvolution(nn.ConvTranspose2d):
    """An ``nn.ConvTranspose2d`` with kernel 4, stride 2 and padding 1.

    It doubles height and width.

    Args:
        wide_in: channels of the input.
        wide_out: channels of the output.
    """

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__(wide_in, wide_out, kernel_size=4, stride=2, padding=1)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map images [B, wide_in, H, W] to [B, wide_out, 2 H, 2 W]."""
        assert self.bias is not None
        if patches.by_patches():
            return patches.convolve_transposed(images, self.weight, self.bias)
        if patches.in_stack():
            images, weight = patches.as_autocast(patches.lay_out(images), self.weight)
            wide = F.conv_transpose2d(images, weight, stride=2, padding=1)
            return patches.add_bias(wide, self.bias)
        return super().forward(images, output_size)


class _Layers(nn.Sequential):
    """Layers with ReLU between them, on the compiled kernels where these apply."""

    def forward(self, images: Tensor) -> Tensor:
        if not patches.in_stack() and self._is_as_built():
            layers: list[Any] = list(self)[::2]
            if compiled.serves(images, layers):
                return self._compiled(images, layers)
        result: Tensor = super().forward(images)
        return result

    def _compiled(self, images: Tensor, layers: list[Any]) -> Tensor:
        raise NotImplementedError

    def _is_as_built(self) -> bool:
        """Return True if no layer was replaced and no hook registered on one."""
        kind = type(self[0])
        return all(
            type(layer) is (nn.ReLU if place % 2 else kind) and not _has_hooks(layer)
            for place, layer in enumerate(self)
        )

    def __getitem__(self, index: Any) -> Any:
        return nn.Sequential(*list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)


def _has_hooks(layer: nn.Module) -> bool:
    hooks = (layer._forward_pre_hooks, layer._forward_hooks, layer._backward_pre_hooks, layer._backward_hooks)
    return any(hooks)


class Convolutions(_Layers):
    """Convolutions of stride 2, each followed by ReLU.

    They map images [B, C, H, W] to [B, N, H / 2^layers, W / 2^layers].

    Args:
        widths: channels of the images, then of each layer's output.
        kernels: kernel size of each layer, 4 or 2.
    """

    def __init__(self, widths: Sequence[int], kernels: Sequence[int]) -> None:
        super().__init__()
        for (wide_in, wide_out), kernel in zip(pairwise(widths), kernels, strict=True):
            self.extend([Convolution(wide_in, wide_out, kernel), nn.ReLU(inplace=True)])

    def _compiled(self, images: Tensor, layers: list[Any]) -> Tensor:
        return compiled.convolve(images, layers)


class TransposedConvolutions(_Layers):
    """Transposed convolutions of stride 2, with ReLU between them.

    They map images [B, N, H, W] to [B, C, H * 2^layers, W * 2^layers].

    Args:
        widths: channels of the input, then of each layer's output.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        for wide_in, wide_out in pairwise(widths):
            self.extend([TransposedConvolution(wide_in, wide_out), nn.ReLU(inplace=True)])
        del self[-1]

    def _compiled(self, images: Tensor, layers: list[Any]) -> Tensor:
        return compiled.convolve_transposed(images, layers)
