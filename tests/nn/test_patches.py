"""Patches agree with torch's convolution in outputs and gradients, also in vmap."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from dis_bench.errors import InputError
from dis_bench.models import build_model
from dis_bench.nn.convolutions import Convolution, TransposedConvolution
from dis_bench.nn.patches import WAYS, by_patches, convolve, convolve_transposed, convolving

KERNELS = [(4, 1), (2, 0)]  # with their padding


def pair(kind, padding):
    """Return our function and torch's."""
    if kind == "narrowing":
        return convolve, lambda images, weight, bias: F.conv2d(images, weight, bias, 2, padding)
    return convolve_transposed, lambda i, w, b: F.conv_transpose2d(i, w, b, 2, padding)


def inputs(kind, kernel, lead=(), narrow_wide=None):
    """Return random images, weight and bias for the given numbers of channels."""
    generator = torch.Generator().manual_seed(0)
    narrow, wide = narrow_wide or ((5, 3) if kind == "narrowing" else (3, 5))
    given, made = (wide, narrow) if kind == "narrowing" else (narrow, wide)
    shapes = ((2, given, 8, 6), (narrow, wide, kernel, kernel), (made,))
    return [
        torch.randn(*lead, *shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]


def outputs_and_gradients(function, parts):
    out = torch.relu_(function(*parts))  # in place, as in the networks
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    return [out, *torch.autograd.grad((out * weights).sum(), parts)]


@pytest.mark.parametrize("kind", ["narrowing", "widening"])
@pytest.mark.parametrize(("kernel", "padding"), KERNELS)
@pytest.mark.parametrize("models", [None, 4])
@pytest.mark.parametrize("narrow_wide", [(3, 5), (5, 3), (9, 2)])  # patches of the narrow, or of the wide
def test_outputs_and_gradients_are_torchs_own(kind, kernel, padding, models, narrow_wide):
    ours, own = pair(kind, padding)
    parts = inputs(kind, kernel, () if models is None else (models,), narrow_wide)
    if models is not None:
        ours, own = vmap(ours), vmap(own)
    for one, other in zip(outputs_and_gradients(ours, parts), outputs_and_gradients(own, parts), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["narrowing", "widening"])
@pytest.mark.parametrize(("kernel", "padding"), KERNELS)
@pytest.mark.parametrize("narrow_wide", [(2, 3), (5, 1)])
def test_gradients_have_gradients(kind, kernel, padding, narrow_wide):
    # An objective may penalise the decoder's slope.
    images, weight, bias = inputs(kind, kernel, narrow_wide=narrow_wide)
    parts = (images[:1, :, :4, :2].detach().requires_grad_(), weight, bias)
    assert torch.autograd.gradgradcheck(pair(kind, padding)[0], parts)


@pytest.mark.parametrize("kind", ["narrowing", "widening"])
@pytest.mark.parametrize(("kernel", "padding"), KERNELS)
def test_outputs_are_channels_last_so_that_the_next_layer_copies_nothing(kind, kernel, padding):
    out = pair(kind, padding)[0](*inputs(kind, kernel))
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", ["narrowing", "widening"])
def test_kernels_are_not_repeated_for_each_image(kind, monkeypatch):
    # A gradient may come in any layout; its patches are one matrix in any case.
    shapes = []
    multiply = Tensor.__matmul__
    monkeypatch.setattr(
        Tensor,
        "__matmul__",
        lambda one, other: shapes.append((one.dim(), other.dim())) or multiply(one, other),
    )
    images, weight, bias = inputs(kind, 2)
    out = pair(kind, 0)[0](images, weight, bias)
    torch.autograd.grad(out, [images, weight], torch.ones_like(out, memory_format=torch.contiguous_format))
    assert shapes == [(2, 2)] * 3


def test_autocast_computes_in_bf16_and_gradients_are_of_the_weights_type():
    images, weight, bias = (part.detach().float().requires_grad_() for part in inputs("narrowing", 4))
    with torch.autocast("cpu", torch.bfloat16):
        out = convolve(images, weight, bias)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert weight.grad.dtype == torch.float32
    exact = F.conv2d(images, weight, bias, 2, 1)
    torch.testing.assert_close(out.float(), exact, rtol=2e-2, atol=5e-2)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("network", ["burgess", "locatello"])
def test_networks_give_the_same_by_each_way(network, size):
    model, networks = build_model("betavae", network=network, image_shape=(3, size, size))
    networks.double()  # so that rounding does not decide on which side of a kink a unit is
    images, noise = torch.rand(2, 3, size, size).double(), torch.randn(2, 10).double()
    gradients = []
    for way in WAYS:
        with convolving(way):
            step = model.step(networks, {"images": images, "noise": noise, "progress": torch.zeros(())})
            loss = step.losses["autoencoder"]
        gradients.append(torch.autograd.grad(loss, list(networks.parameters())))
    for one, *others in zip(*gradients, strict=True):
        for other in others:
            assert (one - other).norm() <= 1e-6 * one.norm()


class Convolutions(TorchDispatchMode):
    """A log of each convolution's groups, and whether its images have channels last."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, given=(), options=None):
        if function is torch.ops.aten.convolution.default:
            last = given[0].is_contiguous(memory_format=torch.channels_last)
            self.seen.append((last, given[8]))
        return function(*given, **(options or {}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_convolutions_of_many_models_have_channels_last_where_that_is_the_way(precision):
    layers = [
        Convolution(3, 8, 4),
        torch.nn.ReLU(inplace=True),
        Convolution(8, 5, 4),
        TransposedConvolution(5, 2),
    ]
    network = torch.nn.Sequential(*layers)
    weights = {name: torch.stack([weight.detach()] * 4) for name, weight in network.named_parameters()}
    images = torch.rand(4, 2, 3, 16, 16)
    run = vmap(lambda weights, images: functional_call(network, weights, (images,)))
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with convolving("channels_last"), autocast, Convolutions() as convolutions:
        run(weights, images)
    assert convolutions.seen == [(True, 4)] * 3
    with convolving("torch"), autocast, Convolutions() as convolutions:
        run(weights, images)
    assert convolutions.seen[0] == (False, 4)


def test_the_way_holds_for_the_block_and_an_unknown_one_is_refused():
    with convolving("patches"):
        assert by_patches()
        with convolving("torch"):
            assert not by_patches()
        assert by_patches()
    assert not by_patches()
    refusal = "unknown way of convolving 'patch': did you mean 'patches'"
    with pytest.raises(InputError, match=refusal), convolving("patch"):
        pass
