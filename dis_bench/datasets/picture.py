"""A picture of a dataset: one row per factor, in which only that factor changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor
from dis_bench.neutral import neutral
from dis_bench.scratch import temporary_files_in

if TYPE_CHECKING:
    from dis_bench.plotting import Axes, Figure

COLUMNS = 10  # images per row, at most
TILE = 0.9  # inches
FRAME = "#d1495b"


@neutral()
def draw_picture(dataset: Dataset, path: Path) -> Path:
    """Draw every factor with more than one class, swept around a reference image.

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
            figure = _draw_sweeps(dataset)
            path = _free_name(path)
            figure.savefig(path)
    return path


def _draw_sweeps(dataset: Dataset) -> Figure:
    from dis_bench.plotting import Figure

    reference = dataset.reference or tuple(size // 2 for size in dataset.grid.sizes)
    swept = [(column, factor) for column, factor in enumerate(dataset.grid) if factor.size > 1]
    width = min(COLUMNS, max(factor.size for _, factor in swept))
    figure = Figure((TILE * (width + 1.6), TILE * 1.25 * len(swept) + 0.6), layout="constrained", dpi=150)
    figure.suptitle(
        f"{dataset.name} ({dataset.source}): each row changes one factor of the framed image", fontsize=10
    )
    axes = figure.subplots(len(swept), width, squeeze=False)
    for row, (column, factor) in zip(axes, swept, strict=True):
        classes = _spread(factor.size, reference[column])
        factors = np.tile(reference, (len(classes), 1))
        factors[:, column] = classes
        images = dataset.images(dataset.indices(factors)).cpu().numpy().transpose(0, 2, 3, 1)
        for axis in row[len(classes) :]:
            axis.axis("off")
        for axis, class_, image in zip(row, classes.tolist(), images, strict=False):
            _show(axis, image / dataset.pixel_max, _label(factor, class_), class_ == reference[column])
        title = f"{factor.name}\n{factor.size} classes"
        row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def _spread(size: int, reference: int) -> np.ndarray:
    """Spread up to ten classes from first to last, and include the reference."""
    classes = np.linspace(0, size - 1, min(size, COLUMNS)).round().astype(int)
    classes[np.abs(classes - reference).argmin()] = reference
    return classes


def _label(factor: Factor, class_: int) -> str:
    value: Any = factor.values[class_]
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


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
