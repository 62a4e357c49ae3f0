"""Labels of a few images: classes of factors as numbers from 0 to 1, perfect or not.

The qualities are those of Locatello et al. 2020, with their sizes: 5 bins, a tenth of labels at random, 2
factors observed. Labels go from 0 to 1, class / (classes - 1); in the public code they end at
(classes - 1) / classes. Observed factors keep their places; in the public code they become the first two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dis_bench.errors import unknown

if TYPE_CHECKING:
    import numpy as np

BINS = 5
SHARE_AT_RANDOM = 0.1
OBSERVED = 2  # factors, of partial labels

QUALITIES = {
    "perfect": "the classes",
    "binned": "five bins of classes",
    "noisy": "a tenth of labels drawn at random",
    "permuted": "classes in an order drawn at random",
    "partial": "two factors, drawn at random",
}


class Labels(NamedTuple):
    """Labels of N images by V factors.

    Attributes:
        targets: float32 [N, V], from 0 to 1.
        observed: bool [V], True for the factors that have labels.
    """

    targets: np.ndarray
    observed: np.ndarray


def make_labels(quality: str, rng: np.random.Generator, classes: np.ndarray, sizes: np.ndarray) -> Labels:
    """Label images.

    Args:
        quality: one of :data:`QUALITIES`.
        rng: decides what is random in labels.
        classes: int64 [N, V].
        sizes: number of classes of each factor, at least 2, int64 [V].

    Raises:
        InputError: an unknown quality.
    """
    import numpy as np

    if quality not in QUALITIES:
        raise unknown("quality of labels", quality, QUALITIES)
    observed = np.ones(len(sizes), dtype=bool)
    if quality == "binned":
        coarse = sizes > BINS
        classes = np.where(coarse, classes * BINS // sizes, classes)
        sizes = np.minimum(sizes, BINS)
    elif quality == "noisy":
        random = rng.integers(0, sizes, size=classes.shape)
        classes = np.where(rng.random(classes.shape) < SHARE_AT_RANDOM, random, classes)
    elif quality == "permuted":
        orders = [rng.permutation(size) for size in sizes]
        classes = np.stack([order[own] for order, own in zip(orders, classes.T, strict=True)], axis=1)
    elif quality == "partial":
        observed = rng.permutation(len(sizes)) < OBSERVED
    return Labels((classes / (sizes - 1)).astype(np.float32), observed)
