"""What was measured, and how to read it: label, unit, which direction is better, how many digits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dis_bench.errors import InputError
from dis_bench.metrics.metric import find_owner
from dis_bench.registry import installed, plugins

if TYPE_CHECKING:
    import pandas as pd

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True)
class Quantity:
    """One measured column of the results.

    Attributes:
        name: the column.
        label: for people.
        unit: empty where there is none.
        better: ``higher``, ``lower``, or empty where neither is better.
        digits: decimals in tables and sentences.
        is_score: a disentanglement score, as opposed to a loss term.
        range: the smallest and the largest possible value, where known.
        summary: one line, where the metric declares one.
        short: the label for the head of a narrow column; empty where it is the same.
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

    @property
    def heading(self) -> str:
        """The label with its direction: ``MIG ↑``."""
        return f"{self.label}\N{NO-BREAK SPACE}{ARROWS[self.better]}".strip()

    @property
    def short_heading(self) -> str:
        """The heading of a narrow column: ``DCI D ↑``."""
        return f"{self.short or self.label}\N{NO-BREAK SPACE}{ARROWS[self.better]}".strip()

    def format(self, value: float) -> str:
        """A value with this quantity's decimals; a dash where there is none."""
        return DASH if math.isnan(value) else f"{value:.{self.digits}f}".replace("-", MINUS)

    def format_spread(self, mean: float, std: float) -> str:
        """``0.312 ± 0.041``; only the mean where no spread is known."""
        return self.format(mean) if math.isnan(std) else f"{self.format(mean)} ± {self.format(std)}"

    def format_change(self, difference: float, spread: float) -> str:
        """``+0.120 ± 0.041``: a difference carries its sign."""
        sign = "+" if difference >= 0 else ""
        return sign + self.format_spread(difference, spread)


MEASURED = (
    Quantity("reconstruction", "reconstruction", "nats per image", "lower", 1, short="recon."),
    Quantity("mse", "MSE", "per pixel", "lower", 4),
    Quantity("kl", "KL", "nats per image", "", 2),
    Quantity("elbo", "ELBO", "nats per image", "higher", 1),
    Quantity("active_latents", "active latents", "", "", 1, short="active"),
)

# Published spellings; any other score is shown under its own name.
_LABELS = {
    "betavae_score": "β-VAE score",
    "factorvae_score": "FactorVAE score",
    "mig": "MIG",
    "sap": "SAP",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "mig_sampled": "MIG (posterior)",
    "mig_sup": "MIG-sup",
    "dcimig": "DCIMIG",
    "jemmig": "JEMMIG",
    "sap_continuous": "SAP (continuous)",
    "irs": "IRS",
    "infomec_modularity": "InfoM",
    "infomec_explicitness": "InfoE",
    "infomec_compactness": "InfoC",
}

_SHORT = {
    f"dci_{aspect}": f"DCI\N{NO-BREAK SPACE}{aspect[0].upper()}"
    for aspect in ("disentanglement", "completeness", "informativeness")
}


def find_quantities(table: pd.DataFrame, scores: Iterable[str]) -> list[Quantity]:
    """Everything that at least one cell has a value for: loss terms first, then each score.

    Args:
        table: the store's tidy table.
        scores: the columns that are scores.
    """
    scores = [*scores]
    ordered = [name for name in _LABELS if name in scores] + [name for name in scores if name not in _LABELS]
    candidates = [*MEASURED, *(_score(name) for name in ordered)]
    return [q for q in candidates if q.name in table and table[q.name].notna().any()]


def score_columns(table: pd.DataFrame) -> list[str]:
    """The scores of the store's tidy table, where records are not at hand: what stands after the KLs."""
    losses = {q.name for q in MEASURED}
    measured = [name for name in table.columns if name in losses or re.fullmatch(r"kl_\d+", name)]
    if not measured:
        return []
    last = max(table.columns.get_loc(name) for name in measured)
    after = ("train_seconds", "score_seconds", "images_per_second", "failure")
    return [name for name in table.columns[last + 1 :] if name not in after]


def metric_of(score: str) -> str:
    """The metric that gives a score: ``dci`` gives ``dci_disentanglement``; itself where none is known."""
    return find_owner(score, plugins("metrics")) or score


def _score(name: str) -> Quantity:
    """Return a score with what its plug-in declares; one that is not installed leaves that unknown."""
    label, short = _LABELS.get(name, name.replace("_", " ")), _SHORT.get(name, "")
    try:
        plugin = installed("metrics", metric_of(name))
        metric = None if plugin is None else plugin.load()
    except InputError:
        metric = None
    if metric is None:
        return Quantity(name, label, is_score=True, short=short)
    higher = getattr(metric, "higher_is_better", None)
    return Quantity(
        name,
        label,
        better="" if higher is None else "higher" if higher else "lower",
        is_score=True,
        range=getattr(metric, "range", None),
        summary=str(getattr(metric, "summary", "")),
        short=short,
    )
