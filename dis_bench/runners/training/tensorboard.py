"""The log of a training in TensorBoard's format, beside training.csv."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dis_bench.records.columns import split_images
from dis_bench.records.curves import read_rows
from dis_bench.records.events import EventFile
from dis_bench.records.pictures import Pictures
from dis_bench.runners.training.log import LOG_ROWS, count_row_steps

PICTURES = 10  # times in a training that pictures are made


def list_picture_steps(steps: int) -> list[int]:
    """List the steps after which pictures are made; the last is one of them."""
    every = count_row_steps(steps) * (LOG_ROWS // PICTURES)
    return [*range(every, steps, every), steps]


class TensorBoardLog:
    """The rows and pictures of one cell for TensorBoard.

    Args:
        folder: where its event file is written.
        batch_size: images per step.
    """

    def __init__(self, folder: Path, batch_size: int) -> None:
        self._folder, self._batch_size = folder, batch_size
        self._events: EventFile | None = None
        self._last = (time.monotonic(), 0)

    def resume(self, rows: str, done: int) -> None:
        """Begin, or go on after a checkpoint.

        Args:
            rows: content of training.csv up to the checkpoint; scalars that an earlier event file lacks are
                taken from it.
            done: steps that were done before.
        """
        self._events = EventFile(self._folder, done)
        for step, row in read_rows(rows):
            values = {group(name): value for name, value in row.items()}
            lacking = {n: v for n, v in values.items() if (step, n) not in self._events.scalars}
            self._events.add_scalars(step, lacking)
        self._last = (time.monotonic(), done)

    def add_row(
        self, names: Sequence[str], step: int, values: Sequence[float | None], rates: Mapping[str, float]
    ) -> None:
        """Add a row of training.csv, the learning rates by player, and the throughput."""
        assert self._events is not None
        # rates come first: what a kill cuts off at the end must be in training.csv, too
        found = {f"rates/lr_{name}": rate for name, rate in rates.items()}
        now = time.monotonic()
        seconds, steps = now - self._last[0], step - self._last[1]
        if seconds > 0 and steps > 0:
            found["rates/images_per_second"] = steps * self._batch_size / seconds
        self._last = (now, step)
        row = {group(name): value for name, value in zip(names, values, strict=True) if value is not None}
        self._events.add_scalars(step, found | row)

    def add_pictures(self, step: int, pictures: Pictures) -> None:
        """Add originals above their reconstructions, and a row per latent of traversals."""
        assert self._events is not None
        both = np.stack([pictures.originals, pictures.reconstructions])
        self._events.add_picture(step, "pictures/reconstructions", _tile(both))
        self._events.add_picture(step, "pictures/traversals", _tile(pictures.traversals))

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()


def group(column: str) -> str:
    """Return the tag of a column: ``train/loss``, ``kl_per_latent/kl_03``."""
    base, images = split_images(column)
    name, _, part = base.rpartition("_")
    if not images and name and part.isdecimal():
        return f"{name}_per_latent/{name}_{int(part):02d}"
    return f"{images or 'train'}/{base}"


def _tile(images: np.ndarray) -> np.ndarray:
    """Lay out images [R, N, C, H, W] as one picture [C, R * H, N * W]."""
    rows, count, channels, height, width = images.shape
    return images.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, count * width)
