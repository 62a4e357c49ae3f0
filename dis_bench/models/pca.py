"""PCA: principal components of pixels, a linear baseline that takes no training steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dis_bench.models.model import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dis_bench.models.given import Given

SAMPLE = 10_000  # images to fit on
MOST_NUMBERS = SAMPLE * 3 * 64 * 64  # pixels of these images: half a gigabyte
FAINTEST = 1e-3  # distance of decoded pixels from 0 and 1, where a Bernoulli likelihood may be infinite


class Axes(NamedTuple):
    """The mean image [P], a projection to codes [P, D], and a lift back to pixels [D, P]."""

    mean: NDArray[np.floating]
    project: NDArray[np.floating]
    lift: NDArray[np.floating]


def count_sample(pixels: int) -> int:
    """Return the number of images to fit on, for images of this many pixels.

    Args:
        pixels: of one image, in all channels.
    """
    return min(SAMPLE, max(1, MOST_NUMBERS // pixels))


class PCA(Model):
    """Principal components of pixels, fitted on 10,000 images.

    They are found by a randomised decomposition (Halko et al. 2011). Of images larger than 64x64 in colour it
    takes as many as have the same number of pixels: 2,500 of 128x128.
    """

    name = "pca"
    baseline = True
    stackable = False

    def build(self, given: Given) -> Any:
        """Build one player of buffers: a mean image, a projection, and the lift back."""
        import torch
        from torch import nn

        from dis_bench.models.players import Players

        pixels, linear = math.prod(given.image_shape), nn.Module()
        linear.register_buffer("mean", torch.zeros(given.image_shape))
        linear.register_buffer("project", torch.zeros(pixels, given.latents))
        linear.register_buffer("lift", torch.zeros(given.latents, pixels))
        return Players(linear=linear)

    def fit(self, networks: Any, images: Callable[[int], Tensor]) -> None:
        """Fit mean, projection and lift on images drawn by the cell's seed."""
        import torch

        linear = networks.linear
        pixels = images(count_sample(linear.mean.numel())).flatten(1).cpu().numpy()
        for name, array in self.find_axes(linear.project, pixels)._asdict().items():
            buffer = getattr(linear, name)
            buffer.copy_(torch.as_tensor(array, dtype=buffer.dtype).reshape(buffer.shape))

    def find_axes(self, project: Tensor, pixels: NDArray[np.floating]) -> Axes:
        """Find the principal components (Halko et al. 2011).

        Latents beyond the number of images or of pixels get zeros.

        Args:
            project: the projection as it was built [P, D].
            pixels: [N, P].
        """
        import numpy as np
        from sklearn.decomposition import PCA as Decomposition

        latents = project.shape[1]
        there = min(latents, *pixels.shape)
        found = Decomposition(there, svd_solver="randomized", random_state=0).fit(pixels)
        components = np.pad(found.components_, ((0, latents - there), (0, 0)))
        return Axes(found.mean_, components.T, components)

    def encode(self, networks: Any, images: Tensor) -> tuple[Tensor, None]:
        """Project images [B, C, H, W] to codes [B, D]."""
        linear = networks.linear
        return (images - linear.mean).flatten(1) @ linear.project, None

    def decode(self, networks: Any, codes: Tensor) -> Tensor:
        """Decode codes [B, D] to the logits of their linear reconstructions."""
        linear = networks.linear
        pixels = (codes @ linear.lift).view(-1, *linear.mean.shape) + linear.mean
        return pixels.clamp(FAINTEST, 1 - FAINTEST).logit()
