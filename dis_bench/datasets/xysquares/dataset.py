"""XYSquares (Michlo et al. 2022, arXiv 2202.13341): three squares that move on a grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dis_bench.datasets.dataset import Dataset, hash_constants
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError
from dis_bench.parameters import Parameter

if TYPE_CHECKING:
    import torch

SIDE, SQUARE = 64, 8  # pixels of an image, and of a square
LEAST = 2  # positions of a coordinate that varies


class XYSquares(Dataset):
    """A red, a green and a blue square of 8x8 pixels on black, each at a place of its own.

    With the default ``spacing`` of 8, two different positions never overlap, so all of them are equally far
    apart in pixels: a reconstruction loss gives positions no order, and VAEs fail. A smaller spacing lets
    neighbours overlap, which restores the order. The published sets with overlap, ``xysquares_8x8_s1`` to
    ``s8``, keep eight positions, in the middle of the image; ``positions=0`` takes as many as fit. Colours
    add up where squares overlap.

    Source: https://github.com/nmichlo/disent

    Raises:
        InputError: fewer than two positions fit, or fewer than were asked for.
    """

    name = "xysquares"
    image_shape = (3, SIDE, SIDE)
    fingerprint = hash_constants(["xysquares", SIDE, SQUARE])
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("spacing", 8, "pixels between positions; below 8, neighbours overlap", low=1, high=56),
        Parameter("positions", 8, "positions on each axis; 0 for as many as fit", low=0, high=57),
    )

    spacing: int
    positions: int

    @staticmethod
    def make_grid(first: int, spacing: int, positions: int) -> FactorGrid:
        """Return the grid of three squares, with the first pixel of each as value."""
        values = tuple(range(first, first + positions * spacing, spacing))
        names = [f"{axis}_{colour}" for colour in "RGB" for axis in "xy"]
        return FactorGrid([Factor(name, positions, values, "ordinal") for name in names])

    grid = make_grid(0, 8, 8)

    def __init__(self, source: str | None = None, data_dir: str | Path | None = None, **values: Any) -> None:
        super().__init__(source, data_dir, **values)
        most = (SIDE - SQUARE) // self.spacing + 1
        count = self.positions or most
        if not LEAST <= count <= most:
            raise InputError(
                f"positions must be 0 or from {LEAST} to {most}, which fit into {SIDE} pixels with a spacing "
                f"of {self.spacing}, but {self.positions} was given."
            )
        first = (SIDE - SQUARE - (count - 1) * self.spacing) // 2
        self.grid = self.make_grid(first, self.spacing, count)

    def build(self) -> dict[str, torch.Tensor]:
        """Build what a square at each position covers on an axis: 255 there, 0 elsewhere.

        The strides of the grid are among the arrays, so that indices on a GPU are used without a check, which
        would wait for the device.
        """
        import torch

        assert self.grid is not None
        starts = torch.tensor(next(iter(self.grid)).values)[:, None]
        pixels = torch.arange(SIDE)
        covered = ((pixels >= starts) & (pixels < starts + SQUARE)).to(torch.uint8) * 255
        return {"covered": covered, "strides": torch.tensor(self.grid.strides)}

    def draw(self, indices: torch.Tensor) -> torch.Tensor:
        covered = self.tables["covered"]
        places = indices[:, None] // self.tables["strides"] % len(covered)
        across, down = covered[places[:, 0::2]], covered[places[:, 1::2]]  # [B, 3, 64] each
        return down[..., :, None] & across[..., None, :]
