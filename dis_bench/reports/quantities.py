"""Measured quantities, and how to read them: label, unit, better direction, digits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dis_bench.records.columns import OTHER_IMAGES, split_images
from dis_bench.records.schema import ACTIVE_VARIANCE
from dis_bench.reports.declared import Declared

if TYPE_CHECKING:
    import pandas as pd

DASH, MINUS, NO_BREAK = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
# A latent of a smaller KL, in the mean over images, has collapsed; Lucas et al. 2019 ("Don't blame the
# ELBO!") set 0.01 nats for that of nearly every image. It carries no information; pictures grey it and call
# it frozen.
FROZEN = 0.01

ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True)
class Quantity:
    """One measured column of the results.

    Attributes:
        name: name of the column.
        label: the name for readers.
        unit: the unit, or empty.
        better: ``higher``, ``lower``, or empty if neither is better.
        digits: decimals in tables and sentences.
        is_score: True for a disentanglement score, False for a loss term.
        range: the smallest and the largest possible value, if known.
        summary: one line, if the metric declares one.
        short: the label for the heading of a narrow column; empty if it is the same.
        leads: whether it takes precedence in the first sentence.
        is_ordered: False if its values are in no ordering and no figure.
    """

    name: str
    label: str
    unit: str = ""
    better: str = ""
    digits: int = 3
    is_score: bool = False
    range: tuple[float, float] | None = None
    summary: str = ""
    short: str = ""
    leads: bool = False
    is_ordered: bool = True

    @property
    def heading(self) -> str:
        """The label with its direction: ``MIG ↑``."""
        return f"{self.label}{NO_BREAK}{ARROWS[self.better]}".strip()

    @property
    def short_heading(self) -> str:
        """The heading of a narrow column: ``DCI D ↑``."""
        return f"{self.short or self.label}{NO_BREAK}{ARROWS[self.better]}".strip()

    @property
    def suffix(self) -> str:
        """The unit after a number in a sentence: `` nats``, or nothing."""
        return " nats" if self.unit.startswith("nats") else ""

    def format(self, value: float) -> str:
        """Format a value with this quantity's decimals; NaN becomes a dash.

        A value that is rounded to zero has no sign.
        """
        return DASH if math.isnan(value) else f"{value:z.{self.digits}f}".replace("-", MINUS)

    def format_spread(self, mean: float, std: float) -> str:
        """Format a mean with its spread, ``0.312 ± 0.041``, or alone if that is NaN."""
        return self.format(mean) if math.isnan(std) else f"{self.format(mean)} ± {self.format(std)}"

    def format_change(self, difference: float, spread: float) -> str:
        """Format a difference with its sign and spread, ``+0.120 ± 0.041``."""
        sign = "" if round(difference, self.digits) < 0 else "+"
        return sign + self.format_spread(difference, spread)


_ACTIVE = (
    f"Latents whose mean code varies by more than {ACTIVE_VARIANCE:g} over images (Burda et al. 2016). "
    "Latents without KL, which are called frozen or collapsed, are another count."
)
MEASURED = (
    Quantity("reconstruction", "reconstruction", "nats per image", "lower", 1, short="recon."),
    Quantity("mse", "MSE", "per pixel", "lower", 4),
    Quantity("kl", "KL", "nats per image", "", 2),
    Quantity("elbo", "ELBO", "nats per image", "higher", 1),
    Quantity("active_latents", "active latents", "", "", 1, summary=_ACTIVE, short="active"),
    Quantity("readout", "readout of factors", "accuracy", "higher", short="readout"),
)


def find_quantities(
    table: pd.DataFrame, scores: Iterable[str], declared: Declared | None = None
) -> list[Quantity]:
    """Find the quantities that at least one cell has: loss terms, then scores.

    Args:
        table: the store's tidy table.
        scores: the columns that are scores, in the order in which they are shown.
        declared: declarations of the metrics; by default those of installed ones.
    """
    declared = declared or Declared()
    measured = {quantity.name: quantity for quantity in MEASURED}
    own, kinds = [*measured], [*OTHER_IMAGES]
    others = sorted(
        (name for name in table if name not in measured and split_images(name)[0] in measured),
        key=lambda name: (kinds.index(split_images(name)[1]), own.index(split_images(name)[0])),
    )
    candidates = [
        *MEASURED,
        *(_on_images(name, measured.__getitem__) for name in others),
        *(_on_images(name, lambda base: _score(base, declared.of_score(base))) for name in scores),
    ]
    return _tell_apart([q for q in candidates if q.name in table and table[q.name].notna().any()])


def _tell_apart(quantities: list[Quantity]) -> list[Quantity]:
    """Add their columns to the names of scores that have the name of another column."""
    labels = Counter(q.label for q in quantities)
    shorts = Counter(q.short or q.label for q in quantities)

    def name(score: Quantity) -> Quantity:
        short, mark = score.short or score.label, f" ({score.name})"
        label = score.label + mark * (labels[score.label] > 1)
        short += mark * (shorts[short] > 1)
        return replace(score, label=label, short="" if short == label else short)

    return [name(q) if q.is_score else q for q in quantities]


def redeclare(quantities: Iterable[Quantity], declared: Declared) -> list[Quantity]:
    """Return quantities whose scores mean what some records declare.

    Args:
        quantities: of the records of several settings, which name a column in one way.
        declared: declarations of one setting; a score that no record declares stays as it is.
    """

    def follow(quantity: Quantity) -> Quantity:
        said = declared.of_recorded_score(split_images(quantity.name)[0])
        if said is None or not quantity.is_score:
            return quantity
        own = _score(quantity.name, said)
        return replace(quantity, better=own.better, range=own.range, summary=own.summary, leads=own.leads)

    return [follow(quantity) for quantity in quantities]


def _on_images(column: str, describe: Callable[[str], Quantity]) -> Quantity:
    """Return the quantity of a column, with its images in the label.

    ``heldout_kl`` becomes ``KL on held-out images``.

    Args:
        column: name of the column.
        describe: returns the quantity on the study's own sample.
    """
    base, images = split_images(column)
    quantity = describe(base)
    if not images:
        return quantity
    mark, short = OTHER_IMAGES[images], quantity.short or quantity.label
    return replace(
        quantity, name=column, label=f"{quantity.label} {mark.words}", short=f"{short} {mark.short}"
    )


def explain_short_names(quantities: Iterable[Quantity]) -> list[str]:
    """Explain short names of scores: ``DCI D, C are disentanglement and ...``.

    The mark of other images is explained once, for all columns that have it.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    marks: dict[str, None] = {}
    for quantity in quantities:
        images = split_images(quantity.name)[1]
        if images:
            mark = OTHER_IMAGES[images]
            marks[f"columns marked {mark.short} are measured {mark.words}"] = None
        elif quantity.is_score and quantity.short:
            stem, _, last = quantity.short.rpartition(NO_BREAK)
            groups.setdefault(stem, []).append((last, quantity.label.removeprefix(f"{stem} ")))
    sentences = []
    for stem, pairs in groups.items():
        short, (*others, name) = ", ".join(last for last, _ in pairs), [name for _, name in pairs]
        names = f"{', '.join(others)} and {name}" if others else name
        sentences.append(f"{stem} {short}".strip() + f" {'are' if others else 'is'} {names}")
    return [*sentences, *marks]


def _score(name: str, said: Mapping[str, Any] | None) -> Quantity:
    """Return a score as declared; otherwise its direction and range are unknown."""
    plain = name.replace("_", " ")
    if said is None:
        return Quantity(name, plain, is_score=True)
    ends = said["range"]
    return Quantity(
        name,
        said["label"].get(name, plain),
        better=said["better"],
        is_score=True,
        range=None if ends is None else _fill_in(*ends),
        summary=said["summary"],
        short=said.get("short", {}).get(name, "").replace(" ", NO_BREAK),
        leads=said.get("leads", False),
    )


def _fill_in(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else low, math.inf if high is None else high
