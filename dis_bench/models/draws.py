"""Random draws of training: the images, pairs, noise and orders of one cell.

Each cell draws from its own generators on the CPU, so that its numbers depend neither on the device that
trains it nor on the cells that are trained with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dis_bench.errors import InputError
from dis_bench.models.labels import make_labels
from dis_bench.models.partners import Factors, Grid, Varying, draw_partners, list_varying

LABELS = 1  # in the seed of a labelled set, apart from that of batches
CHUNK = 1 << 20  # indices to look up at a time, if all are looked up
MOST_TRIES = 1_000  # to draw what is not held out; a share of the images that a study may hold out needs few
PROBES = 1_000  # images that are tried; a factor in which none of them has a partner is never drawn
MOST_PARTNERS = 1 << 20  # of all probes together, since a factor may have many values


class Pairs(NamedTuple):
    """Pairs of images, and in which factors they differ.

    Attributes:
        images: int64 [2 * B], the first of each pair and then their partners.
        changed: bool [B, V], True where the classes of a factor differ; V factors take more than one value.
    """

    images: Tensor
    changed: Tensor


class Sharing(NamedTuple):
    """Images that share all factors but one.

    Attributes:
        images: int64 [B].
        varying: int64 scalar, the place among the V factors with more than one value of the one that varies.
    """

    images: Tensor
    varying: Tensor


class Labelled(NamedTuple):
    """Images with labels, of a fixed set.

    Attributes:
        images: int64 [B].
        targets: float32 [B, V], from 0 to 1; V factors take more than one value.
        observed: bool [V], True for the factors that have labels.
    """

    images: Tensor
    targets: Tensor
    observed: Tensor


class Draws:
    """The random draws of one cell, step by step, on the CPU.

    Args:
        images: number of images in the dataset; batches are drawn from them with replacement, uniformly
            unless there is a ``propose``.
        batch_size: images per step.
        latents: number of latents D.
        seed: seed of all draws.
        keeps: returns True for each index [N] of an image to train on; None trains on all images.
        grid: the dataset's factors: a grid, or labels, by which no pairs can be drawn; None without factors.
        propose: draws a number of indices [N] by weight, with the cell's generator; None draws uniformly.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        latents: int,
        seed: int,
        keeps: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
        grid: Factors | None = None,
        propose: Callable[[np.random.Generator, int], np.ndarray] | None = None,
    ) -> None:
        self.count = images
        self.keeps = keeps
        self._grid = grid
        self._propose = propose or self._draw_uniformly
        self.batch_size = batch_size
        self.latents = latents
        self._seed = seed
        self._labelled: dict[tuple[int, str], Labelled] = {}
        self._batches = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def images(self, rows: int = 1) -> Tensor:
        """Draw indices int64 [rows * B] of images to train on."""
        return torch.from_numpy(self._draw_images(rows * self.batch_size))

    def gaussian(self, width: int, rows: int = 1) -> Tensor:
        """Draw unit Gaussian numbers [rows * B, width]."""
        return torch.randn(rows * self.batch_size, width, generator=self.generator)

    def uniform(self, width: int, rows: int = 1) -> Tensor:
        """Draw numbers [rows * B, width] uniformly from -1 to 1."""
        return 2 * torch.rand(rows * self.batch_size, width, generator=self.generator) - 1

    def orders(self, columns: int) -> Tensor:
        """Draw a permutation of the batch for each column: int64 [B, columns]."""
        drawn = [torch.randperm(self.batch_size, generator=self.generator) for _ in range(columns)]
        return torch.stack(drawn, dim=1)

    def pairs(self, law: str) -> Pairs:
        """Draw B images, and a partner for each.

        The law changes factors of the first image without regard to any weights: it intervenes on them. If
        either image of a pair is held out, both are drawn anew.

        Args:
            law: one of :data:`dis_bench.models.pairs.LAWS`.

        Raises:
            InputError: an unknown law, one that the dataset's factors do not allow, or no pair to train on.
        """
        grid, places = self._find_grid(), self.varying.places
        images = np.empty((2, self.batch_size), dtype=np.int64)
        lacking = np.arange(self.batch_size)
        for _ in range(MOST_TRIES):
            classes = grid.factors(self._draw_images(len(lacking)))
            images[0, lacking] = grid.indices(classes)
            classes[:, places] = draw_partners(law, self._batches, classes[:, places], self.varying)
            images[1, lacking] = grid.indices(classes)
            lacking = lacking[~self._kept(images[1, lacking])]
            if not len(lacking):
                first, second = (grid.factors(row)[:, places] for row in images)
                return Pairs(torch.from_numpy(images.reshape(-1)), torch.from_numpy(first != second))
        raise InputError(f"no pairs by the law {law} are left to train on: hold out fewer images.")

    def sharing(self) -> Sharing:
        """Draw B images that differ in one factor.

        The factor is drawn uniformly among those in which images to train on differ, and so are its values;
        the other factors are those of one image.

        Raises:
            InputError: the dataset has no grid, or no two such images are left to train on.
        """
        numbers = self._sharable
        number = int(numbers[self._batches.integers(len(numbers))]) if len(numbers) else 0
        for _ in range(100 * MOST_TRIES if len(numbers) else 0):  # one in PROBES may do
            alike = self._vary(self._draw_images(1), number)
            alike = alike[self._kept(alike)]
            if len(alike) > 1:
                images = self._batches.choice(alike, size=self.batch_size)
                return Sharing(torch.from_numpy(images), torch.tensor(number))
        raise InputError("no images that differ in one factor are left to train on: hold out fewer images.")

    @cached_property
    def _sharable(self) -> np.ndarray:
        """The places, among the V factors, of those that vary in the training images.

        A rule may hold out all values of a factor but one. A sample of images, the same for all cells, shows
        whether it does, so this takes milliseconds for any number of images.
        """
        numbers = np.arange(len(self.varying.places))
        self._find_grid()
        if self.keeps is None:
            return numbers
        images, differ = self._draw_images(PROBES, np.random.default_rng(0)), []
        for number, size in enumerate(self.varying.sizes):
            some = images[: max(1, MOST_PARTNERS // size)]
            left = self._kept(self._vary(some, number)).reshape(len(some), size)
            differ.append(bool((left.sum(1) > 1).any()))
        return numbers[differ]

    def _vary(self, images: np.ndarray, number: int) -> np.ndarray:
        """Return the indices [N * size] of images with all values of one of the V factors."""
        grid, size = self._find_grid(), self.varying.sizes[number]
        classes = grid.factors(images).repeat(size, 0)
        classes[:, self.varying.places[number]] = np.tile(np.arange(size), len(images))
        return np.asarray(grid.indices(classes))

    def labelled(self, count: int, quality: str) -> Labelled:
        """Draw B images with labels, uniformly from a set that the cell's seed fixes.

        Args:
            count: images in the set.
            quality: of the labels, one of :data:`dis_bench.models.labels.QUALITIES`.

        Raises:
            InputError: an unknown quality, or fewer images to train on than that.
        """
        fixed = self._labelled.get((count, quality)) or self._label(count, quality)
        rows = torch.from_numpy(self._batches.integers(0, count, size=self.batch_size))
        return Labelled(fixed.images[rows], fixed.targets[rows], fixed.observed)

    def _label(self, count: int, quality: str) -> Labelled:
        """Draw and label the set, with a generator that no checkpoint has to keep."""
        grid, rng = self._factors, np.random.default_rng([self._seed, LABELS])
        images = np.empty(0, dtype=np.int64)
        for _ in range(MOST_TRIES if count <= self.count else 0):
            drawn = self._propose(rng, count)
            images = np.concatenate([images, drawn[self._kept(drawn)]])
            _, places = np.unique(images, return_index=True)
            images = images[np.sort(places)][:count]
            if len(images) == count:
                break
        if len(images) < count:
            raise InputError(f"{count:,} labelled images were asked for, but there are fewer to train on.")
        classes = grid.factors(images)[:, self.varying.places]
        labels = make_labels(quality, rng, classes, self.varying.sizes)
        parts = (images, labels.targets, labels.observed)
        fixed = self._labelled[count, quality] = Labelled(*map(torch.from_numpy, parts))
        return fixed

    @cached_property
    def available(self) -> int:
        """The number of images to train on: all of the dataset that are not held out."""
        if self.keeps is None:
            return self.count
        starts = range(0, self.count, CHUNK)
        return sum(int(self.keeps(np.arange(at, min(at + CHUNK, self.count))).sum()) for at in starts)

    @cached_property
    def varying(self) -> Varying:
        """The dataset's factors with more than one value."""
        return list_varying(self._factors)

    @property
    def _factors(self) -> Factors:
        if self._grid is None:
            raise InputError("pairs and labels need factors, but this dataset has none.")
        return self._grid

    def _find_grid(self) -> Grid:
        """Return factors of which each combination has an image."""
        if isinstance(self._factors, Grid):
            return self._factors
        raise InputError(
            "pairs need an image for each combination of factors, but this dataset has labels alone."
        )

    def _draw_images(self, count: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Draw indices int64 [count] of images to train on, by default for a batch."""
        rng = rng or self._batches
        drawn = self._propose(rng, count)
        return drawn if self.keeps is None else self._replace(rng, drawn, self.keeps)

    def _draw_uniformly(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.integers(0, self.count, size=count)

    def _kept(self, indices: np.ndarray) -> np.ndarray:
        """Return True for each image to train on."""
        return np.ones(len(indices), dtype=bool) if self.keeps is None else self.keeps(indices)

    def _replace(
        self, rng: np.random.Generator, drawn: np.ndarray, keeps: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Draw each index anew until it is kept."""
        lacking = np.flatnonzero(~keeps(drawn))
        while len(lacking):
            drawn[lacking] = self._propose(rng, len(lacking))
            lacking = lacking[~keeps(drawn[lacking])]
        return drawn

    def state(self) -> dict[str, Any]:
        """Return the state of the generators, as plain values and tensors."""
        return {"batches": self._batches.bit_generator.state, "numbers": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the generators to a state that :meth:`state` returned."""
        self._batches.bit_generator.state = state["batches"]
        self.generator.set_state(state["numbers"])
