"""The networks of Locatello et al. 2019 have the published layers."""

from dis_bench.networks.locatello import Locatello
from tests.networks.counting import count


def test_parameters_are_the_published_ones():
    # Weights and biases of each layer, one channel, ten latents.
    encoder, decoder = Locatello().encoder((1, 64, 64), 20), Locatello().decoder((1, 64, 64), 10)
    assert count(encoder) == 544 + 16_416 + 8_256 + 16_448 + 262_400 + 5_140
    assert count(decoder) == 2_816 + 263_168 + 65_600 + 32_800 + 16_416 + 513
