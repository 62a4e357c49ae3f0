"""A browser decodes codes as torch does."""

import json

import numpy as np
import pytest
import torch

from dis_bench.reports.page import document
from dis_bench.reports.play.export import export_decoder
from tests.reports.play.decoders import DECODERS, LATENTS, make_codes, make_decoder


@pytest.fixture(scope="module")
def decode(chromium):
    """Return a function from a program and codes to the browser's images [B, H, W, C]."""
    page = chromium.new_page()
    page.evaluate(f"() => {{ {document._read('network.js')}; window.network = network; }}")

    def run(program, codes):
        described = json.loads(json.dumps(program.describe()))
        images = page.evaluate(
            "([program, codes]) => codes.map((code) => [...network.load(program)(code)])",
            [described, codes.tolist()],
        )
        return np.array(images)

    yield run
    page.close()


@pytest.mark.parametrize(("name", "network", "image_shape"), DECODERS)
def test_a_browser_decodes_as_torch_does(decode, name, network, image_shape):
    trained, codes = make_decoder(name, network, image_shape), make_codes(2)
    expected = trained.decode(codes)
    found = decode(export_decoder(trained.model, trained.networks, LATENTS), codes)
    channels, height, width = image_shape
    images = torch.from_numpy(found.reshape(len(codes), height, width, channels)).permute(0, 3, 1, 2)
    assert float(expected.std()) > 0.01  # not all grey
    assert float((images - expected).abs().max()) < 1e-3
