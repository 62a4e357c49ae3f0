"""The properties that every dataset must have, ours and anybody's: one function each.

A property takes a :class:`~dis_bench.datasets.checks.trial.DatasetTrial`; :mod:`dis_bench.findings` says what
it returns and raises.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import numbers
import pickle
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dis_bench.datasets.checks.trial import MOST_CLASSES, REFERENCES, DatasetTrial, describe_indices
from dis_bench.errors import InputError, describe, shown
from dis_bench.findings import (
    Broken,
    DoesNotApply,
    Finding,
    breaking,
    check_each,
    expecting_no_change_of_state,
)

if TYPE_CHECKING:
    from torch import Tensor

    from dis_bench.datasets.grid import Factor

MEMORY_PIXELS = 64 << 20  # bytes of images that are drawn to see whether memory grows
MEMORY_PARTS = 4  # in which growth is measured
MEMORY_SHARE = 0.5  # of these bytes by which it may grow

Property = Callable[[DatasetTrial], str]


def check_properties(trial: DatasetTrial) -> list[Finding]:
    """Check every property, or only the first if there are no images to compare."""
    return check_each(PROPERTIES, trial, "it draws no images of its shape.")


def draws_images_of_its_shape(trial: DatasetTrial) -> str:
    """Check type, shape and range of one image and of many.

    Pixels are divided by pixel_max, and a likelihood of what is not within 0 to 1 is none.
    """
    for indices in (trial.indices, [0], [len(trial.dataset) - 1]):
        images = trial.draw(indices)
        most = int(images.max())
        if most > trial.dataset.pixel_max:
            raise Broken(
                f"images({describe_indices(indices)}) has a pixel of {most}; expected at most "
                f"{trial.dataset.pixel_max}, which is pixel_max"
            )
    return f"uint8 {list(trial.dataset.image_shape)}, from 0 to {int(trial.images.max())}."


def draws_the_same_image_every_time(trial: DatasetTrial) -> str:
    """Check that an image depends on its index alone.

    Neither the batch, nor its order, nor what was drawn before may change it, or a
    cell that is trained again would see other images.
    """
    others = np.random.default_rng(1).integers(0, len(trial.dataset), len(trial.indices))
    backwards = trial.draw(trial.indices[::-1].copy()).flip(0)
    _expect_equal(trial.images, backwards, trial.indices, "in reverse order")
    trial.draw(others)
    _expect_equal(trial.images, trial.draw(trial.indices), trial.indices, "once more, after others")
    for place in range(0, len(trial.indices), 10):
        alone = trial.draw(trial.indices[place : place + 1])
        _expect_equal(trial.images[place : place + 1], alone, trial.indices[place:], "alone")
    as_list = trial.draw(trial.indices.tolist())
    _expect_equal(trial.images, as_list, trial.indices, "as a list")
    _expect_equal(trial.images, trial.draw(trial.indices, trial.make()), trial.indices, "by a new instance")
    return f"{len(trial.indices)} images are the same in every batch."


def draws_the_same_in_a_worker(trial: DatasetTrial) -> str:
    """Check that a copy, as worker processes get one, draws the same images.

    A study on a CPU draws its images in several processes.
    """
    drawn = trial.images  # so that its tables are built
    with breaking("pickling it"):
        pickle.dumps(trial.dataset)
        sent = copy.deepcopy(trial.dataset)  # by the same means
    _expect_equal(drawn, trial.draw(trial.indices, sent), trial.indices, "by a copy")
    return f"{len(trial.indices)} images are the same."


def has_an_image_for_each_combination(trial: DatasetTrial) -> str:
    """Check that indices run over the grid, in its order.

    Images are trained on by index and scored by factor.
    """
    dataset = trial.dataset
    if dataset.grid is None:
        raise DoesNotApply("it has no grid.")
    if len(dataset) != len(dataset.grid):
        raise Broken(f"len() is {len(dataset)}; expected {len(dataset.grid)}, the combinations of its grid")
    factors = np.asarray(dataset.factors(trial.indices))
    expected = np.stack(np.unravel_index(trial.indices, dataset.grid.sizes), axis=1)
    if factors.shape != expected.shape or (factors != expected).any():
        raise Broken("factors() gives other classes than the grid, whose last factor runs fastest")
    back = np.asarray(dataset.indices(factors))
    if (back != trial.indices).any():
        raise Broken("indices(factors(indices)) are not the indices; expected the same ones")
    return f"{len(dataset):,} images, as many as combinations of {len(dataset.grid.names)} factors."


def shows_every_factor(trial: DatasetTrial) -> str:
    """Check that each factor of more than one class changes pixels.

    No code can hold what no image shows, and every score would count it as missed.
    """
    if trial.dataset.grid is None:
        raise DoesNotApply("it has no grid, in which one factor changes at a time.")
    hidden = [factor.name for column, factor in _varied(trial) if not _changes_pixels(trial, column)]
    if hidden:
        raise Broken(
            f"images are the same for all classes of {', '.join(hidden)}, around {REFERENCES} images; "
            "expected some pixel to change"
        )
    return f"{len(_varied(trial))} factors change pixels."


def knows_the_labels_of_its_images(trial: DatasetTrial) -> str:
    """Check that each image has one class of each label, in whatever batch.

    Scores compare codes with the labels of the same images.
    """
    dataset = trial.dataset
    if dataset.labels is None or dataset.grid is not None:
        raise DoesNotApply("it has no labels.")
    everything = np.asarray(dataset.factors(np.arange(len(dataset))))
    if everything.shape != (len(dataset), len(dataset.labels.sizes)):
        raise Broken(
            f"factors() of all images has the shape {list(everything.shape)}; expected "
            f"{[len(dataset), len(dataset.labels.sizes)]}"
        )
    if (everything < 0).any() or (everything >= np.array(dataset.labels.sizes)).any():
        raise Broken("factors() gives classes beyond the sizes of its labels; expected 0 to size - 1")
    if (np.asarray(dataset.factors(trial.indices)) != everything[trial.indices]).any():
        raise Broken("factors() depends on which images are asked for; expected the same classes")
    return f"{len(dataset):,} images have {len(dataset.labels.sizes)} labels: {dataset.labels}."


def names_the_values_of_its_factors(trial: DatasetTrial) -> str:
    """Check that each class has a value of its own, and that numbers are in order.

    Tables and pictures name classes by their values.
    """
    for _, factor in _varied(trial):
        if len({*map(str, factor.values)}) < factor.size:
            raise Broken(f"two classes of factor '{factor.name}' have the same value; expected one per class")
        if factor.kind != "categorical" and all(isinstance(value, numbers.Real) for value in factor.values):
            steps = [later > earlier for earlier, later in pairwise(factor.values)]
            if any(steps) != all(steps):
                raise Broken(
                    f"the values of factor '{factor.name}', which is {factor.kind}, rise and fall; expected "
                    "them in order"
                )
    if trial.dataset.known_factors is None:
        raise DoesNotApply("it has no factors.")
    return f"{len(_varied(trial))} factors have a value for each class."


def refuses_indices_out_of_range(trial: DatasetTrial) -> str:
    """Check that what is no index is refused with an InputError.

    Python would count a negative index from the end, and score an image by another one's factors.
    """
    tried: tuple[list[float], ...] = ([-1], [len(trial.dataset)], [0.5])
    for indices in tried:
        try:
            trial.dataset.images(indices)
        except InputError:
            continue
        except Exception as error:
            raise Broken(f"images({indices}) raises {describe(error)}; expected an InputError") from None
        raise Broken(f"images({indices}) draws an image; expected an InputError")
    return f"{', '.join(map(str, tried))} are refused."


def has_a_fingerprint_of_its_pixels(trial: DatasetTrial) -> str:
    """Check that each source has one fingerprint, and no other source has it.

    The fingerprint is part of a cell's identity: cells of other pixels must not count as done.
    """
    by_source = {}
    for source, dataset in trial.sources().items():
        again = trial.make(source).fingerprint
        if dataset.fingerprint != again:
            raise Broken(
                f"two instances of source '{source}' have the fingerprints {shown(dataset.fingerprint)} and "
                f"{shown(again)}; expected the same"
            )
        by_source[source] = dataset.fingerprint
    drawn, before = trial.images, trial.dataset.fingerprint
    trial.draw(trial.indices[: len(drawn)])
    if trial.dataset.fingerprint != before:
        raise Broken("the fingerprint changes when images are drawn; expected it to stay")
    if len(set(by_source.values())) < len(by_source):
        raise Broken(f"sources {', '.join(by_source)} have one fingerprint; expected one for each")
    return "; ".join(f"{source}: {fingerprint}" for source, fingerprint in by_source.items()) + "."


def says_its_caveat_in_sentences(trial: DatasetTrial) -> str:
    """Check that the caveat of each source, where it has one, ends as a sentence does.

    Reports print it as it is.
    """
    dataset = trial.dataset
    caveats = {source: dataset.caveat_of(source) for source in dataset.sources}
    if not any(caveats.values()):
        raise DoesNotApply("it declares no caveat.")
    for source, caveat in caveats.items():
        if caveat and not re.match(r"\S.*[.!?]$", caveat):
            raise Broken(
                f"the caveat of source '{source}' is {shown(caveat)}; expected a full stop at its end"
            )
    return " ".join(f"{source}: {caveat}" for source, caveat in caveats.items() if caveat)


def keeps_its_memory_bounded(trial: DatasetTrial) -> str:
    """Check that memory does not grow with the images that were drawn.

    A training draws millions of them. What counts is the process's own memory (RssAnon in Linux's
    /proc/self/status) after 64 MB of images that were not drawn before.
    """
    dataset = trial.dataset
    size = int(np.prod(dataset.image_shape))
    if len(dataset) * size < MEMORY_PIXELS:
        raise DoesNotApply(f"all of its images together have {len(dataset) * size / 1e6:.1f} MB.")
    batches = MEMORY_PIXELS // (size * len(trial.indices)) + 1
    order = np.random.default_rng(2).integers(0, len(dataset), (10 + batches, len(trial.indices)))
    for indices in order[:10]:  # for what is made at the first images
        trial.draw(indices)
    drawn, shares = 0, []
    for part in np.array_split(order[10:], MEMORY_PARTS):
        before = _own_memory()
        bytes_of_part = sum(trial.draw(indices).nbytes for indices in part)
        shares.append((_own_memory() - before) / bytes_of_part)
        drawn += bytes_of_part
    grown = float(np.median(shares)) * drawn  # what others free or take in one part counts little
    if grown > MEMORY_SHARE * drawn:
        raise Broken(
            f"after {drawn / 1e6:.0f} MB of images, memory has grown by {grown / 1e6:.0f} MB; expected at "
            f"most {MEMORY_SHARE:.0%} of what was drawn"
        )
    return f"after {drawn / 1e6:.0f} MB of images, memory has grown by {max(0, grown) / 1e6:.0f} MB."


def leaves_the_process_alone(trial: DatasetTrial) -> str:
    """Check that drawing changes no global setting and no global random stream.

    Training draws its noise between images, and the notebook around it goes on.
    """
    with expecting_no_change_of_state("drawing images"):
        trial.draw(trial.indices, trial.make())
    return "settings and random streams are as they were."


# If the first one fails, the others are not checked.
PROPERTIES: tuple[Property, ...] = (
    draws_images_of_its_shape,
    draws_the_same_image_every_time,
    draws_the_same_in_a_worker,
    has_an_image_for_each_combination,
    shows_every_factor,
    knows_the_labels_of_its_images,
    names_the_values_of_its_factors,
    refuses_indices_out_of_range,
    has_a_fingerprint_of_its_pixels,
    says_its_caveat_in_sentences,
    leaves_the_process_alone,
    keeps_its_memory_bounded,
)


def _varied(trial: DatasetTrial) -> list[tuple[int, Factor]]:
    """List the factors of more than one class, with their columns."""
    factors = trial.dataset.known_factors or ()
    return [(column, factor) for column, factor in enumerate(factors) if factor.size > 1]


def _changes_pixels(trial: DatasetTrial, column: int) -> bool:
    """Return whether any image changes with the class of one factor."""
    grid = trial.dataset.grid
    assert grid is not None
    size = grid.sizes[column]
    classes = np.unique(np.linspace(0, size - 1, min(size, MOST_CLASSES)).round().astype(int))
    for reference in grid.factors(trial.indices[:REFERENCES]):
        factors = np.tile(reference, (len(classes), 1))
        factors[:, column] = classes
        images = trial.draw(grid.indices(factors))
        if (images != images[:1]).any():
            return True
    return False


def _expect_equal(before: Tensor, now: Tensor, indices: np.ndarray, how: str) -> None:
    changed = (before != now).flatten(1).any(1).nonzero()[:, 0].tolist()
    if changed:
        raise Broken(
            f"drawn {how}, {len(changed)} of {len(now)} images are not what they were, the first of them "
            f"image {int(indices[changed[0]])}; expected the same pixels"
        )


def _own_memory() -> int:
    """Return the bytes of memory that this process has, without mapped files.

    Raises:
        DoesNotApply: this system does not tell.
    """
    gc.collect()  # else what others left behind may be freed in between, and hide what grew
    with suppress(OSError, AttributeError):  # other libraries than glibc have no malloc_trim
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # else freed memory would be used again, and nothing grow
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(re.findall(r"^RssAnon:\s+(\d+) kB", status, re.M)[0])
    except (OSError, IndexError):
        raise DoesNotApply("this system does not tell how much memory a process has.") from None
