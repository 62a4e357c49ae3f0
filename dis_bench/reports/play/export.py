"""Export of a trained decoder from torch to a program of a few kinds of layers.

One pass is watched: the layers that run, in their order, must be of the kinds in :data:`EXPORTERS`, and each
must receive what the one before it returned. An affine map before the first of them, such as codes that are
rotated or padded with zeros, becomes a dense layer. The program is then compared with the model itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dis_bench.models.model import Model
from dis_bench.networks import styles
from dis_bench.networks.styles import StyleDecoder
from dis_bench.nn.convolutions import Convolution, Dense, TransposedConvolution
from dis_bench.reports.play.program import Layer, Program, run

TOLERANCE = 1 / 255  # a level of grey: what rounding the weights to 16 bits may cost
_TRIED = 8  # codes on which a program is compared with its model


class NotExported(Exception):
    """Error: a decoder cannot be exported; the message is a clause that says why."""


def export_decoder(model: Model, networks: Any, latents: int, reach: float = 2.0) -> Program:
    """Export a model's decoder, with the sigmoid that makes images of its logits.

    Args:
        model: the model.
        networks: its trained networks, in evaluation mode, on the CPU.
        latents: number of latents D.
        reach: standard deviation of the codes on which the program is compared with the model.

    Raises:
        NotExported: it has a layer or a connection that programs do not have, or its weights do not survive
            the rounding.
    """
    codes = reach * torch.randn(_TRIED, latents, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        calls, logits = _watch(model, networks, codes)
        writer = _Writer()
        first = _find_entrance(model, networks, calls, codes)
        if first is not None:
            writer.dense(*first)
        for module, _, _ in calls:
            EXPORTERS[type(module)](writer, module)
        program = writer.finish()
        distance = float((run(program, codes) - logits.sigmoid()).abs().max())
    if not distance <= TOLERANCE:  # NaN is not either
        raise NotExported(f"its exported layers differ from it by {distance:.2g}")
    return program


Call = tuple[Any, Any, Any]  # module, input, output


def _watch(model: Model, networks: Any, codes: Tensor) -> tuple[list[Call], Tensor]:
    """Decode codes: return the exported layers that ran, and the logits."""
    calls: list[Call] = []
    inner: set[int] = set()  # layers within one that is exported as a whole
    hooks = []
    for module in networks.modules():
        if type(module) in EXPORTERS and id(module) not in inner:
            inner |= {id(part) for part in module.modules() if part is not module}
            hooks.append(
                module.register_forward_hook(lambda m, given, made: calls.append((m, given[0], made)))
            )
    try:
        logits = model.decode(networks, codes)
    finally:
        for hook in hooks:
            hook.remove()
    if logits is None:
        raise NotExported("it decodes no images")
    if not calls:
        raise NotExported("no layer of it is one that a page can run")
    for (_, _, made), (following, given, _) in pairwise(calls):
        if made is not given:
            raise NotExported(f"its {type(following).__name__} does not follow the layer before it")
    if calls[-1][2] is not logits:
        raise NotExported("something follows its last layer")
    return calls, logits


def _find_entrance(
    model: Model, networks: Any, calls: list[Call], codes: Tensor
) -> tuple[Tensor, Tensor | None] | None:
    """Return the affine map from codes to the first layer: weight [N, D], bias [N].

    None if the first layer receives the codes themselves.
    """

    given = calls[0][1]
    if given is codes:
        return None
    count = codes.shape[1]
    units = torch.cat([torch.zeros(1, count), torch.eye(count)])
    images = _watch(model, networks, units)[0][0][1]
    bias, weight = images[0], (images[1:] - images[0]).T
    if not torch.allclose(codes @ weight.T + bias, given, atol=1e-4, rtol=1e-3):
        raise NotExported("codes reach its first layer through a function that is not affine")
    return weight, bias


class _Writer:
    """Layers and their weights, as they are exported."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self._arrays: list[np.ndarray] = []
        self._count = 0

    def add(self, op: str, **values: Any) -> None:
        self.layers.append({"op": op, **values})

    def keep(self, values: Tensor | None) -> int | None:
        """Keep weights, and return their place."""
        if values is None:
            return None
        array = values.detach().cpu().float().contiguous().numpy().ravel()
        place, self._count = self._count, self._count + array.size
        self._arrays.append(array)
        return place

    def dense(self, weight: Tensor, bias: Tensor | None, op: str = "dense") -> None:
        self.add(op, size=[weight.shape[1], weight.shape[0]], weight=self.keep(weight), bias=self.keep(bias))

    def finish(self) -> Program:
        """Return the program, of which a sigmoid is the last layer."""
        self.add("sigmoid")
        weights = np.concatenate(self._arrays) if self._arrays else np.zeros(0)
        with np.errstate(over="ignore"):  # it is then found to differ from the model
            return Program(self.layers, weights.astype(np.float16))


def _export_convolution(writer: _Writer, layer: Any) -> None:
    square = [layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding]
    if any(isinstance(pair, str) or pair[0] != pair[1] for pair in square) or layer.padding_mode != "zeros":
        raise NotExported(f"its {type(layer).__name__} is not square")
    if layer.groups != 1 or layer.dilation[0] != 1:
        raise NotExported(f"its {type(layer).__name__} has groups or a dilation")
    transposed = isinstance(layer, nn.ConvTranspose2d)
    order = (2, 3, 0, 1) if transposed else (2, 3, 1, 0)
    writer.add(
        "transposed" if transposed else "convolve",
        size=[layer.in_channels, layer.out_channels, layer.kernel_size[0]],
        stride=layer.stride[0],
        padding=layer.padding[0],
        **({"extra": layer.output_padding[0]} if transposed else {}),
        weight=writer.keep(layer.weight.permute(order)),
        bias=writer.keep(layer.bias),
    )


def _export_batch_norm(writer: _Writer, layer: Any) -> None:
    if layer.running_mean is None:
        raise NotExported(f"its {type(layer).__name__} has no running mean")
    scale = (layer.running_var + layer.eps).rsqrt()
    scale = scale if layer.weight is None else scale * layer.weight
    shift = -layer.running_mean * scale + (0 if layer.bias is None else layer.bias)
    writer.add("scale", size=[layer.num_features], weight=writer.keep(scale), bias=writer.keep(shift))


def _export_instance_norm(writer: _Writer, layer: Any) -> None:
    if layer.track_running_stats:
        raise NotExported("its InstanceNorm2d has running statistics")
    writer.add("normalise", epsilon=layer.eps)
    if layer.weight is not None:
        size = [layer.num_features]
        writer.add("scale", size=size, weight=writer.keep(layer.weight), bias=writer.keep(layer.bias))


def _export_unflatten(writer: _Writer, layer: Any) -> None:
    if layer.dim != 1 or len(layer.unflattened_size) != 3:
        raise NotExported("its Unflatten does not give an image")
    writer.add("image", size=[int(size) for size in layer.unflattened_size])


def _export_styles(writer: _Writer, decoder: Any) -> None:
    for layer in decoder.dense:
        EXPORTERS[type(layer)](writer, layer)
    writer.add("constant", size=[*decoder.start], value=styles.CONSTANT)
    for block in decoder.blocks:
        _export_convolution(writer, block.convolve)
        writer.add("leaky", slope=block.slope)
        writer.add("normalise", epsilon=styles.EPSILON)
        writer.dense(block.condition.weight, block.condition.bias, op="style")
    _export_convolution(writer, decoder.last)


EXPORTERS: dict[type[nn.Module], Callable[[_Writer, Any], None]] = {
    StyleDecoder: _export_styles,
    **dict.fromkeys((nn.Linear, Dense), lambda writer, layer: writer.dense(layer.weight, layer.bias)),
    **dict.fromkeys((nn.Conv2d, nn.ConvTranspose2d, Convolution, TransposedConvolution), _export_convolution),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), _export_batch_norm),
    nn.InstanceNorm2d: _export_instance_norm,
    nn.Unflatten: _export_unflatten,
    nn.Flatten: lambda writer, layer: writer.add("flat"),
    nn.ReLU: lambda writer, layer: writer.add("relu"),
    nn.LeakyReLU: lambda writer, layer: writer.add("leaky", slope=layer.negative_slope),
    nn.Tanh: lambda writer, layer: writer.add("tanh"),
    nn.Sigmoid: lambda writer, layer: writer.add("sigmoid"),
    **dict.fromkeys((nn.Identity, nn.Dropout), lambda writer, layer: None),
}
