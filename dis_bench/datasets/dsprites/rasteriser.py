"""The dSprites rasteriser, which fills outlines as a GPU fills polygons.

A pixel is set if its centre is inside the outline; a centre on a left or bottom edge counts as inside, one on
a right or top edge as outside. Starting from the snapped corners, all arithmetic is on integers, so an image
is the same on every machine and device.

A row of an image is one 64-bit word (bit j is column j). The outline's edges cross a row at some columns. The
row is the exclusive-or of one word per crossing, in which all bits from the crossing on are set. Which edges
cross a row depends only on the sprite and its vertical position and is looked up; drawing only computes the
columns.
"""

from __future__ import annotations

import numpy as np
import torch

from dis_bench.datasets.dsprites.outlines import SUBPIXELS, outlines, snap_corners

SIDE = 64  # pixels of an image
MAX_ROWS = 28  # per sprite: the largest square, on its corner, is 27.2 pixels high
MAX_CROSSINGS = 4  # per row: the heart has two lobes


def build_tables(
    scales: np.ndarray, orientations: np.ndarray, positions: np.ndarray
) -> dict[str, torch.Tensor]:
    """Build all tables for drawing, 24 MB in total.

    Sprites are in the order (shape, scale, orientation, position).

    Returns:
        ``across``, the x of all corners, one sprite and x position after the other; ``starts``, where each of
        these begins in it; ``first_row`` and ``crossings``, see :func:`find_crossings`; ``row_steps``, 0 ..
        27; ``set_from``, for each column the word with all bits set from there on; ``bits``, see
        :func:`bits_of_bytes`.
    """
    across: list[np.ndarray] = []
    starts, first_row, crossings = [], [], []
    for outline in outlines().values():
        x, y = snap_corners(outline, scales, orientations, positions)
        starts.append(sum(part.size for part in across) + np.arange(len(x)) * x.shape[1])
        across.append(x.ravel())
        first, table = find_crossings(y)
        first_row.append(first)
        crossings.append(table.reshape(-1, 3, MAX_ROWS * MAX_CROSSINGS))
    is_set = np.arange(SIDE) >= np.arange(SIDE + 1)[:, None]
    tables = {
        "across": np.concatenate(across),
        "starts": np.concatenate(starts),
        "first_row": np.concatenate(first_row),
        "crossings": np.concatenate(crossings),
        "row_steps": np.arange(MAX_ROWS),
        "set_from": np.packbits(is_set, axis=1, bitorder="little").view(np.int64)[:, 0],
        "bits": bits_of_bytes(),
    }
    return {name: torch.from_numpy(table) for name, table in tables.items()}


def find_crossings(down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find which edges cross which rows, and where on the edge.

    Args:
        down: ``[S, corners + 1]``, the y of the corners of S sprites in 1/256 pixel.

    Returns:
        The first row of each sprite's table, int64 ``[S]``, and the tables, int16 ``[S, 3, 28 rows, 4]``: an
        edge, the distance along y from its start to the row's centre, and that to its end. Unused entries
        hold edge 0, crossed at its start; they occur in pairs within a row and cancel out.
    """
    below = (down + SUBPIXELS // 2) >> 8  # the first row whose centre is at or below the corner
    first = np.minimum(below.min(1), SIDE - MAX_ROWS).astype(np.int64)
    change = np.diff(below, axis=1)
    sprite, edge = np.nonzero(change)
    rows = np.abs(change[sprite, edge])
    # An edge that spans several rows crosses each of them.
    nth = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    sprite, edge = np.repeat(sprite, rows), np.repeat(edge, rows)
    row = np.minimum(below[sprite, edge], below[sprite, edge + 1]) + nth

    # A row is crossed by one edge going down and one going up, or by two of each. Each direction has its
    # place; an edge that finds its place taken by another moves on by two.
    start, end = down[sprite, edge], down[sprite, edge + 1]
    place = (end < start).astype(np.int64)
    tables = np.zeros((len(down), 3, MAX_ROWS, MAX_CROSSINGS), np.int16)
    tables[:, 2] = 1
    nth = row - first[sprite]
    tables[sprite, 0, nth, place] = edge
    place[tables[sprite, 0, nth, place] != edge] += 2

    # An edge going up is measured upwards, so that its length is positive.
    turn = np.sign(end - start)
    centre = row * SUBPIXELS + SUBPIXELS // 2
    for column, value in enumerate((edge, turn * (centre - start), turn * (end - start))):
        tables[sprite, column, nth, place] = value
    return first, tables


def draw_words(tables: dict[str, torch.Tensor], indices: torch.Tensor, positions: int) -> torch.Tensor:
    """Draw sprites as words of bits.

    Args:
        tables: from :func:`build_tables`.
        indices: int64 ``[B]``, in the order (shape, scale, orientation, x, y), y fastest.
        positions: the number of classes of x and of y.

    Returns:
        int64 ``[B, 64]``: one word per row.
    """
    by_x = indices // positions
    by_y = by_x // positions * positions + indices % positions
    edge, along, length = tables["crossings"].index_select(0, by_y).int().unbind(1)
    corner = tables["starts"].index_select(0, by_x)[:, None] + edge
    x0 = tables["across"].take(corner)
    x1 = tables["across"].take(corner + 1)
    # An edge crosses at x0 + along * (x1 - x0) / length. The first column whose centre is there or beyond:
    column = ((x0 + SUBPIXELS // 2) * length + along * (x1 - x0) - 1) // (SUBPIXELS * length)

    words = tables["set_from"].take(column.long()).view(len(indices), MAX_ROWS, MAX_CROSSINGS)
    words = (words[..., 0] ^ words[..., 1]) ^ (words[..., 2] ^ words[..., 3])
    rows = tables["first_row"].index_select(0, by_y)[:, None] + tables["row_steps"]
    return words.new_zeros(len(indices), SIDE).scatter_(1, rows, words)


def bits_of_bytes() -> np.ndarray:
    """Return the bits of every byte, lowest first, as bytes of an int64: ``[256]``."""
    every = np.arange(256, dtype=np.uint8)[:, None]
    return np.unpackbits(every, axis=1, bitorder="little").view(np.int64)[:, 0]


def unpack(words: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Unpack words, int64 ``[B, 64]``, to pixels in {0, 1}, uint8 ``[B, 1, 64, 64]``."""
    pixels = bits.take(words.view(torch.uint8).long()).view(torch.uint8)
    return pixels.view(len(words), 1, SIDE, SIDE)
