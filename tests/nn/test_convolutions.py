"""Our convolution algorithms agree with torch's, in outputs and gradients."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from dis_bench.nn.convolutions import TransposedConvolution


def inputs(dtype, size=6):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 5, size, size, generator=generator, dtype=dtype).requires_grad_()


def outputs_and_gradients(layer, images):
    out = layer(images)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return [out, *torch.autograd.grad((out * weights).sum(), [images, *layer.parameters()])]


def torchs_own(layer):
    own = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 4, stride=2, padding=1)
    own.load_state_dict(layer.state_dict())
    return own.to(layer.weight.dtype)


@pytest.mark.parametrize("wide_out", [1, 3, 8])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_transposed_convolution_is_torchs_own(wide_out, size):
    layer = TransposedConvolution(5, wide_out).double()
    images = inputs(torch.float64, size)
    results = zip(
        outputs_and_gradients(layer, images), outputs_and_gradients(torchs_own(layer), images), strict=True
    )
    for ours, theirs in results:
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_in_autocast_it_computes_in_bf16_and_its_weights_stay_fp32():
    layer = TransposedConvolution(5, 3)
    images = inputs(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(images)
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert layer.weight.grad.dtype == images.grad.dtype == torch.float32
    torch.testing.assert_close(out.float(), torchs_own(layer)(images), rtol=2e-2, atol=2e-2)


def test_gradients_have_gradients():
    # An objective may penalise the decoder's slope.
    layer = TransposedConvolution(2, 1).double()
    images = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, images)
    assert torch.autograd.gradgradcheck(layer, images)


def test_many_layers_at_once_are_each_by_itself():
    layers = [TransposedConvolution(5, 3).double() for _ in range(4)]
    images = inputs(torch.float64)
    stacked = {
        name: torch.stack([layer.state_dict()[name] for layer in layers]) for name in ("weight", "bias")
    }
    together = vmap(lambda weights: functional_call(layers[0], weights, (images,)))(stacked)
    for out, layer in zip(together, layers, strict=True):
        torch.testing.assert_close(out, layer(images), rtol=1e-12, atol=1e-12)
