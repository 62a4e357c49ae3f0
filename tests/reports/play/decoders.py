"""Models with random weights, whose decoders have every kind of layer."""

from __future__ import annotations

import torch

from dis_bench.models.building import build_model
from dis_bench.reports.play.models import Trained

LATENTS = 5

# The name of a model, of its networks, and the shape of its images.
DECODERS = [
    ("betavae", "burgess", (1, 64, 64)),
    ("betavae", "burgess", (3, 64, 64)),
    ("factorvae", "locatello", (1, 64, 64)),
    ("vae", "tutorial", (3, 64, 64)),
    ("ae", "mlp", (1, 16, 20)),
    ("qlae", "hsu", (3, 32, 32)),
    ("infogan", "burgess", (1, 64, 64)),
    ("ae_ica", "burgess", (1, 64, 64)),
    ("supervised", "locatello", (3, 64, 64)),
]


def make_decoder(name: str, network: str, image_shape: tuple[int, int, int]) -> Trained:
    """Build a model whose weights, biases and running statistics are all random."""
    options = {"image_shape": image_shape, "network": network, "latent_size": LATENTS}
    model, networks = build_model(name, **options)
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in networks.parameters():
            if parameter.ndim == 1:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=chance))
        for layer in networks.modules():
            if isinstance(getattr(layer, "running_mean", None), torch.Tensor):
                layer.running_mean.copy_(torch.randn(layer.running_mean.shape, generator=chance))
                layer.running_var.copy_(0.5 + torch.rand(layer.running_var.shape, generator=chance))
        if hasattr(networks, "unmixing"):
            networks.unmixing.mix.copy_(torch.randn(LATENTS, LATENTS, generator=chance))
            networks.unmixing.mean.copy_(torch.randn(LATENTS, generator=chance))
    return Trained(model, networks.eval())


def make_codes(count: int) -> torch.Tensor:
    """Draw codes [count, LATENTS]."""
    return torch.randn(count, LATENTS, generator=torch.Generator().manual_seed(1))
