"""The plain way to train a VAE: torch's own layers and layout, images in memory."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from dis_bench.datasets import load_dataset
from dis_bench.datasets.dataset import Dataset
from dis_bench.models.vae import Terms
from dis_bench.nn.precision import Network
from dis_bench.records.cell import Cell
from dis_bench.runners.training.trainee import Trainee, prepare

LATENTS = 10


class PlainVAE(nn.Module):
    """A plain twin of our networks: same layers and weights, Bernoulli likelihood.

    Args:
        networks: the networks of a VAE, whose architecture and weights it copies.

    Raises:
        TypeError: the networks contain a layer without an equivalent in torch.
    """

    def __init__(self, networks: nn.Module) -> None:
        super().__init__()
        autoencoder: nn.Module = networks.autoencoder
        self.encoder, self.decoder = make_plain(autoencoder.encoder), make_plain(autoencoder.decoder)
        self.load_state_dict(autoencoder.state_dict())

    def forward(self, images: Tensor, noise: Tensor) -> Terms:
        """Return the terms of a VAE, computed as one would for one model."""
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        codes = mean + torch.exp(0.5 * logvar) * noise
        logits = self.decoder(codes)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, images, reduction="none")
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar)
        reconstruction = cross_entropy.flatten(1).sum(1)
        return Terms(images, mean, logvar, codes, logits, reconstruction, kl, torch.zeros(()), {})


def make_trainee(
    dataset: str,
    network: str,
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
    precision: str,
    beta: float = 4.0,
) -> Trainee:
    """Build a beta-VAE on the CPU, as a study would."""
    data = load_dataset(dataset)
    cell = Cell(
        **{"dataset": dataset, "source": data.source, "fingerprint": data.fingerprint, "dataset_version": ""},
        **{"model": "betavae", "model_version": "", "hyperparameters": {"beta": beta}, "network": network},
        **{"likelihood": "bernoulli", "latent_size": LATENTS, "steps": steps, "batch_size": batch, "lr": lr},
        **{"precision": precision, "kernels": "auto", "seed": seed},
    )
    return prepare(cell, {"betavae": "betavae"}, {dataset: data}, "cpu")


def replace_layers(networks: nn.Module, layout: torch.memory_format) -> None:
    """Give the networks of a VAE torch's own layers, in place, with the weights that they have.

    Args:
        networks: of a VAE.
        layout: of the weights in memory.
    """
    autoencoder: nn.Module = networks.autoencoder
    twin = PlainVAE(networks)
    autoencoder.encoder, autoencoder.decoder = Network(*twin.encoder), Network(*twin.decoder)
    autoencoder.to(memory_format=layout)


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
