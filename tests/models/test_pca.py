"""PCA's codes are the projections onto the directions of largest variance."""

import numpy as np
import torch

from dis_bench.models import build_model

NUMBERS = torch.Generator().manual_seed(0)
FACTORS = torch.randn(500, 3, generator=NUMBERS) * torch.tensor([8.0, 4.0, 2.0])
DIRECTIONS = torch.linalg.qr(torch.randn(4096, 3, generator=NUMBERS))[0]
IMAGES = (0.5 + FACTORS @ DIRECTIONS.T / 40).view(500, 1, 64, 64)


def fitted():
    model, networks = build_model("pca", latent_size=3)
    with torch.no_grad():
        model.fit(networks, lambda count: IMAGES[:count])
    return model, networks


def test_codes_are_the_factors_that_images_are_made_of():
    codes, log_variances = (lambda model, networks: model.encode(networks, IMAGES))(*fitted())
    assert log_variances is None
    assert np.abs(np.corrcoef(codes.T, FACTORS.T)[:3, 3:]).diagonal().min() > 0.99
    assert codes.var(0).argsort(descending=True).tolist() == [0, 1, 2]


def test_images_that_it_spans_come_back():
    model, networks = fitted()
    codes, _ = model.encode(networks, IMAGES)
    torch.testing.assert_close(torch.sigmoid(model.decode(networks, codes)), IMAGES, atol=1e-3, rtol=0)


def test_it_has_nothing_to_train():
    _, networks = build_model("pca", latent_size=3)
    assert list(networks.parameters()) == []
