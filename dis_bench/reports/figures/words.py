"""Words that captions of several figures share."""

from __future__ import annotations

from dis_bench.reports.quantities import Quantity
from dis_bench.reports.settings import Setting


def join_words(names: list[str], last: str = "and") -> str:
    """Join words as in a sentence: ``a, b and c``."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def list_words(words: list[str], separator: str = ", ", most: int = 8) -> str:
    """List words, and the number of those beyond the most."""
    more = f"{separator}and {len(words) - most} more" if len(words) > most else ""
    return separator.join(words[:most]) + more


def caption_anchors(setting: Setting, quantities: list[Quantity]) -> str:
    """Explain the lines of anchors, if there are any."""
    if not any(quantity.name in setting.anchors for quantity in quantities):
        return ""
    return (
        " Dotted lines are the scores of a perfect code (the factors themselves) and of noise on the same "
        "images with the same protocol; one beyond a panel is noted at its edge, with an arrow."
    )
