"""The columns of tables: the kind of each, and the names that are reserved.

A column is identified by its name, never by its position: fixed columns follow from the schema, latents are
numbered, scores belong to the metrics in the records' protocols, and anything else is a hyperparameter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from dis_bench.records.cell import plain_name
from dis_bench.records.schema import CellIdentity, Evaluation, Record, Timing


class Kind(StrEnum):
    """The kinds of columns."""

    IDENTITY = "identity"  # the cell and its outcome
    SETTING = "setting"  # data, model, architecture, budget, arithmetic, seed
    HYPERPARAMETER = "hyperparameter"  # of the objective, and values derived from them
    MEASURE = "measure"  # quality of the reconstructions, information in the latents
    SCORE = "score"  # of disentanglement
    TIME = "time"  # durations and throughput


# Keys of a cell's identity that tables do not show, although its hash covers them.
_UNSHOWN = (
    *("kind", "codes", "dataset_version", "model_version", "network_version"),
    *("hyperparameters", "schedules", "optimiser", "recipe", "score_at"),
)
KL_PER_LATENT = "kl_per_latent"  # becomes the columns kl_0, kl_1, ...

SETTINGS = tuple(name for name in CellIdentity.__annotations__ if name not in _UNSHOWN)
DERIVED = ("schedules", "beta_norm", "dial", "dial_value")  # from the hyperparameters
MEASURES = tuple(name for name in Evaluation.__annotations__ if name != KL_PER_LATENT)
TIMES = tuple(Timing.__annotations__)

# The columns that tables have for any models and metrics, in this order.
FIXED: dict[str, Kind] = {
    **dict.fromkeys(("hash", "folder", "status"), Kind.IDENTITY),
    **dict.fromkeys(SETTINGS, Kind.SETTING),
    **dict.fromkeys(DERIVED, Kind.HYPERPARAMETER),
    **dict.fromkeys(MEASURES, Kind.MEASURE),
    **dict.fromkeys(TIMES, Kind.TIME),
    "failure": Kind.IDENTITY,
}

# Columns that reports add to a cell: see dis_bench.reports.configurations.name_cells.
OF_REPORTS = ("model_name", "series", "label", "row", "dial", "level")

# Names that no hyperparameter, metric or score may have; ``kind`` is not a column, so plug-ins may use it.
RESERVED = {*FIXED, *OF_REPORTS, *CellIdentity.__annotations__, KL_PER_LATENT} - {"kind"}

_LATENT = re.compile(r"kl_\d+")


class OtherImages(NamedTuple):
    """The marks of columns that were measured on other images than the study's sample.

    Attributes:
        before, after: prefix and suffix of the column's name.
        words: the mark of a label.
        short: the mark of a narrow column's heading.
    """

    before: str
    after: str
    words: str
    short: str


# All kinds of images, other than the study's sample, on which measures and scores may be computed.
OTHER_IMAGES = {
    "heldout": OtherImages("heldout_", "", "on held-out images", "held-out"),
    "correlated": OtherImages("", "_correlated", "on images with correlated factors", "correlated"),
}


def split_images(column: str) -> tuple[str, str]:
    """Split a column into the measure or score, and the images it was computed on.

    ``heldout_kl`` gives ``kl`` and ``heldout``, ``mig_correlated`` gives ``mig`` and ``correlated``; the
    second is a key of :data:`OTHER_IMAGES`, or empty for the study's own sample.
    """
    for images, mark in OTHER_IMAGES.items():
        base = column.removeprefix(mark.before).removesuffix(mark.after)
        if base and len(base) + len(mark.before) + len(mark.after) == len(column):
            return base, images
    return column, ""


def join_images(base: str, images: str) -> str:
    """Return the column of a measure or score on some images; undoes split_images."""
    return f"{OTHER_IMAGES[images].before}{base}{OTHER_IMAGES[images].after}" if images else base


def is_measure(column: str) -> bool:
    """Return True for a measure, on any images, and for the KL of a latent."""
    return split_images(column)[0] in MEASURES or _LATENT.fullmatch(column) is not None


def is_taken(name: str) -> bool:
    """Return True if a column with this name would hide another one."""
    return name in RESERVED or is_measure(name)


def find_metric(score: str, metrics: Collection[str]) -> str | None:
    """Return the metric that gives a score, on any images, or None."""
    from dis_bench.metrics.metric import find_owner

    return find_owner(score, metrics) or find_owner(split_images(score)[0], metrics)


def kind_of(column: str, metrics: Collection[str]) -> Kind:
    """Return the kind of a table's column.

    Args:
        column: the name of the column.
        metrics: metrics that gave the table's scores; the records' protocols name them.
    """
    if column in FIXED:
        return FIXED[column]
    if is_measure(column):
        return Kind.MEASURE
    return Kind.HYPERPARAMETER if find_metric(column, metrics) is None else Kind.SCORE


def list_scores(records: Iterable[Record]) -> list[str]:
    """List the columns of records that are scores, in order of first appearance.

    Those on other images than the study's sample follow the others.
    """
    found = dict.fromkeys(score for record in records for score in record["scores"])
    return sorted(found, key=lambda score: split_images(score)[1] != "")


def own_column(cell: Mapping[str, Any], hyperparameter: str) -> str:
    """Return the column of one model's hyperparameter: ``factorvae.gamma``."""
    return f"{plain_name(cell['model'])}.{hyperparameter}"


def describe_schedules(cell: Mapping[str, Any]) -> str:
    """Return a cell's schedules as a text such as ``beta=linear(0,4,0.1)``."""
    return " ".join(f"{name}={text}" for name, text in cell.get("schedules", {}).items())


def find_dial(record: Mapping[str, Any]) -> str | None:
    """Return the hyperparameter along which reports draw a cell's model.

    Earlier records, and models that name no dial, have beta if there is one.
    """
    dial: str = record.get("dial") or "beta"
    return dial if dial in record["cell"]["hyperparameters"] else None
