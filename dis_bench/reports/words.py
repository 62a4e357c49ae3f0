"""Words in a sentence: lists that are joined, texts cut short, and numbers of things."""

from __future__ import annotations

from collections.abc import Sequence


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Join all words as in a sentence: ``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def list_words(words: Sequence[str], separator: str = ", ", most: int = 8) -> str:
    """List at most a few words, and count the others: ``a, b, and 2 more``."""
    more = f"{separator}and {len(words) - most:,} more" if len(words) > most else ""
    return separator.join(words[:most]) + more


def shorten(text: str, most: int) -> str:
    """Shorten a text to a number of characters, the last of which is then a ``…``."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def count_things(number: int, noun: str) -> str:
    """Return a number of things: ``1 cell``, ``2,000 cells``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
