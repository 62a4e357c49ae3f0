"""The dataset contract: images by index, with a grid of factors, labels, or neither."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dis_bench.datasets.grid import FactorGrid, check_indices
from dis_bench.datasets.labels import Labels
from dis_bench.errors import InputError, unknown
from dis_bench.neutral import neutral
from dis_bench.parameters import Parameter, Value
from dis_bench.requirements import names_missing_packages

if TYPE_CHECKING:
    import torch

    from dis_bench.datasets.archives import Archive


NO_FACTORS = "neither a grid nor labels"  # the reason, wherever factors are needed


def hash_constants(constants: Any) -> str:
    """Return the fingerprint of drawn images: a hash of the constants behind them."""
    return "drawn:" + hashlib.sha256(json.dumps(constants).encode()).hexdigest()[:16]


class Dataset:
    """Images, with their generative factors if they are known.

    A plug-in subclasses this, sets the class attributes and defines :meth:`draw`; the tables that it uses
    while drawing come from :meth:`build`. docs/datasets.md walks through an example.

    The factors of a dataset are a :attr:`grid`, of which every combination has an image; or :attr:`labels`,
    in any proportion; or unknown. A dataset without a grid sets :attr:`count`.

    Args:
        source: one of :attr:`sources`; by default the first.
        data_dir: the directory that a source which reads files searches.
        values: declared :attr:`parameters` by name; the others take their defaults.

    Attributes:
        name: the name that users type and tables show.
        summary: the first line of the class's docstring.
        grid: the factors, or None. A factor of size 1 stays in the grid; scores and sweeps leave it out.
        labels: the classes of each image if there is no grid, or None.
        count: number of images; that of the grid by default.
        image_shape: (C, H, W).
        pixel_max: the value of a white pixel: 1 if pixels are bits, 255 if they are bytes.
        parameters: what ``--set dataset.name=value`` can change; each becomes an attribute of the instance.
        takes_path: whether users name it with a path, as in ``folder:PATH``; it is then given as ``path``.
        contents: for lists, the images and the factors in words if there is no grid.
        sources: the possible sources of the pixels, the default first.
        archive: the authors' file, if there is one to fetch.
        archives: the authors' files, if there are several.
        reference: factor classes of a typical image, around which ``dis-bench data show`` sweeps; by default
            the middle class of every factor.
        caveat: one line that a reader of results must know, or one by source.
        source: the source of this instance's pixels.
        fingerprint: a short text that changes if the pixels may have changed for a reason other than the
            code or a parameter, such as a different file; set it on the class, or in ``__init__``.

    Raises:
        InputError: there is no such source or parameter, or its value is not allowed.
    """

    name: str
    summary: ClassVar[str]
    grid: FactorGrid | None = None
    labels: Labels | None = None
    count: int
    image_shape: tuple[int, int, int]
    pixel_max: int = 255
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    takes_path: ClassVar[bool] = False
    contents: ClassVar[tuple[str, str]] = ("images", "none")
    sources: ClassVar[tuple[str, ...]] = ("rendered",)
    archive: ClassVar[Archive | None] = None
    archives: ClassVar[tuple[Archive, ...]] = ()
    reference: ClassVar[tuple[int, ...] | None] = None
    caveat: ClassVar[str | Mapping[str, str]] = ""
    fingerprint: str

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.summary = (cls.__doc__ or "").strip().partition("\n")[0]

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        source = self.sources[0] if source is None else source
        if source not in self.sources:
            raise unknown(f"source of dataset '{self.name}'", str(source), self.sources)
        self.source = source
        self.data_dir = data_dir
        self.device: str | torch.device = "cpu"
        self._tables: dict[str, torch.Tensor] | None = None
        declared = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in declared:
                raise unknown(f"parameter of dataset '{self.name}'", name, declared)
        self.values = {
            name: parameter.parse(values.get(name, parameter.default)) for name, parameter in declared.items()
        }
        for name, value in self.values.items():
            setattr(self, name, value)

    @property
    def chosen(self) -> dict[str, Value]:
        """Values of parameters that are not at their default."""
        defaults = {parameter.name: parameter.default for parameter in self.parameters}
        return {name: value for name, value in self.values.items() if value != defaults[name]}

    @property
    def known_factors(self) -> FactorGrid | Labels | None:
        """The grid, else the labels, else None."""
        return self.labels if self.grid is None else self.grid

    @classmethod
    def list_archives(cls, **values: Value) -> tuple[Archive, ...]:
        """List the authors' files: all, or those that some parameters ask for.

        Args:
            values: of all :attr:`parameters`; a dataset whose files depend on one overrides this method.
        """
        return cls.archives or (() if cls.archive is None else (cls.archive,))

    @property
    def own_caveat(self) -> str:
        """The caveat of this instance, which may know more than its source."""
        return self.caveat_of(self.source)

    @classmethod
    def caveat_of(cls, source: str) -> str:
        """Return the caveat of a source; empty if there is none."""
        return cls.caveat if isinstance(cls.caveat, str) else cls.caveat.get(source, "")

    def build(self) -> dict[str, torch.Tensor]:
        """Build the large arrays that :meth:`draw` reads, by name.

        Called once, before the first image.
        """
        return {}

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        """Draw the images at the given indices.

        Args:
            indices: int64 ``[B]``, in range, on this dataset's device.

        Returns:
            uint8 ``[B, C, H, W]``, on the same device.
        """
        raise NotImplementedError

    @property
    def tables(self) -> dict[str, torch.Tensor]:
        """The arrays from :meth:`build`, on this dataset's device."""
        if self._tables is None:
            self._tables = {name: table.to(self.device) for name, table in self.build().items()}
        return self._tables

    @names_missing_packages
    @neutral()
    def images(self, indices: Any) -> torch.Tensor:
        """Return the images at the given indices.

        Args:
            indices: ``[B]`` integers; a tensor, a numpy array or a list.

        Returns:
            uint8 ``[B, C, H, W]`` with the values of the authors' file (0 .. pixel_max), on this dataset's
            device.

        Raises:
            InputError: the indices are not integers, do not have exactly one axis, or are out of range.
                Indices on a GPU are left to the device's own check, since waiting for its answer would delay
                every batch.
        """
        import torch

        if not isinstance(indices, torch.Tensor) or indices.device.type == "cpu":
            count = self.count if self.grid is None else len(self.grid)
            indices = torch.as_tensor(check_indices(indices, count))
        return self.draw(indices.to(self.device, torch.int64))

    def indices(self, factors: Any) -> Any:
        """Return the index of each row of factor classes; see :meth:`FactorGrid.indices`.

        Raises:
            InputError: as there, or the dataset has no grid.
        """
        if self.grid is None:
            raise InputError(f"dataset '{self.name}' has no image for each combination of factors.")
        return self.grid.indices(factors)

    def factors(self, indices: Any) -> Any:
        """Return the factor classes at each index; see :meth:`FactorGrid.factors`.

        Raises:
            InputError: as there, or the dataset has no factors.
        """
        if self.known_factors is None:
            raise InputError(f"dataset '{self.name}' has no factors: {NO_FACTORS}.")
        return self.known_factors.factors(indices)

    def __len__(self) -> int:
        return self.count if self.grid is None else len(self.grid)

    def to(self, device: str | torch.device) -> Self:
        """Move the tables, and all later images, to a device; return this dataset."""
        self.device = device
        if self._tables is not None:
            self._tables = {name: table.to(device) for name, table in self._tables.items()}
        return self

    @neutral()
    def share_memory(self) -> Self:
        """Build the tables in shared memory, for workers started by torch.multiprocessing.

        If shared memory is missing or too small (containers often have 64 MB), the tables are only built, and
        each worker builds its own. Returns this dataset.
        """
        size = sum(table.nbytes for table in self.tables.values())
        shared = Path("/dev/shm")
        if not shared.is_dir() or shutil.disk_usage(shared).free > 2 * size:
            with suppress(RuntimeError):  # it may be read-only
                for table in self.tables.values():
                    table.share_memory_()
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Only tables in shared memory are pickled: copying them would cost more than building them again.
        tables = self._tables or {}
        shared = tables if all(table.is_shared() for table in tables.values()) else {}
        return vars(self) | {"_tables": shared or None}

    def __repr__(self) -> str:
        about = self.known_factors or f"{len(self)} images without factors"
        return f"{type(self).__name__}(source={self.source!r}, {about})"
