"""Ground-truth data: images, the factors that made them, and the grid that ties the two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dis_bench import registry
from dis_bench.neutral import neutral

if TYPE_CHECKING:
    from dis_bench.datasets.dataset import Dataset

__all__ = ["load_dataset"]


@neutral()
def load_dataset(name: str, *, source: str | None = None, data_dir: str | Path | None = None) -> Dataset:
    """A dataset by name.

    Args:
        name: ``dsprites``, ``shapes3d``, or any plug-in (see :mod:`dis_bench.registry`).
        source: ``rendered`` draws the images and downloads nothing, ``official`` reads the authors' archive;
            by default the dataset's first, which for ours is ``rendered``.
        data_dir: where archives lie; by default what DIS_BENCH_DATA says, else the user's cache.

    Returns:
        The dataset. Its big arrays are made when the first image is asked for.

    Raises:
        InputError: there is no such dataset or source, or its archive is missing or not the real one.

    >>> dataset = load_dataset("dsprites")
    >>> dataset.images([0, 737279]).shape
    torch.Size([2, 1, 64, 64])
    """
    return registry.find("datasets", name).load()(source=source, data_dir=data_dir)
