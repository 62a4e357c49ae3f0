"""Pictures of a setting, pixel by pixel: reconstructions and latent traversals."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.escape import visible
from dis_bench.plotting import Artist, Figure
from dis_bench.records.pictures import FILE, Pictures, read_pictures
from dis_bench.records.schema import Damaged, Record
from dis_bench.reports.configurations import format_dial, format_value
from dis_bench.reports.figures.plan import Plan
from dis_bench.reports.figures.theme import DPI, INK, MUTED
from dis_bench.reports.problems import MISSING, FileProblem, unreadable
from dis_bench.reports.quantities import FROZEN, MINUS
from dis_bench.reports.settings import Setting
from dis_bench.reports.words import join_words, list_words, shorten

if TYPE_CHECKING:
    import pandas as pd

_LOSSES = ("its pictures are left out", "their pictures are left out")

_GAP = 4
# Largest width of an image in pixels, and size of the text: the page shows traversals smaller.
_FEW_ROWS = (192, 9.5)
_MANY_ROWS = (128, 9.5)
_TRAVERSAL = (128, 13.0)
_FADE = 0.85
_LONGEST_LABEL = 60


def find_pictures(folder: str | Path, problems: list[str], record: Record | None = None) -> Pictures | None:
    """Read the pictures of a cell, if it has any.

    Args:
        folder: the cell's folder.
        problems: receives a sentence if the file is missing or unusable.
        record: the cell's record, if it was read before.

    Returns:
        The pictures, or None if they cannot be read.
    """
    path = Path(folder) / FILE
    try:
        return read_pictures(folder, record)
    except FileNotFoundError:
        problems.append(FileProblem(path, MISSING, _LOSSES))
        return None
    except Damaged as error:
        problems.append(FileProblem(path, unreadable(error), _LOSSES))
        return None


def draw_reconstructions(rows: list[tuple[str, Pictures]]) -> Figure:
    """Draw the originals on top, then a row of reconstructions for each label.

    If cells stored different originals, each set is drawn above its reconstructions.
    """
    labels: list[tuple[str, str]] = []
    images: list[np.ndarray] = []
    shown = None
    for label, pictures in rows:
        if shown is None or not np.array_equal(shown, pictures.originals):
            shown = pictures.originals
            labels.append(("original", INK))
            images.append(shown)
        labels.append((label, INK))
        images.append(pictures.reconstructions)
    size = _FEW_ROWS if len(images) <= 6 else _MANY_ROWS
    return _draw_grid(images, labels, [], *size)


def draw_traversals(pictures: Pictures) -> Figure:
    """Draw one row per latent by falling KL, with the latent's values on top."""
    kl = pictures.kl_per_latent
    if kl is None:  # of a model without a posterior: latents as they come
        rows = [*pictures.traversals]
        return _draw_grid(
            rows, [(f"z{n}", INK) for n in range(len(rows))], _list_values(pictures), *_TRAVERSAL
        )
    order = np.argsort(-kl, kind="stable")
    labels, images = [], []
    for latent in order:
        nats = kl[latent]
        frozen = nats < FROZEN
        row = pictures.traversals[latent]
        images.append(_fade(row) if frozen else row)
        text = f"{nats:.2f}" if nats >= 0.1 else f"{nats:.3f}"
        labels.append((f"z{latent}   {text} nats", MUTED if frozen else INK))
    return _draw_grid(images, labels, _list_values(pictures), *_TRAVERSAL)


def _list_values(pictures: Pictures) -> list[str]:
    """Return the heads of the columns of a traversal."""
    return [f"{value:.3g}".replace("-", MINUS) for value in pictures.traversal_values]


def _fade(images: np.ndarray) -> np.ndarray:
    """Fade images towards white."""
    return (images * (1 - _FADE) + 250 * _FADE).astype(np.uint8)


class _Pixels(Artist):
    """An image at the bottom of a figure, copied there without the resampling of a usual one."""

    def __init__(self, pixels: np.ndarray, left: int) -> None:
        """Take an image `[H, W, 3]`, and its distance from the left in pixels."""
        super().__init__()
        self._pixels, self._left = np.full((*pixels.shape[:2], 4), 255, np.uint8), left
        self._pixels[:, :, :3] = pixels[::-1]

    def draw(self, renderer: Any) -> None:
        """Copy the image."""
        graphics = renderer.new_gc()
        renderer.draw_image(graphics, self._left, 0, self._pixels)
        graphics.restore()


def _draw_grid(
    images: list[np.ndarray], labels: list[tuple[str, str]], columns: list[str], tile: int, font: float
) -> Figure:
    """Draw rows of images, labelled on the left and optionally above each column.

    Images are enlarged by an integer factor and placed pixel by pixel: nothing is interpolated.
    """
    labels = [(visible(text), colour) for text, colour in labels]
    block = _join([_join([_enlarge(image, tile) for image in row], axis=1) for row in images], axis=0)
    em = font * DPI / 72
    left = round(0.62 * em * max(len(text) for text, _ in labels) + em)
    top = round(1.9 * em) if columns else 0
    width, height = left + block.shape[1], top + block.shape[0]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    figure.add_artist(_Pixels(block, left))
    pitch = (block.shape[0] + _GAP) / len(images)
    for row, (text, colour) in enumerate(labels):
        y = block.shape[0] - pitch * row - (pitch - _GAP) / 2
        figure.text(
            (left - 0.6 * em) / width, y / height, text, color=colour, ha="right", va="center", size=font
        )
    pitch = (block.shape[1] + _GAP) / max(1, len(columns))
    for column, text in enumerate(columns):
        x = left + pitch * column + (pitch - _GAP) / 2
        figure.text(x / width, 1 - em / height, text, color=MUTED, ha="center", va="center", size=0.9 * font)
    return figure


def _enlarge(image: np.ndarray, tile: int) -> np.ndarray:
    """Enlarge `[C, H, W]` to `[H', W', 3]` by the largest whole factor that fits."""
    factor = max(1, tile // max(image.shape[1:]))
    pixels = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _join(parts: list[np.ndarray], axis: int) -> np.ndarray:
    """Join images along an axis, with white gaps between them."""
    shape = list(parts[0].shape)
    shape[axis] = _GAP
    gap = np.full(shape, 255, np.uint8)
    spaced = [piece for part in parts for piece in (part, gap)]
    return np.concatenate(spaced[:-1], axis=axis)


def plan_reconstructions(
    setting: Setting, shown: list[tuple[pd.Series, Pictures]], choice: str
) -> list[Plan]:
    """Plan the figure of originals and reconstructions, if there are any."""
    if not shown:
        return []
    several = len({cell["series"] for cell, _ in shown}) > 1
    reconstruct = [isfinite(cell.get("reconstruction", float("nan"))) for cell, _ in shown]
    without = [str(model) for model, rows in _by_model(setting.done) if not _makes_images(rows).any()]
    lacking = f" {_say_without_images(without)}" if without else ""
    rows = [(_row_label(cell, several), pictures) for cell, pictures in shown]
    made = "reconstructions" if any(reconstruct) else "samples with the same codes"
    return [
        Plan(
            "reconstructions",
            f"reconstructions-{setting.slug}",
            f"Originals and {made}",
            f"The first row is the data; below it, {_describe_rows(shown, reconstruct)}{lacking}"
            + (f" Shown here and in the traversals are {choice}" if choice else ""),
            f"{len(shown[0][1].originals)} images, and {made}, of {len(rows)} "
            f"{'model' if len(rows) == 1 else 'models'}: {list_words([label for label, _ in rows])}.",
            lambda: draw_reconstructions(rows),
        )
    ]


def _describe_rows(shown: list[tuple[pd.Series, Pictures]], reconstruct: list[bool]) -> str:
    """Write sentences on the rows below the originals, which go on from a clause."""
    if not any(reconstruct):
        return f"samples with the codes that are read from these images{_seed_note(shown)}."
    has_codes = any(pictures.kl_per_latent is None for _, pictures in shown)
    codes = ", or from the code where there is no posterior" if has_codes else ""
    samples = (
        ""
        if all(reconstruct)
        else " Rows without nats do not reconstruct: they are samples with the same codes."
    )
    return (
        f"the same images decoded from the posterior mean{codes}{_seed_note(shown)}. Nats are the cell's "
        f"reconstruction loss over its whole evaluation sample.{samples}"
    )


def plan_traversals(setting: Setting, shown: list[tuple[pd.Series, Pictures]]) -> list[Plan]:
    """Plan a figure of latent traversals for each cell that is shown."""
    plans = []
    for number, (cell, pictures) in enumerate(shown):
        caption, order = _describe_latents(pictures)
        plans.append(
            Plan(
                "traversals",
                f"traversals-{setting.slug}-{number + 1:02d}",
                f"{cell['label']}, seed {cell['seed']}",
                caption,
                f"Latent traversals of {cell['label']}, seed {cell['seed']}: one row per latent {order}.",
                lambda pictures=pictures: draw_traversals(pictures),  # type: ignore[misc]
            )
        )
    return plans


def say_without_images(setting: Setting) -> str:
    """Write that no finished model of a setting decodes images.

    The text is empty if one does, or if it is unknown.
    """
    done = setting.done
    if setting.steps is None or done.empty or _makes_images(done).any():
        return ""
    return _say_without_images([str(model) for model, _ in _by_model(done)])


def find_shown(setting: Setting, labels: list[str], problems: list[str]) -> list[tuple[pd.Series, Pictures]]:
    """Return the lowest finished seed of each configuration, if it has pictures."""
    shown = []
    chosen = setting.done[setting.done["label"].isin(labels) & _makes_images(setting.done)]
    for _, cells in chosen.groupby("label", sort=False):
        cell = cells.sort_values("seed").iloc[0]
        pictures = find_pictures(cell["folder"], problems, setting.records.get(cell["hash"]))
        if pictures is not None:
            shown.append((cell, pictures))
    return shown


def _describe_latents(pictures: Pictures) -> tuple[str, str]:
    """Return a caption on a traversal's latents, and words for the order of its rows."""
    kl = pictures.kl_per_latent
    if kl is None:
        return "Without a KL, rows are in the order of the latents.", "in their order"
    frozen = int((kl < FROZEN).sum())
    return (
        f"{frozen or 'None'} of {len(kl)} latents frozen.",
        f"by falling KL, from {kl.max():.2f} to {kl.min():.2f} nats; {frozen} frozen",
    )


def _say_without_images(models: list[str]) -> str:
    verb = "decodes no images, so it has" if len(models) == 1 else "decode no images, so they have"
    return f"{join_words(models)} {verb} no reconstructions and no traversals."


def _by_model(cells: pd.DataFrame) -> Iterable[tuple[Any, pd.DataFrame]]:
    return cells.groupby("model_name", sort=False)


def _makes_images(cells: pd.DataFrame) -> pd.Series:
    """Return True for each cell that reconstructs images, or that kept samples."""
    measured = cells.reindex(columns=["reconstruction", "mse"]).notna().any(axis=1)
    return measured | cells["folder"].map(lambda folder: (Path(str(folder)) / FILE).is_file()).astype(bool)


def _seed_note(shown: list[tuple[pd.Series, Pictures]]) -> str:
    seeds = {int(cell["seed"]) for cell, _ in shown}
    return f" (seed {seeds.pop()})" if len(seeds) == 1 else " (the lowest finished seed of each)"


def _row_label(cell: pd.Series, several: bool) -> str:
    short = not several and bool(cell["dial"])
    name = f"{format_dial(cell['dial'])} = {format_value(cell['level'])}" if short else cell["label"]
    name = shorten(name, _LONGEST_LABEL)
    nats = cell.get("reconstruction", float("nan"))
    return name if nats != nats else f"{name}   {nats:.1f} nats"
