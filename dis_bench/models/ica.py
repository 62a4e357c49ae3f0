"""ICA: independent components of whitened pixels, a linear baseline that takes no steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dis_bench.models.pca import PCA, Axes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

ITERATIONS = 500  # of FastICA, at most
FAINTEST = 1e-6  # of the strongest direction's deviation: directions below it cannot be whitened


class ICA(PCA):
    """Independent components of pixels by FastICA (Hyvarinen 1999).

    They are those of the first principal components, as many as there are latents, which are whitened.
    FastICA stops after 500 iterations, whether it has converged or not; no record says which.
    """

    name = "ica"
    baseline = True

    def find_axes(self, project: Tensor, pixels: NDArray[np.floating]) -> Axes:
        """Find the mean, a projection to codes, and the lift back."""
        import numpy as np

        axes = super().find_axes(project, pixels)
        codes = (pixels - axes.mean) @ axes.project
        unmix = find_independent(codes - codes.mean(0))  # else the rounding of the mean would be a direction
        return Axes(axes.mean, axes.project @ unmix, np.linalg.pinv(unmix) @ axes.lift)


def find_independent(codes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Find the matrix [D, D] that whitens and unmixes centred codes [N, D] by FastICA.

    Directions in which codes do not vary have columns of zeros, at the end.
    """
    import warnings

    import numpy as np
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    _, deviations, directions = np.linalg.svd(codes, full_matrices=False)
    vary = deviations > FAINTEST * max(deviations[0], np.finfo(codes.dtype).tiny)
    whiten = directions[vary].T / deviations[vary] * len(codes) ** 0.5
    unmix = np.zeros((codes.shape[1], codes.shape[1]), codes.dtype)
    if not vary.any():
        return unmix
    with warnings.catch_warnings():
        # unconverged, it is a baseline all the same, as docstrings say
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = FastICA(whiten=False, max_iter=ITERATIONS, random_state=0).fit(codes @ whiten)
    unmix[:, : vary.sum()] = whiten @ found.components_.T
    return unmix
