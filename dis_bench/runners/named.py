"""The studies that come with the package: TOML files that ``--study`` takes by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dis_bench.toml_files import list_named

FOLDER = Path(__file__).with_name("studies")
ABOUT = "about"  # the table of a study file that is for readers, and sets no option


@dataclass(frozen=True)
class About:
    """Description of a named study, for readers.

    Attributes:
        summary: one sentence.
        source: the publication that it follows; empty for a study of our own.
        cells: the number of its cells.
        core_hours: what their training costs on CPU cores, roughly.
        differences: sentences, one for each known difference from the published protocol.
    """

    summary: str
    source: str
    cells: int
    core_hours: float
    differences: tuple[str, ...]


@cache
def find_studies() -> dict[str, Path]:
    """Return the file of each named study, sorted by name."""
    return list_named(FOLDER)


def read_about(name: str) -> About:
    """Read what a named study says of itself."""
    about: dict[str, Any] = tomllib.loads(find_studies()[name].read_text("utf-8"))[ABOUT]
    return About(**{**about, "differences": tuple(about["differences"])})
