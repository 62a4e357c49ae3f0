"""The plain way to train a VAE: torch's own layers and layout, images in memory."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from dis_bench.datasets.dataset import Dataset
from dis_bench.models.autoencoder import Autoencoder, Terms


class PlainVAE(nn.Module):
    """A plain twin of our networks: same layers and weights, Bernoulli likelihood.

    Args:
        networks: the networks whose architecture and weights it copies.

    Raises:
        TypeError: the networks contain a layer without an equivalent in torch.
    """

    def __init__(self, networks: Autoencoder) -> None:
        super().__init__()
        self.latent_size = networks.latent_size
        self.encoder, self.decoder = make_plain(networks.encoder), make_plain(networks.decoder)
        self.load_state_dict(networks.state_dict())

    def forward(self, images: Tensor, noise: Tensor) -> Terms:
        """Return the terms of :class:`Autoencoder`, computed as one would for one model."""
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        codes = mean + torch.exp(0.5 * logvar) * noise
        logits = self.decoder(codes)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, images, reduction="none")
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar)
        return Terms(images, mean, logvar, codes, logits, cross_entropy.flatten(1).sum(1), kl)


def make_plain(module: nn.Module) -> nn.Module:
    """Return the module with torch's own layers, whose weights have yet to be loaded."""
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*map(make_plain, module))
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        transposed = isinstance(module, nn.ConvTranspose2d)
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        options = {"output_padding": module.output_padding} if transposed else {}
        widths, shape = (module.in_channels, module.out_channels), (module.kernel_size, module.stride)
        return nn.utils.skip_init(kind, *widths, *shape, module.padding, **options)
    if isinstance(module, nn.Linear):
        return nn.utils.skip_init(nn.Linear, module.in_features, module.out_features)
    if not type(module).__module__.startswith("torch.nn."):
        raise TypeError(f"there is no plain twin of a {type(module).__name__}")
    return copy.deepcopy(module)


def unpack(dataset: Dataset, count: int | None = None) -> Tensor:
    """Return all or the first images of a dataset, uint8 [N, C, H, W], as if unpacked."""
    count = min(count or len(dataset), len(dataset))
    images = torch.empty(count, *dataset.image_shape, dtype=torch.uint8)
    for some in tqdm(torch.arange(count).split(1024), "unpacking", leave=False, disable=None):
        images[some] = dataset.images(some)
    return images


def count_flops(networks: nn.Module, image_shape: tuple[int, int, int], latent_size: int) -> float:
    """Count the floating-point operations per image of a training step.

    It includes the forward and backward passes; a multiply-add counts as two.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        terms = networks(torch.rand(1, *image_shape), torch.randn(1, latent_size))
        (terms.reconstruction.sum() + terms.kl.sum()).backward()
    return float(counter.get_total_flops())
