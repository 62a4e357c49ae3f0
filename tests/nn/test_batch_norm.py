"""cuDNN is off while a batch is normalised, and only then."""

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from dis_bench.nn.batch_norm import WithoutCudnn

BATCHES = torch.randn(3, 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def make_stack():
    return [nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()) for _ in BATCHES]


def test_a_stack_is_normalised_without_cudnn_and_as_before(monkeypatch):
    asked = []
    own = torch.batch_norm

    def look(*given):
        asked.append((given[-1], torch.backends.cudnn.enabled))
        return own(*given)

    monkeypatch.setattr(torch, "batch_norm", look)
    networks = make_stack()
    weights, buffers = stack_module_state(networks)

    def run(weights, buffers, images):
        return functional_call(networks[0], (weights, buffers), (images,))

    before = vmap(run)(weights, {name: part.clone() for name, part in buffers.items()}, BATCHES)
    with WithoutCudnn():
        found = vmap(run)(weights, buffers, BATCHES)
        assert torch.backends.cudnn.enabled
    assert asked == [(True, True), (False, False)]
    assert torch.equal(found, before)


def test_instances_are_normalised_without_cudnn_too(monkeypatch):
    asked = []
    own = torch.instance_norm
    monkeypatch.setattr(torch, "instance_norm", lambda *given: asked.append(given[-1]) or own(*given))
    layer = nn.InstanceNorm2d(1, affine=True)
    before = layer(BATCHES[0])
    with WithoutCudnn():
        assert torch.equal(layer(BATCHES[0]), before)
    assert asked == [True, False]


def test_cudnn_is_on_again_after_an_error():
    with WithoutCudnn():
        try:
            nn.BatchNorm2d(4)(BATCHES[0])
        except RuntimeError:
            assert torch.backends.cudnn.enabled
        else:
            raise AssertionError("four channels were expected, one was given")
