"""A finding of the doctor, and the reason why a diagnosis was not possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dis_bench.reports.words import join_words


class Unseen(Exception):
    """Error: a diagnosis lacks a part of the cell; the message is a clause that says which."""


@dataclass(frozen=True)
class Finding:
    """A diagnosis that a cell provokes.

    Attributes:
        what: sentences with the figures behind it.
        advice: what to try, a sentence or a clause each; options are written as on the command line.
        figures: the same figures for programs, by name.
    """

    what: str
    advice: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)


def list_numbers(numbers: list[int], most: int = 12) -> str:
    """Return whole numbers as a text, shortened if there are many."""
    texts = [f"{number:,}" for number in numbers]
    if len(texts) > most:
        texts = [*texts[:most], f"{len(texts) - most} more"]
    return join_words(texts)


def name_latents(latents: list[int]) -> str:
    """Return latents as the subject of a sentence: ``latents 0, 3 and 7``."""
    return f"latent{'s' * (len(latents) != 1)} {list_numbers(latents)}"
