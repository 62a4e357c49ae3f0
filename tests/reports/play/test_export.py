"""Exported decoders compute what their models compute, or are refused."""

import pytest
import torch
from torch import nn

from dis_bench.reports.play.export import NotExported, export_decoder
from dis_bench.reports.play.models import Trained
from dis_bench.reports.play.program import run
from tests.reports.play.decoders import DECODERS, LATENTS, make_codes, make_decoder


@pytest.mark.parametrize(("name", "network", "image_shape"), DECODERS)
def test_a_program_decodes_as_its_model_does(name, network, image_shape):
    trained, codes = make_decoder(name, network, image_shape), make_codes(3)
    program = export_decoder(trained.model, trained.networks, LATENTS)
    assert float((run(program, codes) - trained.decode(codes)).abs().max()) < 1e-3


class Decoding:
    """A model whose decoder is any function of codes and one network."""

    def __init__(self, decode):
        self.decode = decode


def export(network, decode=lambda networks, codes: networks(codes)):
    return export_decoder(Decoding(decode), network.eval(), LATENTS)


def linear(size=12):
    return nn.Sequential(nn.Linear(LATENTS, size), nn.Unflatten(1, (3, 2, 2)))


@pytest.mark.parametrize(
    ("network", "decode", "why"),
    [
        (linear(), lambda n, codes: None, "decodes no images"),
        (linear(), lambda n, codes: codes, "no layer of it"),
        (linear(), lambda n, codes: n(codes).exp(), "something follows its last layer"),
        (linear(), lambda n, codes: n[1](n[0](codes) * 2), "does not follow the layer before it"),
        (linear(), lambda n, codes: n(codes.square()), "not affine"),
        (
            nn.Sequential(nn.Linear(LATENTS, 12), nn.Softplus(), nn.Unflatten(1, (3, 2, 2))),
            None,
            "does not follow",
        ),
        (nn.Sequential(*linear(), nn.ConvTranspose2d(3, 3, 2, groups=3)), None, "groups or a dilation"),
        (nn.Sequential(*linear(), nn.Conv2d(3, 3, (1, 2))), None, "not square"),
        (
            nn.Sequential(*linear(), nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")),
            None,
            "not square",
        ),
        (nn.Sequential(*linear(), nn.BatchNorm2d(3, track_running_stats=False)), None, "no running mean"),
    ],
)
def test_what_a_page_cannot_run_is_refused_with_the_reason(network, decode, why):
    with pytest.raises(NotExported, match=why):
        export(network, *([] if decode is None else [decode]))


def test_weights_that_16_bits_cannot_hold_are_refused():
    network = nn.Sequential(nn.Linear(LATENTS, 4), *linear(4))
    network[1] = nn.Linear(4, 12)
    with torch.no_grad():
        network[0].weight.mul_(1e-9)
        network[1].weight.mul_(1e9)
    with pytest.raises(NotExported, match="differ from it"):
        export(network)


def test_an_affine_map_before_the_first_layer_becomes_a_layer():
    network, turn = linear(), torch.randn(LATENTS, LATENTS, generator=torch.Generator().manual_seed(0))
    model = Decoding(lambda networks, codes: networks(codes @ turn + 1))
    program = export_decoder(model, network.eval(), LATENTS)
    assert [layer["op"] for layer in program.layers] == ["dense", "dense", "image", "sigmoid"]
    codes = make_codes(4)
    assert float((run(program, codes) - Trained(model, network).decode(codes)).abs().max()) < 1e-3


def test_nothing_is_left_on_the_networks():
    network = linear()
    export(network)
    assert not any(layer._forward_hooks for layer in network.modules())
