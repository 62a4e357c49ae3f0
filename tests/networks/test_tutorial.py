"""The networks of the beta-VAE tutorials have the layers of the tutorials."""

from torch import nn

from dis_bench.networks.tutorial import Tutorial


def test_layers():
    encoder = Tutorial().encoder((1, 64, 64), 20)
    convolutions = [layer for layer in encoder if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 64, 128, 256]
    assert {(layer.kernel_size, layer.stride) for layer in convolutions} == {((3, 3), (2, 2))}
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in encoder) == 4
    assert {layer.negative_slope for layer in encoder if isinstance(layer, nn.LeakyReLU)} == {0.01}
