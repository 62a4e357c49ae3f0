"""The images of one cell to play with: originals, reconstructions, and its latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dis_bench.records.pictures import Pictures

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.reports.play.models import Trained

STOPS = 21  # values of each latent on a sheet
REACH = 3.0  # of a latent with a unit Gaussian prior, in both directions

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Played:
    """Images and codes of a cell that a browser shows.

    Attributes:
        originals: images of the data `[N, C, H, W]`.
        reconstructions: the same images, decoded from their codes.
        rows: `[D, stops, C, H, W]`: latent d takes evenly spaced values from ``low`` to ``high``, the others
            keep the values of ``base``.
        low, high: `[D]`.
        base: `[D]`, the code of the first original, or the values on the sheet that come closest to it.
        codes: `[N, D]` of the originals; None if they are not known.
    """

    originals: Pixels
    reconstructions: Pixels
    rows: Pixels
    low: Numbers
    high: Numbers
    base: Numbers
    codes: Numbers | None = None


def decode_latents(trained: Trained, pictures: Pictures, low: Numbers, high: Numbers) -> Played | None:
    """Decode the images of a cell whose weights are known.

    Args:
        trained: the cell's model.
        pictures: the pictures that it kept.
        low, high: `[D]`, the values between which each latent moves.

    Returns:
        The images; None if the model does not decode to the pictures that were kept.
    """
    import torch

    codes = trained.encode(torch.from_numpy(pictures.originals).float() / 255)
    reconstructions = _to_bytes(trained.decode(codes))
    if np.abs(reconstructions.astype(int) - pictures.reconstructions).max() > 2:  # levels of grey
        return None
    kept = codes.numpy()
    low, high = np.minimum(low, kept.min(axis=0)), np.maximum(high, kept.max(axis=0))
    latents = len(low)
    moved = codes[0].repeat(latents, STOPS, 1)
    for latent in range(latents):
        moved[latent, :, latent] = torch.linspace(float(low[latent]), float(high[latent]), STOPS)
    rows = _to_bytes(trained.decode(moved.flatten(0, 1))).reshape(
        latents, STOPS, *pictures.originals.shape[1:]
    )
    return Played(pictures.originals, reconstructions, rows, low, high, kept[0], kept)


def take_latents(pictures: Pictures) -> Played:
    """Take the images of a cell from the traversals that it kept."""
    values, rows = pictures.traversal_values, pictures.traversals
    latents = len(rows)
    low, high = np.full(latents, values[0]), np.full(latents, values[-1])
    distances = np.abs(rows.astype(float) - pictures.reconstructions[0]).mean(axis=(2, 3, 4))
    base = values[distances.argmin(axis=1)]
    return Played(pictures.originals, pictures.reconstructions, rows, low, high, base)


def find_reach(pictures: Pictures, codes: Numbers | None) -> tuple[Numbers, Numbers]:
    """Return the values `[D]` between which each latent moves.

    With a posterior, they are -3 and 3, by the prior. Without one, they leave out the outermost hundredths of
    the codes. If the pictures' traversals are narrower, the model was trained on codes of that range, and no
    value lies outside it, except that :func:`decode_latents` reaches the codes of the originals.
    """
    latents = len(pictures.traversals)
    if pictures.kl_per_latent is not None or codes is None:
        return np.full(latents, -REACH), np.full(latents, REACH)
    low, high = np.quantile(codes, [0.01, 0.99], axis=0)
    first, last = pictures.traversal_values[[0, -1]]
    if first > -REACH and last < REACH:
        low, high = low.clip(first, last), high.clip(first, last)
        return np.where(high > low, low, first), np.where(high > low, high, last)
    return low, np.where(high > low, high, low + 1)


def _to_bytes(images: Tensor) -> Pixels:
    pixels: Pixels = (images * 255).round().byte().numpy()
    return pixels
