"""Pictures of a trained model for reports: reconstructions and latent traversals."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dis_bench.datasets.dataset import Dataset
from dis_bench.errors import InputError
from dis_bench.neutral import neutral
from dis_bench.records.arrays import MOST_BYTES
from dis_bench.records.pictures import Pictures
from dis_bench.runners.passes import decode, encode
from dis_bench.runners.training.trainee import Trainee

SEED = 0  # of the images, so that every model of a study shows the same ones
COUNT = 8  # originals with reconstructions
VALUES = 9  # of one latent while the others are fixed


def check_pictures(name: str, dataset: Dataset, latents: int) -> None:
    """Check that traversals of all latents are small enough to be kept.

    Raises:
        InputError: they are not, for images of this size.
    """
    channels, height, width = dataset.image_shape
    most = MOST_BYTES // (VALUES * channels * height * width)
    if latents > most:
        raise InputError(
            f"latent_size may be {most:,} at most with dataset '{name}', since the traversals of its images "
            f"of {height}x{width} in {channels} {'channels' if channels > 1 else 'channel'} are kept, but "
            f"{latents:,} was given."
        )


@neutral()
@torch.no_grad()
def make_pictures(trained: Trainee, kl_per_latent: list[float] | None) -> Pictures | None:
    """Decode eight codes, and nine values of each latent around the first of them.

    Args:
        trained: a cell whose networks are in evaluation mode.
        kl_per_latent: [D], in nats, if there is a KL.

    Returns:
        The pictures; None without a decoder.
    """
    count = len(trained.dataset)
    indices = np.random.default_rng(SEED).choice(count, size=min(COUNT, count), replace=False)
    images = trained.pixels(torch.from_numpy(indices))
    codes, _ = encode(trained.model, trained.networks, images)
    values = np.linspace(-trained.model.reach, trained.model.reach, VALUES)
    traversals = _traverse(codes[0], torch.from_numpy(values))
    reconstructed = decode(trained.model, trained.networks, codes)
    traversed = decode(trained.model, trained.networks, traversals.flatten(0, 1))
    if reconstructed is None or traversed is None:
        return None
    return Pictures(
        originals=_to_bytes(images),
        reconstructions=_to_bytes(torch.sigmoid(reconstructed)),
        traversals=_to_bytes(torch.sigmoid(traversed).unflatten(0, traversals.shape[:2])),
        traversal_values=values,
        kl_per_latent=None if kl_per_latent is None else np.asarray(kl_per_latent),
    )


def _traverse(code: Tensor, values: Tensor) -> Tensor:
    """Return codes [D, 9, D]: in row d, latent d takes each of the values."""
    codes = code.repeat(len(code), len(values), 1)
    for latent in range(len(code)):
        codes[latent, :, latent] = values.to(code)
    return codes


def _to_bytes(images: Tensor) -> np.ndarray:
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
