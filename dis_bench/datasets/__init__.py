"""Ground-truth data: images, their factors, and the grid that links both."""

from dis_bench.datasets.loading import load_dataset

__all__ = ["load_dataset"]
