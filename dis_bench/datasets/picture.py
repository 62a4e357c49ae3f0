"""A picture of a dataset: a row per factor, an example per class of a label, or a sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.datasets.labels import Labels
from dis_bench.escape import visible
from dis_bench.neutral import neutral
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    from dis_bench.plotting import Axes, Figure

COLUMNS = 10  # images per row, at most
ROWS = 40  # at most: of more, drawing takes minutes
SAMPLE = 50  # images of a dataset without factors
TILE = 0.9  # inches
LONGEST_TEXT = 14  # characters under an image
FRAME = "#d1495b"


@neutral()
def draw_picture(dataset: Dataset, path: Path) -> Path:
    """Draw every factor with more than one class, swept around a reference image.

    Without a grid there is nothing to sweep: the picture shows an example of each class of every label, or a
    sample of the images. It has 40 rows at most, and says how many are left out.

    Args:
        dataset: the dataset to show; the reference is :attr:`Dataset.reference`.
        path: the file to write; an existing file is kept, and the picture goes to ``name-2``, ``name-3`` and
            so on.

    Returns:
        The path of the file written.
    """
    with temporary_files_in(path.parent):
        from dis_bench.plotting import drawing

        with drawing({"font.family": "DejaVu Sans"}):
            figure = _draw_rows(dataset)
            path = _free_name(path)
            figure.savefig(path)
    return path


class _Row(NamedTuple):
    """A row of images.

    Attributes:
        title: text beside the row.
        indices: of the images.
        texts: text under each image.
        framed: position of the image in a frame, or None.
    """

    title: str
    indices: np.ndarray
    texts: list[str]
    framed: int | None = None


def _draw_rows(dataset: Dataset) -> Figure:
    from dis_bench.plotting import Figure

    rows, title = _arrange(dataset)
    if len(rows) > ROWS:
        title += f"; {len(rows) - ROWS:,} more are left out"
        rows = rows[:ROWS]
    width = max(len(row.indices) for row in rows)
    figure = Figure((TILE * (width + 1.6), TILE * 1.25 * len(rows) + 0.6), layout="constrained", dpi=150)
    figure.suptitle(f"{dataset.name} ({dataset.source}): {title}", fontsize=10)
    axes = figure.subplots(len(rows), width, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        images = dataset.images(row.indices).cpu().numpy().transpose(0, 2, 3, 1)
        for axis in line[len(images) :]:
            axis.axis("off")
        for place, (axis, image, text) in enumerate(zip(line, images, row.texts, strict=False)):
            _show(axis, image / dataset.pixel_max, text, place == row.framed)
        line[0].set_ylabel(row.title, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def _arrange(dataset: Dataset) -> tuple[list[_Row], str]:
    """Choose the rows, and say what they show."""
    if dataset.grid is not None:
        return _sweep(dataset, dataset.grid), "each row changes one factor of the framed image"
    if dataset.labels is not None:
        return _exemplify(dataset.labels), "each row has an image of each class of one label"
    count = len(dataset)
    drawn = np.random.default_rng(0).choice(count, size=min(SAMPLE, count), replace=False)
    parts = np.split(drawn, range(COLUMNS, len(drawn), COLUMNS))
    return [_Row("", part, [str(index) for index in part]) for part in parts], "a sample, with indices"


def _sweep(dataset: Dataset, grid: FactorGrid) -> list[_Row]:
    """Sweep each factor with more than one class around the reference."""
    reference = dataset.reference or tuple(size // 2 for size in grid.sizes)
    rows = []
    for column, factor in enumerate(grid):
        if factor.size == 1:
            continue
        classes = _spread(factor.size, reference[column])
        factors = np.tile(reference, (len(classes), 1))
        factors[:, column] = classes
        texts = [_label(factor, class_) for class_ in classes.tolist()]
        framed = int(np.flatnonzero(classes == reference[column])[0])
        rows.append(_Row(_head(factor), grid.indices(factors), texts, framed))
    return rows


def _exemplify(labels: Labels) -> list[_Row]:
    """Take the first image of up to ten classes of each label."""
    table = labels.factors(np.arange(len(labels)))
    rows = []
    for factor, column in zip(labels, table.T, strict=True):
        classes, first = np.unique(column, return_index=True)
        chosen = np.linspace(0, len(classes) - 1, min(len(classes), COLUMNS)).round().astype(int)
        texts = [_label(factor, int(class_)) for class_ in classes[chosen]]
        rows.append(_Row(_head(factor), first[chosen], texts))
    return rows


def _head(factor: Factor) -> str:
    return f"{_plain(factor.name)}\n{factor.size} classes"


def _plain(text: str) -> str:
    """Keep a text from being read as a formula, or from hiding others."""
    return visible(text).replace("$", r"\$")


def _spread(size: int, reference: int) -> np.ndarray:
    """Spread up to ten classes from first to last, and include the reference."""
    classes = np.linspace(0, size - 1, min(size, COLUMNS)).round().astype(int)
    classes[np.abs(classes - reference).argmin()] = reference
    return classes


def _label(factor: Factor, class_: int) -> str:
    value: Any = factor.values[class_]
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return _plain(text[:LONGEST_TEXT])


def _show(axis: Axes, image: np.ndarray, label: str, is_reference: bool) -> None:
    pixels = image if image.shape[-1] == 3 else image[..., 0]
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_xlabel(label, fontsize=8, labelpad=2)
    for spine in axis.spines.values():
        spine.set(visible=is_reference, color=FRAME, linewidth=2.5)


def _free_name(path: Path) -> Path:
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
