"""Autograd functions that run convolutions and ReLU on the compiled kernels.

Where :func:`serves` returns True, :func:`convolve` and :func:`convolve_transposed` compute the same outputs
and gradients as torch's own layers, up to rounding. Gradients of gradients are left to torch's layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dis_bench.nn import packing

Layers = Sequence[nn.Conv2d | nn.ConvTranspose2d]


class KernelsFailed(RuntimeError):
    """Compiled kernels that were requested, but cannot be compiled or run."""


_choice: ContextVar[str] = ContextVar("kernels", default="auto")


@contextmanager
def convolving_with(kernels: str) -> Iterator[None]:
    """Convolve with ``compiled`` kernels or with ``torch``'s layers within a block.

    Outside such a block, the kernels are used where possible. Inside, they raise :class:`KernelsFailed` if
    they cannot be used, because torch's layers would round differently.
    """
    token = _choice.set(kernels)
    try:
        yield
    finally:
        _choice.reset(token)


def why_unavailable(precision: str) -> str:
    """Return why the kernels cannot compute in a precision here, or an empty string."""
    if isinstance(_load(), Exception):
        return f"they cannot be loaded: {_in_one_line(_load())}"
    reason: str = _load().why_unavailable(precision == "bf16")
    return reason


def check_available(kernels: str, precision: str) -> None:
    """Check that this process can compute as planned.

    Raises:
        KernelsFailed: the compiled kernels are requested but unavailable.
    """
    reason = why_unavailable(precision) if kernels == "compiled" else ""
    if reason:
        raise _failed(reason)


def describe_instructions(precision: str) -> str:
    """Return the instruction set of the compiled kernels, which decides the rounding."""
    kernels = _load()
    return "none" if isinstance(kernels, Exception) else str(kernels.describe_instructions(precision))


def serves(images: Tensor, layers: Layers) -> bool:
    """Return True if the kernels apply to this call; else torch's layers take it.

    Raises:
        KernelsFailed: the kernels are requested, but cannot be loaded.
    """
    return (
        _is_plain_call()
        and _choice.get() != "torch"
        and _are_sound(images, layers)
        and _dtype() in _dtypes()
        and _divide_evenly(images, layers)
        # Convolutions serve the encoder, whose images come from a dataset and need no gradient.
        and not (isinstance(layers[0], nn.Conv2d) and images.requires_grad and torch.is_grad_enabled())
    )


def convolve(images: Tensor, layers: Sequence[nn.Conv2d]) -> Tensor:
    """Apply convolutions of stride 2, each followed by ReLU.

    Args:
        images: [B, C, H, W], which need no gradient.
        layers: of kernel 4 with padding 1, or kernel 2 without padding.

    Returns:
        [B, N, H / 2^layers, W / 2^layers], bf16 under autocast.
    """
    result: Tensor = _Convolutions.apply(images, _dtype(), *_parameters(layers))
    return result


def convolve_transposed(images: Tensor, layers: Sequence[nn.ConvTranspose2d]) -> Tensor:
    """Apply transposed convolutions, with ReLU after all but the last.

    Args:
        images: [B, N, H, W].
        layers: of kernel 4, stride 2 and padding 1; the last may have few channels.

    Returns:
        [B, C, H * 2^layers, W * 2^layers], float32 even under autocast.
    """
    result: Tensor = _TransposedConvolutions.apply(images, _dtype(), *_parameters(layers))
    return result


def _is_plain_call() -> bool:
    """Return True if no functorch transform, tracer, compiler or mode is active."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
        or torch.autograd.forward_ad._current_level >= 0
    )


def _are_sound(images: Tensor, layers: Layers) -> bool:
    """Return True if the types, shapes and geometry suit torch and the kernels."""
    wide_in, wide_out = zip(*map(_channels, layers), strict=True) if layers else ((), ())
    parameters = _parameters(layers)
    return (
        len(layers) > 1  # numba cannot type the elements of an empty tuple
        and images.dim() == 4
        and images.shape[2:].numel() > 0
        and wide_in == (images.shape[1], *wide_out[:-1])
        and all(map(_has_geometry, layers))
        and type(images) is Tensor
        and all(type(parameter) in (Tensor, nn.Parameter) for parameter in parameters)
        and all(tensor.device.type == "cpu" for tensor in (images, *parameters))
        and images.dtype in (torch.float32, _dtype())
        and all(parameter.dtype == torch.float32 for parameter in parameters)
    )


def _has_geometry(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Return True if the kernels support a layer's kernel, geometry and bias."""
    size = layer.weight.shape[2]
    made = layer.stride, layer.padding, layer.dilation, layer.groups, layer.padding_mode
    return (
        (size == 4 or (size == 2 and isinstance(layer, nn.Conv2d)))
        and layer.weight.shape[3] == size
        and made == ((2, 2), (size // 2 - 1,) * 2, (1, 1), 1, "zeros")
        and layer.bias is not None
        and layer.bias.shape == (_channels(layer)[1],)
    )


def _divide_evenly(images: Tensor, layers: Layers) -> bool:
    """Return True if images and channels divide into whole products in each layer."""
    rows, columns = _kernels().registers.ROWS, _kernels().registers.COLUMNS
    height, width = images.shape[2:]
    transposed = isinstance(layers[0], nn.ConvTranspose2d)
    channels = [_channels(layer)[0 if transposed else 1] for layer in layers]
    times = 1 if transposed else 2 ** len(layers)
    # The rows of a product are pixels of one line, or of two lines of four. The smallest images decide.
    smallest = width // times
    return (
        (smallest % rows == 0 or (smallest == 4 and height % (2 * times) == 0))
        and height % times == width % times == 0
        and all(count % columns == 0 for count in channels)
        and layers[0].weight.shape[1:3].numel() % 4 == 0  # products of the first kernel's gradient
    )


def _channels(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, int]:
    """Return the numbers of input and output channels."""
    first, second = layer.weight.shape[:2]
    return (first, second) if isinstance(layer, nn.ConvTranspose2d) else (second, first)


def _parameters(layers: Layers) -> list[Tensor]:
    return [each for layer in layers for each in (layer.weight, layer.bias) if each is not None]


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        framed = [packing.frame_images(images, dtype)]
        for weight in weights:
            framed.append(packing.make_room(framed[-1], 0.5, weight.shape[0]))
        kernels = tuple(packing.pack(weight, dtype) for weight in weights)
        _run(
            "convolve",
            packing.as_arrays(framed),
            kernels,
            packing.as_arrays([bias.contiguous() for bias in biases]),
            _tiled(dtype),
        )
        ctx.layers = len(weights)
        ctx.save_for_backward(images, *parameters, *framed)
        return packing.unframe(framed[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if _must_be_differentiable(gradient):
            return _differentiable(ctx, _plain_convolutions, gradient)
        _, weights, biases, framed = _saved(ctx)
        of_weights, of_biases = packing.make_sums(weights, biases)
        dtype = framed[0].dtype
        _run(
            "convolve_backward",
            packing.as_arrays(framed),
            packing.as_array(packing.frame_images(gradient, dtype)),
            tuple(packing.pack_transposed(weight, dtype) for weight in weights[1:]),
            packing.as_arrays([images.new_zeros(images.shape[1:]) for images in framed[1:]]),
            tuple(packing.make_room_for_pairs(images.shape[1:], dtype) for images in framed[:-1]),
            packing.as_arrays(of_weights),
            packing.as_arrays(of_biases),
            tuple(_make_room_for_tiles(*pair, dtype) for pair in zip(of_weights, framed[1:], strict=True)),
        )
        return None, None, *_in_turn(of_weights, of_biases)


class _TransposedConvolutions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        framed = [packing.frame_images(images, dtype)]
        for weight in weights[:-1]:
            framed.append(packing.make_room(framed[-1], 2, weight.shape[1]))
        count, height, width, _ = framed[-1].shape
        thin_kernel = packing.pack_thin(weights[-1], dtype, _kernels().registers.COLUMNS)
        products = weights[-1].new_zeros(height, width, thin_kernel.shape[1])
        shape = (count, weights[-1].shape[1], 2 * (height - 2), 2 * (width - 2))
        # Not a view of another tensor, since the caller may change it in place.
        result = torch.empty(shape, dtype=torch.float32, device="cpu", memory_format=torch.channels_last)
        _run(
            "convolve_transposed",
            packing.as_arrays(framed),
            tuple(packing.pack_transposed(weight, dtype) for weight in weights[:-1]),
            thin_kernel,
            packing.as_arrays([bias.contiguous() for bias in biases]),
            packing.as_array(products),
            packing.as_array(result.permute(0, 2, 3, 1)),
            _tiled(dtype),
        )
        ctx.layers = len(weights)
        ctx.save_for_backward(images, *parameters, *framed)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if _must_be_differentiable(gradient):
            return _differentiable(ctx, _plain_transposed_convolutions, gradient)
        images, weights, biases, framed = _saved(ctx)
        of_weights, of_biases = packing.make_sums(weights, biases)
        of_biases[-1] = gradient.sum((0, 2, 3))
        dtype = framed[0].dtype
        of_result, of_images = packing.frame_images(gradient, dtype), torch.empty_like(framed[0])
        between = [images.new_zeros(images.shape[1:]) for images in (*framed[1:], of_result)]
        _run(
            "convolve_transposed_backward",
            packing.as_arrays(framed),
            packing.as_array(of_result),
            tuple(packing.pack(weight, dtype) for weight in weights),
            packing.as_arrays(between),
            tuple(packing.make_room_for_pairs(image.shape, dtype) for image in between),
            packing.as_arrays(of_weights),
            packing.as_arrays(of_biases),
            packing.as_array(of_images),
            tuple(_make_room_for_tiles(*pair, dtype) for pair in zip(of_weights, framed, strict=True)),
        )
        return packing.unframe(of_images).to(images.dtype), None, *_in_turn(of_weights, of_biases)


def _saved(ctx: Any) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """Return the tensors saved by forward: images, weights, biases, framed images."""
    images, *tensors = ctx.saved_tensors
    parameters, framed = tensors[: 2 * ctx.layers], tensors[2 * ctx.layers :]
    return images, parameters[::2], parameters[1::2], framed


def _tiled(dtype: torch.dtype) -> bool | None:
    """Return True if the kernels are to use tiles, else None."""
    return True if dtype == torch.bfloat16 and _kernels().HAS_TILES else None


def _make_room_for_tiles(of_weight: Tensor, small: Tensor, dtype: torch.dtype) -> Any:
    """Return the buffers of a layer's gradient, or None if it needs none.

    Args:
        of_weight: [k, k * C, N].
        small: the layer's framed images of N channels.
        dtype: in which the kernels compute.
    """
    if not _tiled(dtype):
        return None
    return packing.make_room_for_tiles(of_weight.shape, small.shape[1:], _kernels().tiles.COLUMNS)


def _in_turn(of_weights: Sequence[Tensor], of_biases: Sequence[Tensor]) -> list[Tensor]:
    """Return gradients in the order of the parameters, weights as [N, C, k, k]."""
    as_torch = [sums.unflatten(1, (len(sums), -1)).permute(3, 2, 0, 1) for sums in of_weights]
    return [each for pair in zip(as_torch, of_biases, strict=True) for each in pair]


# The same computations with torch's layers in float32, for gradients that are differentiated again.


def _plain_convolutions(images: Tensor, *parameters: Tensor) -> Tensor:
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        images = F.conv2d(images, weight, bias, stride=2, padding=weight.shape[2] // 2 - 1).relu()
    return images


def _plain_transposed_convolutions(images: Tensor, *parameters: Tensor) -> Tensor:
    *others, last_weight, last_bias = parameters
    for weight, bias in zip(others[::2], others[1::2], strict=True):
        images = F.conv_transpose2d(images, weight, bias, stride=2, padding=1).relu()
    return F.conv_transpose2d(images, last_weight, last_bias, stride=2, padding=1)


def _must_be_differentiable(gradient: Tensor) -> bool:
    """Return True for gradients of gradients, or batched ones (``is_grads_batched``)."""
    return torch.is_grad_enabled() or torch._C._functorch.is_legacy_batchedtensor(gradient)


def _differentiable(ctx: Any, plain: Callable[..., Tensor], gradient: Tensor) -> tuple[Tensor | None, ...]:
    needed = [ctx.needs_input_grad[0], *ctx.needs_input_grad[2:]]
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        # Views of the same tensors, because the images may themselves depend on the parameters.
        inputs = [tensor.view_as(tensor) for tensor in ctx.saved_tensors[: 1 + 2 * ctx.layers]]
        wanted = [tensor for tensor, need in zip(inputs, needed, strict=True) if need]
        result = plain(inputs[0].float(), *inputs[1:])
        gradients = iter(torch.autograd.grad(result, wanted, gradient.float(), create_graph=True))
    of_images, *of_parameters = (next(gradients) if need else None for need in needed)
    return of_images, None, *of_parameters


# The module of kernels, and what it can compute.


@cache
def _load() -> Any:
    """Return the module of kernels, or the exception of its import.

    It is imported on first use, because importing numba takes 0.3 seconds.
    """
    try:
        from dis_bench.nn import kernels
    except Exception as error:  # from numba, llvmlite, or the dynamic linker
        return error
    return kernels


def _kernels() -> Any:
    module = _load()
    if isinstance(module, Exception):
        raise _failed(_in_one_line(module))
    return module


def _run(kernel: str, *arguments: Any) -> None:
    try:
        getattr(_kernels(), kernel)(*arguments)
    except Exception as error:  # nearly always from the compilation
        raise error if isinstance(error, KernelsFailed) else _failed(_in_one_line(error)) from error


def _failed(reason: str) -> KernelsFailed:
    return KernelsFailed(
        f"the compiled kernels cannot be used ({reason}); --kernels torch trains without them"
    )


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(".: ")


def _dtypes() -> tuple[torch.dtype, ...]:
    """Return the types in which the kernels can compute on this processor."""
    if _choice.get() == "auto" and isinstance(_load(), Exception):
        return ()
    there = {torch.float32: _kernels().HAS_FLOAT32, torch.bfloat16: _kernels().HAS_BF16}
    return tuple(dtype for dtype, is_there in there.items() if is_there)


def _dtype() -> torch.dtype:
    """Return the type in which torch would compute, according to autocast."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
