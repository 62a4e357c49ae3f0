"""The compiled kernels agree with torch's layers, and leave the rest to them."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.utils import prune

from dis_bench.networks.burgess import Burgess
from dis_bench.networks.chosen import choose_networks
from dis_bench.networks.family import count_halvings
from dis_bench.nn import compiled
from dis_bench.nn.convolutions import Convolutions, TransposedConvolutions

kernels = pytest.importorskip("dis_bench.nn.kernels")
pytestmark = pytest.mark.skipif(not kernels.HAS_FLOAT32, reason="this processor has no AVX2")
needs_bf16 = pytest.mark.skipif(not kernels.HAS_BF16, reason="this processor has no AVX-512 BF16")

# The layers of each network, with images of one and three channels, and sizes of one tile and of many.
CONVOLUTIONS = {
    "burgess": ([1, 32, 32, 32, 32], [4, 4, 4, 4], 64),
    "burgess, colours": ([3, 32, 32, 32, 32], [4, 4, 4, 4], 64),
    "burgess, 32": ([3, 32, 32, 32], [4, 4, 4], 32),
    "burgess, 128": ([1, 32, 32, 32, 32, 32], [4, 4, 4, 4, 4], 128),
    "locatello": ([1, 32, 32, 64, 64], [4, 4, 2, 2], 64),
    "locatello, 32": ([1, 32, 32, 64], [4, 4, 2], 32),
    "locatello, 128": ([1, 32, 32, 64, 64, 64], [4, 4, 2, 2, 2], 128),
    "kernel 2 first": ([2, 32, 64], [2, 4], 32),
    "two channels, two layers": ([2, 32, 32], [4, 4], 16),
    "lines of 24 and 48": ([5, 32, 32], [4, 4], 96),
}
TRANSPOSED = {
    "burgess": ([32, 32, 32, 32, 1], 4),
    "burgess, colours": ([32, 32, 32, 32, 3], 4),
    "burgess, 32": ([32, 32, 32, 3], 4),
    "burgess, 128": ([32, 32, 32, 32, 32, 1], 4),
    "locatello": ([64, 64, 32, 32, 1], 4),
    "locatello, 32": ([64, 32, 32, 1], 4),
    "locatello, 128": ([64, 64, 64, 32, 32, 1], 4),
    "two layers": ([32, 32, 2], 4),
    "many channels": ([32, 32, 40], 8),
    "lines of 24": ([32, 32, 3], 24),
}


def stack_and_images(kind, case, count=3):
    torch.manual_seed(0)
    if kind is Convolutions:
        widths, sizes, size = CONVOLUTIONS[case]
        stack = Convolutions(widths, sizes)
    else:
        widths, size = TRANSPOSED[case]
        stack = TransposedConvolutions(widths)
    for layer in stack:
        if hasattr(layer, "bias"):
            nn.init.uniform_(layer.bias, -0.2, 0.2)
    return stack, torch.randn(count, widths[0], size, size)


CASES = [
    *((Convolutions, case) for case in CONVOLUTIONS),
    *((TransposedConvolutions, case) for case in TRANSPOSED),
]


ENCODER, DECODER = (Convolutions, "burgess"), (TransposedConvolutions, "burgess")


def slope_of(out):
    """Return a gradient for the output, the same for every way to compute it."""
    return torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float32)


def outputs_and_gradients(network, images):
    """Return the output and the gradients of parameters and, if transposed, of images."""
    transposed = isinstance(network[0], nn.ConvTranspose2d)
    images = images.clone().requires_grad_(transposed)
    out = network(images)
    wanted = [*network.parameters()] + ([images] if transposed else [])
    return [out.detach(), *torch.autograd.grad((out * slope_of(out)).sum(), wanted)]


def plain_copy(stack):
    """Return a copy made of torch's own layers."""
    return nn.Sequential(*copy.deepcopy(stack))


def plainly(stack, images):
    """Return the same from torch's own layers in float64."""
    return outputs_and_gradients(plain_copy(stack).double(), images.double())


def difference(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.fixture
def calls(monkeypatch):
    """Record which functions of the kernels are called."""
    called = []
    for name in ("convolve", "convolve_transposed"):
        function = getattr(compiled, name)

        def call(*args, name=name, function=function):
            called.append(name)
            return function(*args)

        monkeypatch.setattr(compiled, name, call)
    return called


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_in_float32_results_and_gradients_are_torchs(kind, case, calls):
    stack, images = stack_and_images(kind, case)
    for ours, theirs in zip(outputs_and_gradients(stack, images), plainly(stack, images), strict=True):
        assert ours.shape == theirs.shape
        # If rounding decides whether a unit is above 0, both float32 gradients differ by more.
        assert difference(ours, theirs) < 1e-5
    assert len(calls) == 1


@needs_bf16
@pytest.mark.parametrize(("kind", "case"), CASES)
def test_in_bf16_results_and_gradients_are_within_its_rounding(kind, case, calls):
    stack, images = stack_and_images(kind, case)
    with torch.autocast("cpu", torch.bfloat16):
        ours = outputs_and_gradients(stack, images)
        torchs_own = outputs_and_gradients(plain_copy(stack), images)
    for mine, own, exact in zip(ours, torchs_own, plainly(stack, images), strict=True):
        assert difference(mine, exact) < 1.5 * difference(own, exact) + 1e-3
    assert len(calls) == 1


@needs_bf16
def test_under_autocast_images_come_out_as_torch_computes_and_logits_in_float32():
    encoder, images = stack_and_images(Convolutions, "burgess")
    decoder, codes = stack_and_images(TransposedConvolutions, "burgess")
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder(images).dtype == torch.bfloat16
        assert decoder(codes).dtype == torch.float32
        assert decoder(codes.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("network", ["burgess", "locatello"])
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 64), (1, 128, 128)])
def test_published_networks_run_on_the_kernels_at_each_of_their_sizes(network, shape, monkeypatch):
    taken = []
    monkeypatch.setattr(compiled, "convolve", lambda images, layers: taken.append(len(layers)) or stop())
    monkeypatch.setattr(compiled, "convolve_transposed", lambda images, layers: taken.append(len(layers)))
    family = choose_networks(network)

    def stop():
        raise StopIteration

    with torch.no_grad():
        with pytest.raises(StopIteration):
            family.encoder(shape, 20)(torch.rand(2, *shape))
        family.decoder(shape, 10)(torch.rand(2, 10))
    assert taken == [count_halvings(shape)] * 2


@pytest.mark.parametrize(("kind", "case"), [ENCODER, DECODER])
def test_an_image_does_not_depend_on_its_neighbours(kind, case):
    stack, images = stack_and_images(kind, case, count=5)
    with torch.no_grad():
        together = stack(images)
        alone = torch.cat([stack(image[None]) for image in images])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("count", [0, 1])
def test_batches_of_none_and_one(count):
    for kind, case in (ENCODER, DECODER):
        stack, images = stack_and_images(kind, case, count)
        out = stack(images)
        out.sum().backward()
        assert len(out) == count
        assert all(parameter.grad.isfinite().all() for parameter in stack.parameters())


@pytest.mark.parametrize(("kind", "case"), [ENCODER, DECODER])
def test_nan_comes_through(kind, case):
    stack, images = stack_and_images(kind, case)
    images[1, 0, 2, 2] = torch.nan
    assert stack(images)[1].isnan().any()
    assert not stack(images)[0].isnan().any()


def test_any_layout_of_images_and_weights_will_do():
    stack, images = stack_and_images(Convolutions, "burgess, colours")
    expected = stack(images)
    assert torch.equal(stack(images.to(memory_format=torch.channels_last)), expected)
    assert torch.equal(stack(images.flip(3).flip(3)[:, :, :, :]), expected)
    assert torch.equal(stack.to(memory_format=torch.channels_last)(images), expected)


def test_gradients_of_gradients_are_torchs():
    # An objective may penalise the decoder's slope.
    stack, images = stack_and_images(TransposedConvolutions, "two layers")
    twin = plain_copy(stack)

    def penalty(network):
        codes = images.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(codes).square().sum(), codes, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [codes, *network.parameters()])

    for ours, theirs in zip(penalty(stack), penalty(twin), strict=True):
        assert difference(ours, theirs) < 1e-4


def test_training_repeats_itself_bit_for_bit():
    def train():
        torch.manual_seed(0)
        networks = nn.Sequential(Burgess().encoder((1, 64, 64), 20), Burgess().decoder((1, 64, 64), 10))
        networks[1][0] = nn.Linear(20, 256)  # no sampling: the decoder takes the encoder's full output
        optimiser = torch.optim.SGD(networks.parameters(), 1e-4)
        for _ in range(3):
            optimiser.zero_grad()
            networks(torch.rand(4, 1, 64, 64)).square().sum().backward()
            optimiser.step()
        return networks.state_dict()

    first, second = train(), train()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("widths", "sizes", "size"),
    [
        ([1, 32, 30], [4, 4], 32),
        ([1, 32, 32], [4, 4], 24),
        ([1, 32, 32], [4, 4], 8),
        ([3, 32, 32], [2, 4], 32),
        ([1, 32, 32], [4, 4], 34),
        ([1, 32], [4], 16),
    ],
    ids=["channels", "lines", "two by two pixels", "rows of a small kernel", "odd", "one layer"],
)
def test_torchs_own_layers_take_sizes_that_make_no_tiles(widths, sizes, size, calls):
    stack = Convolutions(widths, sizes)
    images = torch.randn(2, widths[0], size, size)
    torch.testing.assert_close(stack(images), nn.Sequential(*stack)(images))
    assert not calls


def test_torchs_own_layers_take_what_else_is_asked_of_them(calls):
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    plain = nn.Sequential(*stack)
    # A gradient of the images.
    (ours,) = torch.autograd.grad(stack(images.requires_grad_()).sum(), images)
    (theirs,) = torch.autograd.grad(plain(images).sum(), images)
    torch.testing.assert_close(ours, theirs)
    # Other types.
    double = copy.deepcopy(stack).double()
    torch.testing.assert_close(double(images.double()).float(), plain(images))
    # Transforms of functions.
    images = images.detach()
    weights = {name: torch.stack([weight, 2 * weight]) for name, weight in stack.state_dict().items()}
    each = vmap(lambda chosen: functional_call(stack, chosen, (images,)))(weights)
    torch.testing.assert_close(each[0], plain(images))
    assert not calls


def torch_refuses(stack, images):
    with pytest.raises(RuntimeError) as theirs:
        nn.Sequential(*stack)(images)
    with pytest.raises(RuntimeError) as ours:
        stack(images)
    return str(ours.value) == str(theirs.value)


def test_what_torch_refuses_is_refused_in_its_words(calls):
    encoder, images = stack_and_images(Convolutions, "burgess, colours")
    decoder, codes = stack_and_images(TransposedConvolutions, "burgess")
    assert torch_refuses(encoder, images[:, :1])  # grey images
    assert torch_refuses(encoder, torch.cat([images, images], 1))
    assert torch_refuses(encoder, images.to(torch.uint8))
    assert torch_refuses(encoder, images.double())
    assert torch_refuses(encoder, images.bfloat16())
    assert torch_refuses(encoder, images[:, :, :0])
    assert torch_refuses(encoder, images[:, :, :, :0])
    assert torch_refuses(decoder, codes[:, :16])
    encoder[2].weight = nn.Parameter(encoder[2].weight[:30])  # but not the bias
    assert torch_refuses(encoder, images)
    encoder[2].bias = nn.Parameter(encoder[2].bias[:30])
    assert torch_refuses(encoder, images)
    assert not calls


def test_what_was_changed_by_hand_is_left_to_torch(calls):
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    seen = []
    changes = [
        lambda layers: layers.__setitem__(1, nn.LeakyReLU(0.5)),
        lambda layers: layers.append(nn.Sigmoid()),
        lambda layers: layers[0].register_forward_hook(lambda *_: seen.append("forward")),
        lambda layers: layers[0].register_forward_pre_hook(lambda *_: seen.append("before")),
        lambda layers: prune.random_unstructured(layers[2], "weight", 0.5),
        lambda layers: nn.utils.parametrizations.weight_norm(layers[2]),
        lambda layers: setattr(layers[0], "padding_mode", "reflect"),
    ]
    for change in changes:
        changed = copy.deepcopy(stack)
        change(changed)
        torch.testing.assert_close(changed(images), nn.Sequential(*changed)(images))
    assert not calls
    assert {"forward", "before"} <= {*seen}


def test_a_part_of_a_stack_is_a_plain_one():
    stack, images = stack_and_images(Convolutions, "burgess")
    assert torch.equal(stack[:2](images), stack[1](stack[0](images)))


def test_without_a_batch_torch_does_it(calls):
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    torch.testing.assert_close(stack(images[0]), nn.Sequential(*stack)(images[0]))
    assert not calls


def test_biases_need_not_lie_close(calls):
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    table = torch.randn(32, 5)
    biases = {"0.bias": table[:, 2], "2.bias": table[:, 3]}
    ours = functional_call(stack, biases, (images,))
    torch.testing.assert_close(ours, functional_call(nn.Sequential(*stack), biases, (images,)))
    assert calls


def test_torchs_default_type_is_not_the_kernels():
    for kind, case in (ENCODER, DECODER):
        stack, images = stack_and_images(kind, case)
        expected = outputs_and_gradients(stack, images)
        torch.set_default_dtype(torch.float64)
        try:
            found = outputs_and_gradients(stack, images)
        finally:
            torch.set_default_dtype(torch.float32)
        assert all(map(torch.equal, found, expected))


def test_logits_may_be_changed_in_place():
    stack, images = stack_and_images(TransposedConvolutions, "two layers")
    expected = stack(images).sigmoid()
    assert torch.equal(stack(images).sigmoid_(), expected)


def test_gradients_of_codes_that_come_from_the_weights_are_counted_once():
    stack, images = stack_and_images(TransposedConvolutions, "two layers")
    plain = nn.Sequential(*stack)

    def gradient(network):
        codes = images * stack[2].bias.sum()
        (of_bias,) = torch.autograd.grad(network(codes).square().sum(), stack[2].bias, create_graph=True)
        return of_bias, torch.autograd.grad(of_bias.sum(), stack[0].weight)[0]

    for ours, theirs in zip(gradient(stack), gradient(plain), strict=True):
        assert difference(ours, theirs) < 1e-4


def test_many_gradients_at_once_are_torchs():
    stack, _ = stack_and_images(TransposedConvolutions, "two layers")
    picture = torch.randn(1, 32, 4, 4)

    def some(network):
        return lambda codes: network(codes)[:, :, 3, :4]

    ours = torch.autograd.functional.jacobian(some(stack), picture, vectorize=True)
    theirs = torch.autograd.functional.jacobian(some(nn.Sequential(*stack)), picture, vectorize=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_who_looks_for_torchs_operations_finds_them(calls):
    from torch.autograd import forward_ad
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.utils.flop_counter import FlopCounterMode

    stack, images = stack_and_images(TransposedConvolutions, "two layers")
    plain = nn.Sequential(*stack)
    other = torch.randn_like(images)
    torch.testing.assert_close(make_fx(stack)(images)(other), plain(other))
    torch.testing.assert_close(torch.jit.trace(stack, images, check_trace=False)(other), plain(other))
    counts = []
    for network in (stack, plain):
        with FlopCounterMode(display=False) as counter:
            network(images)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(images, other)
        slopes = [forward_ad.unpack_dual(network(dual)).tangent for network in (stack, plain)]
    torch.testing.assert_close(*slopes)
    assert not calls


@pytest.mark.slow
def test_a_processor_with_avx2_alone_gives_the_same():
    # AVX2 kernels, whose registers are half as wide, also run on newer processors.
    features = "+avx,+avx2,+fma,+sse2,+sse4.1,+sse4.2,+f16c,+bmi,+bmi2,+popcnt"
    environment = os.environ | {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": features,
        "OMP_NUM_THREADS": "1",
    }
    tests = [f"{__file__}::{name}" for name in ("test_in_float32_results_and_gradients_are_torchs",)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CASES)} passed" in done.stdout


def test_without_compiled_kernels_torch_does_it(monkeypatch, calls):
    monkeypatch.setattr(kernels, "HAS_FLOAT32", False)
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    torch.testing.assert_close(stack(images), nn.Sequential(*stack)(images))
    assert not calls


@pytest.mark.parametrize(("kind", "case"), [ENCODER, DECODER])
def test_by_torchs_layers_numbers_are_torchs_bit_for_bit(kind, case, calls):
    stack, images = stack_and_images(kind, case)
    with compiled.convolving_with("torch"):
        ours = outputs_and_gradients(stack, images)
    assert all(map(torch.equal, ours, outputs_and_gradients(plain_copy(stack), images)))
    assert not calls


FAULTS = [ImportError("no numba"), RuntimeError("cannot cache function"), OSError("libLLVM.so: no such file")]


@pytest.mark.parametrize("fault", FAULTS)
def test_kernels_that_cannot_be_loaded_are_missed_only_where_they_were_promised(fault, monkeypatch, calls):
    monkeypatch.setattr(compiled, "_load", lambda: fault)
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    torch.testing.assert_close(stack(images), nn.Sequential(*stack)(images))
    with compiled.convolving_with("torch"):
        torch.testing.assert_close(stack(images), nn.Sequential(*stack)(images))
    assert str(fault) in compiled.why_unavailable("fp32")
    compiled.check_available("torch", "fp32")
    with compiled.convolving_with("compiled"), pytest.raises(compiled.KernelsFailed, match="--kernels torch"):
        stack(images)
    with pytest.raises(compiled.KernelsFailed, match="--kernels torch"):
        compiled.check_available("compiled", "fp32")
    assert not calls


@pytest.mark.parametrize("choice", ["auto", "compiled"])
@pytest.mark.parametrize("kernel", ["convolve", "convolve_backward"])
def test_kernels_that_cannot_be_compiled_say_what_to_do(kernel, choice, monkeypatch):
    def fail(*_):
        raise MemoryError("LLVM\nwants more")

    monkeypatch.setattr(kernels, kernel, fail)
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    with compiled.convolving_with(choice), pytest.raises(compiled.KernelsFailed) as caught:
        stack(images).sum().backward()
    reason = "the compiled kernels cannot be used (MemoryError: LLVM wants more)"
    assert str(caught.value) == f"{reason}; --kernels torch trains without them"


DIGEST = """
import hashlib, torch
from dis_bench.nn import compiled
from tests.nn.test_compiled import Convolutions, outputs_and_gradients, stack_and_images
with compiled.convolving_with("compiled"):
    results = outputs_and_gradients(*stack_and_images(Convolutions, "two channels, two layers"))
print(compiled._kernels().convolve.stats.cache_path)
print(hashlib.sha256(b"".join(result.numpy().tobytes() for result in results)).hexdigest())
"""


@pytest.mark.slow
def test_numbers_do_not_depend_on_a_cache(tmp_path):
    # Unless a folder is given, numba has no place of its own left.
    places = {"none": {}, "a folder": {"NUMBA_CACHE_DIR": str(tmp_path)}}
    digests = []
    for place in places.values():
        environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"} | place
        command = [sys.executable, "-c", DIGEST]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        kept, digest = done.stdout.split("\n")[:2]
        assert kept.startswith(str(tmp_path)) if place else kept == "None"
        digests.append(digest)
    assert digests[0] == digests[1]
