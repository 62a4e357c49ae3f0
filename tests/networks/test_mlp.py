"""The networks of the beta-VAE paper have the published layers, for images of any size."""

import torch
from torch import nn

from dis_bench.networks.mlp import MLP
from tests.networks.counting import count


def kinds(network):
    return [type(layer) for layer in network if not isinstance(layer, nn.Linear)]


def test_layers_are_the_published_ones():
    encoder, decoder = MLP().encoder((1, 64, 64), 20), MLP().decoder((1, 64, 64), 10)
    assert kinds(encoder) == [nn.Flatten, nn.ReLU, nn.ReLU]
    assert kinds(decoder) == [nn.Tanh, nn.Tanh, nn.Tanh, nn.Unflatten]
    square = 1_200 * 1_200 + 1_200
    assert count(encoder) == (4_096 * 1_200 + 1_200) + square + (1_200 * 20 + 20)
    assert count(decoder) == (10 * 1_200 + 1_200) + 2 * square + (1_200 * 4_096 + 4_096)


def test_images_may_have_any_shape():
    shape = (3, 20, 12)
    assert MLP().encoder(shape, 8)(torch.rand(2, *shape)).shape == (2, 8)
    assert MLP().decoder(shape, 4)(torch.rand(2, 4)).shape == (2, *shape)
