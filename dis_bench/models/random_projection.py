"""Random projection of pixels: a linear baseline that takes no steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dis_bench.models.pca import PCA, Axes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dis_bench.models.given import Given


class RandomProjection(PCA):
    """Projections of pixels on random directions (Johnson & Lindenstrauss 1984).

    The directions are Gaussian; the seed draws them.
    """

    name = "random"
    baseline = True

    def build(self, given: Given) -> Any:
        """Build the player, and draw its directions."""
        players = super().build(given)
        players.linear.project.normal_(std=math.prod(given.image_shape) ** -0.5)
        return players

    def find_axes(self, project: Tensor, pixels: NDArray[np.floating]) -> Axes:
        """Return the mean, the projection as it was drawn, and its pseudo-inverse."""
        import numpy as np

        drawn = project.cpu().numpy()
        return Axes(pixels.mean(0), drawn, np.linalg.pinv(drawn))
