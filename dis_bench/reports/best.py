"""The best model of each score, and whether the ordering rule separates it from the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dis_bench.reports.ordering import Sample, find_best
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.words import list_words

if TYPE_CHECKING:
    import pandas as pd


class Entry(NamedTuple):
    """The best configuration of a model, with its values over seeds."""

    model: str
    label: str
    sample: Sample


@dataclass(frozen=True)
class Best:
    """The best configuration of a quantity, and the best ones of the other models.

    Attributes:
        quantity: what is compared; one direction of it is better.
        label: the configuration with the best mean.
        sample: its mean, spread and count.
        next: the next model; None if no other model has a value.
        rivals: the models that the ordering rule does not separate from the best.
    """

    quantity: Quantity
    label: str
    sample: Sample
    next: Entry | None
    rivals: tuple[str, ...]

    @property
    def is_claimed(self) -> bool:
        """Return True if it may be called better than all other models."""
        return self.next is not None and not self.rivals


def find_best_models(table: pd.DataFrame, quantities: list[Quantity]) -> list[Best]:
    """Find the best model by reconstruction and by each score with a direction.

    Each model takes part with the configuration of its best mean.

    Args:
        table: finished configurations, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those for which the setting has values.
    """
    compared = [q for q in quantities if q.better and (q.is_score or q.name == "reconstruction")]
    return [best for quantity in compared if (best := _find_best_model(table, quantity)) is not None]


def choose_best_rows(table: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """Return the best configuration of each model with a value, the best first."""
    found = [find_best(rows, quantity)[0] for _, rows in table.groupby("model_name", sort=False)]
    rows = table.loc[[row for row in found if row is not None]]
    return rows.sort_values(f"{quantity.name}_mean", ascending=quantity.better == "lower", kind="stable")


def _find_best_model(table: pd.DataFrame, quantity: Quantity) -> Best | None:
    rows = choose_best_rows(table, quantity)
    if rows.empty:
        return None
    _, rivals = find_best(rows, quantity)
    first, *others = (
        Entry(str(row["model_name"]), str(row["label"]), Sample.of(row, quantity))
        for _, row in rows.iloc[:2].iterrows()
    )
    named = tuple(str(rows.loc[row, "model_name"]) for row in rows.index if row in rivals)
    return Best(quantity, first.label, first.sample, others[0] if others else None, named)


def say_best_models(found: list[Best]) -> tuple[str, list[str]]:
    """Say which models may be called best.

    Returns:
        A summary that continues a sentence, and a sentence for each quantity.
    """
    claimed = [best for best in found if best.is_claimed]
    names = "; ".join(f"{best.quantity.label} ({best.label})" for best in claimed)
    count = f"{len(found)} {'quantity' if len(found) == 1 else 'quantities'}"
    where = f"any of {count}" if len(found) > 1 else found[0].quantity.label if found else "any quantity"
    summary = (
        f"one model is separated from all others in {len(claimed)} of {count}: {names}."
        if claimed
        else f"no model is separated from all others in {where}: no ordering claimed."
    )
    return summary, [_say(best) for best in found]


def _say(best: Best) -> str:
    quantity = best.quantity
    top = f"{quantity.label}: {best.label} ({say_sample(best.sample, quantity)})"
    if best.next is None:
        return f"{top}, the only model with a value."
    following = f"the next, {best.next.label} ({say_sample(best.next.sample, quantity)})"
    if best.is_claimed:
        return f"{top} is best, separated from {following}."
    if best.next.model not in best.rivals:
        others = list_words(best.rivals)
        return f"{top} is separated from {following}, but not from {others}: no ordering claimed."
    others = list_words([model for model in best.rivals if model != best.next.model])
    more = f", nor from {others}" if others else ""
    return f"{top} has the best mean, not separated from {following}{more}: no ordering claimed."


def say_sample(sample: Sample, quantity: Quantity) -> str:
    """Return a mean with its spread, unit and count: ``0.310 ± 0.010, n = 3``."""
    return f"{quantity.format_spread(sample.mean, sample.std)}{quantity.suffix}, n = {sample.n}"
