"""A holdout: images kept out of training, by a hash of their index or by their factors.

By a share, an image is held out where the first output of splitmix64 (Steele et al. 2014), seeded with the
image's index, is below share x 2^64. So the choice depends on nothing but index and share: every cell of a
dataset has the same one on every machine, and a larger share holds out the images of a smaller one and more.

By a rule, exactly the images with certain combinations of factor values are held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from dis_bench.datasets.combinations import Combinations, resolve_combinations
from dis_bench.datasets.grid import FactorGrid

CHUNK = 1 << 20  # indices that are hashed at a time, if all images are
LARGEST_DATASET = 1 << 28  # images; of larger datasets none are held out, since all would be gone through
LARGEST_TABLE = 1 << 24  # images, with a byte each; of larger datasets indices are hashed as they come


@dataclass(frozen=True)
class HeldOut:
    """The images of a dataset that are held out.

    Attributes:
        count: images in the dataset.
    """

    count: int

    def contains(self, indices: np.ndarray) -> np.ndarray:
        """Return True for each index of an image that is held out."""
        raise NotImplementedError

    def keeps(self, indices: np.ndarray) -> np.ndarray:
        """Return True for each index of an image that is left to train on."""
        return self._kept[indices] if self.count <= LARGEST_TABLE else ~self.contains(indices)

    @cached_property
    def _kept(self) -> np.ndarray:
        """Keep a byte for each image, in which a batch is looked up fast."""
        kept = np.ones(self.count, dtype=bool)
        for held in self._list():
            kept[held] = False
        return kept

    @cached_property
    def size(self) -> int:
        """Count the images that are held out."""
        return sum(len(some) for some in self._list())

    def draw(self, rows: int, seed: int) -> np.ndarray:
        """Draw indices [N] of held-out images without replacement; all, if they are fewer."""
        held = np.concatenate([*self._list()])
        return np.random.default_rng(seed).choice(held, size=min(rows, len(held)), replace=False)

    def _list(self) -> Iterator[np.ndarray]:
        for start in range(0, self.count, CHUNK):
            indices = np.arange(start, min(start + CHUNK, self.count))
            yield indices[self.contains(indices)]


@dataclass(frozen=True)
class Holdout(HeldOut):
    """Images that are held out by a share.

    Attributes:
        share: of the images to hold out, between 0 and 1; about that many are.
    """

    share: float

    def contains(self, indices: np.ndarray) -> np.ndarray:
        """Return True for each index of an image that is held out."""
        return hash_indices(indices) < np.uint64(int(self.share * 2.0**64))  # exact: 2^64 only shifts


@dataclass(frozen=True)
class CombinationHoldout(HeldOut):
    """Images that are held out by a rule of their factors.

    Attributes:
        combinations: of the images to hold out.
    """

    combinations: Combinations

    @cached_property
    def size(self) -> int:
        """Count the images that are held out."""
        return self.combinations.size

    def contains(self, indices: np.ndarray) -> np.ndarray:
        """Return True for each index of an image that is held out."""
        return self.combinations.contains(indices)


@lru_cache(maxsize=64)
def find_rule_holdout(grid: FactorGrid, rule: str) -> CombinationHoldout:
    """Return the images that a rule holds out, which a dataset's cells share."""
    return CombinationHoldout(len(grid), resolve_combinations(rule, grid))


@lru_cache(maxsize=64)
def find_holdout(count: int, share: float) -> Holdout:
    """Return the holdout of a dataset, which its cells share."""
    return Holdout(count, share)


def hash_indices(indices: np.ndarray) -> np.ndarray:
    """Compute the first output of splitmix64, seeded with each index, as uint64."""
    mixed = np.asarray(indices).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)  # wraps at 2^64
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
