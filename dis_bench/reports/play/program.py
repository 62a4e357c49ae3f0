"""A decoder as a short list of layers over one array of weights, for any language."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Layer = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """A decoder from a code [D] to an image [H, W, C] in [0, 1].

    A layer is a dict with its operation ``op``, its ``size``, and the places of its ``weight`` and ``bias``
    in the array; a place that is None means that there is none. Images are in the order height, width,
    channels. The operations:

    ========== =============================================================================================
    dense      ``size`` [inputs, outputs]; weight [outputs, inputs]
    image      ``size`` [C, H, W]: numbers in that order become an image [H, W, C]
    flat       the reverse of ``image``
    convolve   ``size`` [inputs, outputs, kernel], ``stride``, ``padding``; weight [K, K, inputs, outputs]
    transposed the same, with ``extra`` rows and columns of output, transposed
    scale      ``size`` [C]: times weight, plus bias; a batch normalisation after training
    normalise  each channel to mean 0 and variance 1, with ``epsilon``
    relu, leaky (``slope``), tanh, sigmoid
    constant   ``size`` [C, H, W], ``value``: go on with a constant image; what came before is the style
    style      ``size`` [inputs, 2 C]: scale and shift the channels by ReLU of a dense layer of the style
    ========== =============================================================================================

    Attributes:
        layers: in the order in which they run.
        weights: float16 [N], of all layers.
    """

    layers: list[Layer]
    weights: NDArray[np.float16]

    def describe(self) -> dict[str, Any]:
        """Return the program as plain values, with little-endian weights in base64."""
        encoded = base64.b64encode(self.weights.astype("<f2").tobytes()).decode()
        return {"layers": self.layers, "weights": encoded}


def run(program: Program, codes: Tensor) -> Tensor:
    """Run a program on codes [B, D] with torch; return images [B, C, H, W] in [0, 1].

    It is how an export is checked: a browser runs the same layers in play.js's own code.
    """
    weights = torch.from_numpy(program.weights.astype(np.float32))
    values, style = codes, codes
    for layer in program.layers:
        if layer["op"] == "constant":
            style = values
            values = torch.full((len(values), *layer["size"]), layer["value"])
        else:
            values = _run_layer(layer, weights, values, style)
    return values


def _run_layer(layer: Layer, weights: Tensor, values: Tensor, style: Tensor) -> Tensor:
    op, size = layer["op"], layer.get("size", [])
    if op in ("dense", "style"):
        made = F.linear(
            style if op == "style" else values, *_take(layer, weights, (size[1], size[0]), size[1])
        )
        if op == "dense":
            return made
        scale, shift = made.relu()[:, :, None, None].chunk(2, dim=1)
        return values * scale + shift
    if op in ("convolve", "transposed"):
        weight, bias = _take(layer, weights, (size[2], size[2], size[0], size[1]), size[1])
        if op == "convolve":
            return F.conv2d(values, weight.permute(3, 2, 0, 1), bias, layer["stride"], layer["padding"])
        where = (layer["stride"], layer["padding"], layer["extra"])
        return F.conv_transpose2d(values, weight.permute(2, 3, 0, 1), bias, *where)
    if op == "scale":
        weight, bias = _take(layer, weights, (size[0],), size[0])
        shape = (-1, *[1] * (values.ndim - 2))
        return values * weight.view(shape) + bias.view(shape)
    simple = {
        "image": lambda: values.unflatten(1, tuple(size)),
        "flat": lambda: values.flatten(1),
        "normalise": lambda: F.instance_norm(values, eps=layer["epsilon"]),
        "relu": values.relu,
        "leaky": lambda: F.leaky_relu(values, layer["slope"]),
        "tanh": values.tanh,
        "sigmoid": values.sigmoid,
    }
    return simple[op]()


def _take(layer: Layer, weights: Tensor, shape: tuple[int, ...], outputs: int) -> tuple[Tensor, Any]:
    """Return a layer's weight, and its bias or None."""
    count = int(np.prod(shape))
    weight = weights[layer["weight"] : layer["weight"] + count].view(shape)
    start = layer["bias"]
    return weight, None if start is None else weights[start : start + outputs]
