"""The images of a dataset that a study trains on: some held out, others drawn by weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dis_bench.datasets.combinations import resolve_combinations
from dis_bench.datasets.correlation import describe_correlations, resolve_correlations
from dis_bench.datasets.holdout import LARGEST_DATASET, HeldOut, find_holdout, find_rule_holdout
from dis_bench.datasets.weighted import WeightedGrid, find_weights
from dis_bench.errors import InputError, blaming

if TYPE_CHECKING:
    from dis_bench.datasets.dataset import Dataset
    from dis_bench.datasets.grid import FactorGrid
    from dis_bench.models.draws import Draws

LEAST_LEFT = 0.01  # share of weighted draws that a holdout by chance must leave; all others are drawn anew


class TrainingImages(NamedTuple):
    """The settings of a cell that decide about the images it is trained on.

    Attributes:
        holdout: share of the images that are held out; 0 if none are.
        holdout_rule: the rule by which they are, in one spelling; empty if a hash decides.
        correlate: pairs of correlated factors, in one spelling; empty if there are none.
    """

    holdout: float = 0.0
    holdout_rule: str = ""
    correlate: str = ""

    def find_held_out(self, dataset: Dataset) -> HeldOut | None:
        """Return the images that are held out, or None."""
        if self.holdout_rule and dataset.grid is not None:
            return find_rule_holdout(dataset.grid, self.holdout_rule)
        return find_holdout(len(dataset), self.holdout) if self.holdout else None

    def find_correlation(self, dataset: Dataset) -> WeightedGrid | None:
        """Return the weights of correlated factors, held-out images included, or None."""
        return find_weights(dataset.grid, self.correlate) if self.correlate and dataset.grid else None

    def make_draws(self, dataset: Dataset, batch_size: int, latents: int, seed: int) -> Draws:
        """Create the random generators of a cell.

        Combinations that a rule holds out have weight 0; an image that a hash holds out is drawn anew.
        """
        from dis_bench.models.draws import Draws  # which costs torch

        held, propose = self.find_held_out(dataset), None
        if dataset.grid is not None and (self.correlate or self.holdout_rule):
            propose = find_weights(dataset.grid, self.correlate, self.holdout_rule).draw
        keeps = None if held is None else held.keeps
        factors = dataset.known_factors
        return Draws(len(dataset), batch_size, latents, seed, keeps, grid=factors, propose=propose)


def choose_training_images(
    name: str,
    dataset: Dataset,
    holdout: float | str,
    correlate: str | Sequence[str] | None,
    batch_size: int,
) -> TrainingImages:
    """Choose the images of a dataset to train on, and check that there are enough.

    Args:
        name: name of the dataset.
        dataset: the dataset, of which no image is drawn.
        holdout: share of the images to hold out, 0 for none; or a rule of their factors.
        correlate: pairs of factors, or None.
        batch_size: images per step.

    Raises:
        InputError: there are too few images, or too many to hold some out, or rule or pairs do not fit the
            dataset's factors.
    """
    if holdout and len(dataset) > LARGEST_DATASET:
        raise InputError(
            f"holdout goes through all images, and dataset '{name}' has {len(dataset):,} of them, more than "
            f"{LARGEST_DATASET:,}; train without one, or on a smaller dataset."
        )
    rule = ""
    if isinstance(holdout, str):
        with blaming(f"dataset '{name}'"):
            found = resolve_combinations(holdout, _need_grid(dataset, "a holdout by a rule"))
        rule, held, share = found.text, found.size, found.size / len(dataset)
    else:
        share = float(holdout)
        held = find_holdout(len(dataset), share).size if share else 0
    if share:
        _check_count(name, len(dataset), held, f"'{rule}'" if rule else f"{share:g}", batch_size)
    pairs = "" if correlate is None else _check_correlate(name, dataset, correlate, share, rule)
    return TrainingImages(share, rule, pairs)


def _check_count(name: str, count: int, held: int, holdout: str, batch_size: int) -> None:
    """Check that a holdout has images, and leaves a batch of others."""
    if not held:
        raise InputError(
            f"holdout {holdout} keeps none of the {count:,} images of dataset '{name}' out of training; give "
            "a larger one."
        )
    if count - held < batch_size:
        raise InputError(
            f"holdout {holdout} leaves {count - held:,} of the {count:,} images of dataset '{name}' to train "
            f"on, fewer than the batch_size {batch_size:,}; give a smaller one."
        )


def _check_correlate(
    name: str, dataset: Dataset, correlate: str | Sequence[str], share: float, rule: str
) -> str:
    """Return pairs of factors in one spelling, of which enough images can be drawn."""
    with blaming(f"dataset '{name}'"):
        grid = _need_grid(dataset, "correlate")
        text = describe_correlations(resolve_correlations(correlate, grid))
        weights = find_weights(grid, text, rule)
        if share and not rule:
            left = weights.sum_over(find_holdout(len(dataset), share).keeps)
            if left < LEAST_LEFT:
                raise InputError(
                    f"holdout {share:g} leaves {left:.2%} of what correlate draws, less than "
                    f"{LEAST_LEFT:.0%}; give a smaller share, or larger widths."
                )
    return text


def _need_grid(dataset: Dataset, what: str) -> FactorGrid:
    if dataset.grid is None:
        has = "no factors" if dataset.known_factors is None else "labels alone"
        raise InputError(f"{what} needs an image for each combination of factors, but there are {has}.")
    return dataset.grid
