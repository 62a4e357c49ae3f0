"""The networks of QLAE's authors have the published layers, and a decoder whose code is a style."""

import torch
from torch import nn

from dis_bench.networks.hsu import Hsu

CONVOLUTIONS = [(3, 1), (3, 1), (4, 2)] * 4  # kernel and stride


def kinds(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def shapes(layers):
    return [(layer.kernel_size[0], layer.stride[0]) for layer in layers]


def test_layers_of_the_encoder_are_the_published_ones():
    encoder = Hsu().encoder((3, 64, 64), 20)
    convolutions = kinds(encoder, nn.Conv2d)
    assert [layer.out_channels for layer in convolutions] == [32] * 3 + [64] * 3 + [128] * 3 + [256] * 3
    assert shapes(convolutions) == CONVOLUTIONS
    assert {layer.bias for layer in convolutions} == {None}
    assert [layer.out_features for layer in kinds(encoder, nn.Linear)] == [256, 256, 20]
    assert [layer.num_features for layer in kinds(encoder, nn.InstanceNorm2d)] == [
        layer.out_channels for layer in convolutions
    ]
    assert {layer.negative_slope for layer in kinds(encoder, nn.LeakyReLU)} == {0.2}


def test_layers_of_the_decoder_are_the_published_ones():
    decoder = Hsu().decoder((3, 64, 64), 10)
    convolutions = kinds(decoder, nn.ConvTranspose2d)
    assert [layer.out_channels for layer in convolutions] == [256] * 3 + [128] * 3 + [64] * 3 + [32] * 3
    assert shapes(convolutions) == CONVOLUTIONS
    conditions = [block.condition.out_features for block in decoder.blocks]
    assert conditions == [2 * layer.out_channels for layer in convolutions]


def test_a_style_scales_and_shifts_channels_of_unit_variance():
    block = Hsu().decoder((1, 64, 64), 10).blocks[0]
    seen = []
    block.condition.register_forward_hook(lambda *given: seen.append(given[2]))
    features = block(torch.randn(2, 256, 8, 8), torch.randn(2, 256)).detach()
    scale, shift = seen[0].relu().chunk(2, dim=1)
    torch.testing.assert_close(features.mean((2, 3)), shift, atol=1e-4, rtol=0)
    torch.testing.assert_close(features.std((2, 3), correction=0), scale, atol=1e-3, rtol=0)
