"""A dataset on trial: its instances, the images that are drawn, and what counts as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.datasets.loading import load_dataset
from dis_bench.errors import InputError, shown
from dis_bench.findings import Broken, breaking
from dis_bench.neutral import neutral

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.datasets.dataset import Dataset

SAMPLE = 60  # images that are compared with each other
REFERENCES = 8  # images around which each factor is varied
MOST_CLASSES = 50  # of one factor


class DatasetTrial:
    """A dataset, and the images that the properties compare.

    Args:
        name: an installed dataset, ``module:Class`` or ``path/file.py:Class``.
        check: called with the name and the instance, to refuse what is not declared as it must be.

    Raises:
        InputError: there is none, or it is refused.

    Attributes:
        dataset: an instance of the default source.
        indices: int64 [N]: the first, the last, and others drawn by a fixed seed, in no order.
    """

    def __init__(self, name: str, check: Callable[[str, Any], None] = lambda name, dataset: None) -> None:
        self.name = name
        self.dataset = self.make()
        check(name, self.dataset)
        between = np.random.default_rng(0).integers(0, len(self.dataset), SAMPLE - 2)
        self.indices = np.array([len(self.dataset) - 1, *between.tolist(), 0])

    def make(self, source: str | None = None) -> Dataset:
        """Make another instance.

        Raises:
            InputError: it cannot be made, for one because the file of this source is missing.
        """
        return load_dataset(self.name, source=source)

    @cached_property
    def images(self) -> Tensor:
        """Draw the images at :attr:`indices` as one batch."""
        return self.draw(self.indices)

    def draw(self, indices: Any, dataset: Dataset | None = None) -> Tensor:
        """Draw images; raise :class:`Broken` if they are not uint8 of the declared shape."""
        import torch

        dataset = dataset or self.dataset
        given = describe_indices(indices)
        with neutral(), breaking(f"images({given})"):
            images = dataset.images(indices)
        if not isinstance(images, torch.Tensor):
            raise Broken(f"images({given}) returns {shown(images)}; expected a tensor")
        kind, shape = str(images.dtype).removeprefix("torch."), [len(indices), *dataset.image_shape]
        if kind != "uint8" or list(images.shape) != shape:
            raise Broken(
                f"images({given}) is a {kind} tensor {list(images.shape)}; expected a uint8 tensor {shape}"
            )
        return images

    def sources(self) -> dict[str, Dataset]:
        """Make an instance of each source that can be made here."""
        made: dict[str, Dataset] = {}
        for source in self.dataset.sources:
            try:
                made[source] = self.make(source)
            except InputError:  # its file is not here
                continue
        return made


def describe_indices(indices: Sequence[int] | np.ndarray) -> str:
    """Return a few indices in full, and many as ``60 indices``."""
    return str([int(index) for index in indices]) if len(indices) <= 3 else f"{len(indices)} indices"
