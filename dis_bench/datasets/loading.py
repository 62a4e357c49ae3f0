"""Loading of datasets by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench import registry
from dis_bench.errors import InputError, blaming, shown
from dis_bench.neutral import neutral
from dis_bench.paths import check_path
from dis_bench.requirements import names_missing_packages

if TYPE_CHECKING:
    from dis_bench.datasets.dataset import Dataset


@names_missing_packages
@neutral()
def load_dataset(
    name: str | type[Dataset],
    *,
    source: str | None = None,
    data_dir: str | Path | None = None,
    **parameters: Any,
) -> Dataset:
    """Load a dataset by name.

    Args:
        name: ``dsprites``, ``shapes3d``, ``mnist``, ``folder:PATH``, or any plug-in (see
            :mod:`dis_bench.registry`), also as a class.
        source: ``rendered`` draws the images and downloads nothing, ``official`` reads the authors' archive;
            by default the dataset's first source.
        data_dir: the directory of the archives; by default DIS_BENCH_DATA, else the user's cache.
        parameters: values of the dataset's own parameters, such as ``image_size=32``.

    Returns:
        The dataset. Its large arrays are built when the first image is requested.

    Raises:
        InputError: there is no such dataset, source or parameter, or a file is missing or fails verification.

    >>> dataset = load_dataset("dsprites")
    >>> dataset.images([0, 737279]).shape
    torch.Size([2, 1, 64, 64])
    """
    plugin = registry.find("datasets", name)
    make = plugin.load()
    if not callable(make):
        raise InputError(f"dataset '{name}' must be a subclass of Dataset, but is {shown(make)}.")
    if data_dir is not None:
        check_path("data_dir", data_dir)
    place = {} if plugin.argument is None else {"path": plugin.argument}
    if not place and getattr(make, "takes_path", False):
        raise InputError(f"dataset '{name}' needs a path: give {name}:PATH.")
    with blaming(f"dataset '{name}' cannot be made", refusals=False):
        return make(source=source, data_dir=data_dir, **place, **parameters)
