"""Ground-truth data: images, the factors that made them, and the grid that ties the two."""

from dis_bench.datasets.loading import load_dataset

__all__ = ["load_dataset"]
