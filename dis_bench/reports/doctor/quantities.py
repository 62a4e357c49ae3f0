"""Quantities that several diagnoses compare with their thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dis_bench.errors import InputError
from dis_bench.records.columns import find_dial
from dis_bench.records.curves import STEP
from dis_bench.records.schema import Record
from dis_bench.registry import installed
from dis_bench.reports.configurations import is_number
from dis_bench.reports.doctor.finding import Unseen
from dis_bench.reports.doctor.parts import Columns, Parts

if TYPE_CHECKING:
    from dis_bench.models.model import Model

# A training whose last fifth improves on the fourth by this share or more had not converged. Rows of a log
# differ by 0.02 to 0.03, fifths of 40 rows by less than 0.01.
STILL = 0.05

SAME = 0.05  # relative difference up to which a weight counts as the dial's value


def average_part(values: np.ndarray, start: float, end: float) -> float:
    """Return the mean of a part of a curve [P], from and to shares of its length."""
    count = len(values)
    first = min(int(start * count), count - 1)
    return float(values[first : max(first + 1, int(end * count))].mean())


def explain_share(parts: Parts) -> float:
    """Return the share of the originals' variance that reconstructions explain.

    Both the variance and the error are those of the few originals among the pictures. The variance of eight
    images can be half or twice the dataset's, so the error over the whole dataset is not divided by it. An
    offset of the mean does not count: a decoder that draws one image for every code explains exactly 0.

    Raises:
        Unseen: there are no pictures, no reconstructions, or the originals are alike.
    """
    parts.need_measure("mse")  # the pictures of a model without one are samples
    originals, made = read_images(parts)
    return 1 - average_variance(originals - made) / average_variance(originals)


def find_offset(parts: Parts) -> float:
    """Return how far the mean reconstruction is from the mean original.

    It is the squared distance, as a multiple of the variance between the originals.

    Raises:
        Unseen: there are no pictures, or the originals are alike.
    """
    originals, made = read_images(parts)
    distance = float(((originals - made).mean(axis=0) ** 2).mean())
    return distance / average_variance(originals)


def read_images(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Return originals that differ and their reconstructions [N, C, H, W].

    Raises:
        Unseen: there are no pictures, or the originals are alike.
    """
    pictures = parts.need_pictures()
    if len(pictures.originals) < 2:
        raise Unseen("it keeps a single picture")
    originals, made = pictures.originals / 255, pictures.reconstructions / 255
    if not average_variance(originals):
        raise Unseen("its originals do not differ")
    return originals, made


def average_variance(images: np.ndarray) -> float:
    """Return the variance between images [N, C, H, W], averaged over pixels."""
    return float(images.var(axis=0, ddof=1).mean())


def find_gain(curve: np.ndarray, floor: float) -> tuple[float, float, float]:
    """Return the relative improvement of a loss [P] at the end of a training.

    Args:
        curve: the loss.
        floor: the part of it from :func:`find_floor`.

    Returns:
        The improvement from the fourth fifth to the last; the mean of the fourth; that of the last.
    """
    before, after = average_part(curve, 0.6, 0.8), average_part(curve, 0.8, 1)
    return compare(before, after, floor), before, after


def compare(before: float, after: float, floor: float) -> float:
    """Return by which share of itself, above the floor, a loss fell."""
    return (before - after) / max(abs(before - floor), 1e-12)


def find_floor(parts: Parts) -> float:
    """Return the nats of a reconstruction that no decoder can change.

    They are the constant of the Gaussian likelihood, thousands of nats beside which no improvement would
    count. A Bernoulli likelihood has a floor for images that are not binary, too, but not of this size.
    """
    shape = parts.record.get("images", {}).get("shape", ())
    is_gaussian = parts.cell.get("likelihood") == "gaussian"
    return 0.5 * math.log(2 * math.pi) * math.prod(shape) if is_gaussian and shape else 0.0


def find_price(curves: Columns) -> float | None:
    """Return the loss beyond the reconstruction per nat of KL, at the end.

    It is beta for a beta-VAE; None if there is too little KL to say.
    """
    kl = average_part(curves["kl"], 0.8, 1)
    return average_part(curves["weighted_kl"], 0.8, 1) / kl if kl > 1e-6 else None


def find_logged_weight(parts: Parts) -> tuple[str, float] | None:
    """Return the dial and its value if the log shows it to be the weight of the KL."""
    curves = parts.curves or {}
    if not {"kl", "weighted_kl"} <= curves.keys() or not len(curves[STEP]):
        return None
    price = find_price(curves)
    return None if price is None else find_weight(parts, price)


def find_weight(parts: Parts, price: float) -> tuple[str, float] | None:
    """Return the dial and its value if the dial is the weight of the KL, or None."""
    dial = find_dial(parts.record)
    value: Any = None if dial is None else parts.cell["hyperparameters"][dial]
    if dial is None or not is_number(value) or value <= 0 or abs(value - price) > SAME * value:
        return None
    return dial, float(value)


def write_set(parts: Parts, name: str, value: Any) -> str:
    """Return the option that gives a hyperparameter of the cell's model another value."""
    text = value if isinstance(value, str) else f"{value:g}"
    model = parts.cell["model"]
    known = installed("models", model) is not None  # a file's class may have a name of its own
    option = f"{model if known else 'NAME'}.{name}={text}"
    return f'`--set "{option}"`' if "(" in option else f"`--set {option}`"


def find_model(record: Record) -> type[Model] | None:
    """Return the installed model of a cell; None if there is none to import here."""
    plugin = installed("models", record["cell"]["model"])
    try:
        return None if plugin is None else plugin.load()
    except InputError:
        return None


def has_hyperparameter(record: Record, name: str) -> bool:
    """Return True if the installed model of a cell declares a hyperparameter."""
    return name in [one.name for one in getattr(find_model(record), "hyperparameters", ())]


def has_grid(record: Record, name: str | None) -> bool:
    """Return True if a hyperparameter of a cell's model has published values.

    Args:
        record: the cell's record.
        name: the hyperparameter; None for any.
    """
    declared = getattr(find_model(record), "hyperparameters", ())
    return any(one.grid for one in declared if name in (None, one.name))


def has_own_networks(record: Record) -> bool:
    """Return True if the installed model of a cell has networks of its own."""
    return bool(getattr(find_model(record), "own_networks", False))


def advise_lower_rate(parts: Parts) -> tuple[str, ...]:
    """Advise to lower the learning rate, if the cell's model takes the study's."""
    lr = parts.cell.get("lr")
    if not lr or has_own_networks(parts.record):
        return ()
    return (f"a lower learning rate: `--lr {lr / 10:.2g}`",)


def count_varying(factors: np.ndarray) -> int:
    """Return the number of factors [N, F] that take more than one value."""
    return int((factors != factors[:1]).any(axis=0).sum()) if factors.size else 0
