"""What a report shows of a trained model: reconstructions and latent traversals, kept beside the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dis_bench.datasets.dataset import Dataset
from dis_bench.models.autoencoder import Autoencoder
from dis_bench.neutral import neutral

SEED = 0  # of the images: every model of a study shows the same ones
COUNT = 8  # originals beside reconstructions
TRAVERSAL = np.linspace(-3, 3, 9)  # the values that one latent takes while the others stay


@neutral()
@torch.no_grad()
def save_pictures(path: Path, networks: Autoencoder, dataset: Dataset, kl_per_latent: list[float]) -> None:
    """Write originals, reconstructions (of the posterior mean) and traversals as an npz of uint8 images.

    Arrays: ``originals`` and ``reconstructions`` [8, C, H, W], ``traversals`` [D, 9, C, H, W] around the
    first original, ``traversal_values`` [9], ``kl_per_latent`` [D] in nats; pixels 0 to 255.
    """
    indices = np.random.default_rng(SEED).choice(len(dataset), size=min(COUNT, len(dataset)), replace=False)
    images = dataset.images(torch.from_numpy(indices)).float() / dataset.pixel_max
    codes, _ = networks.encode(images)
    np.savez_compressed(
        path,
        originals=_to_bytes(images),
        reconstructions=_to_bytes(networks.decode(codes)),
        traversals=_to_bytes(_traverse(networks, codes[0])),
        traversal_values=TRAVERSAL,
        kl_per_latent=np.asarray(kl_per_latent),
    )


def _traverse(networks: Autoencoder, code: Tensor) -> Tensor:
    """Images [D, 9, C, H, W]: row d lets latent d take each value of the traversal."""
    values = torch.as_tensor(TRAVERSAL, dtype=code.dtype, device=code.device)
    codes = code.repeat(len(code), len(values), 1)
    for latent in range(len(code)):
        codes[latent, :, latent] = values
    return networks.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


def _to_bytes(images: Tensor) -> np.ndarray:
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
