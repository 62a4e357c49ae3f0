"""The networks of Burgess et al. 2018 have the published layers."""

from dis_bench.networks.burgess import Burgess
from tests.networks.counting import count


def test_parameters_are_the_published_ones():
    # Weights and biases of each layer, one channel, ten latents.
    encoder, decoder = Burgess().encoder((1, 64, 64), 20), Burgess().decoder((1, 64, 64), 10)
    assert count(encoder) == 544 + 3 * 16_416 + 131_328 + 65_792 + 5_140
    assert count(decoder) == 2_816 + 65_792 + 131_584 + 3 * 16_416 + 513
