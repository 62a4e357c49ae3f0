"""Write docs/reported.md: published figures beside those of the studies in results/reference/.

    python docs/reported_page.py            # or: make reported-page
    python docs/reported_page.py --check    # say whether the page is out of date, and change nothing

The published figures are those of dis_bench/reports/published/, the measured ones of each study's table.csv.
What explains a difference is in docs/reported.toml, the ``why`` of a source.
"""

from __future__ import annotations

import argparse
import math
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dis_bench import registry
from dis_bench.models.model import Model
from dis_bench.reports.published.reported import Reported
from dis_bench.reports.published.source import Figure, Row, Source, Table, find_sources, read_source
from dis_bench.runners.quickstart import DEFAULTS

ROOT = Path(__file__).parent.parent
STUDIES = ROOT / "results" / "reference"
PAGE = ROOT / "docs" / "reported.md"
NOTES = ROOT / "docs" / "reported.toml"
DASH = "\N{EN DASH}"
USUAL_NETWORK: str = DEFAULTS["network"]  # others are named


@dataclass(frozen=True)
class Measured:
    """A score of one of our configurations.

    Attributes:
        study: folder in results/reference/.
        dial: value of the model's dial, or NaN.
        mean, std, n: over seeds; the deviation of one seed is NaN.
        steps: length of its training.
        unlike: hyperparameters that differ from the published ones, ``gamma = 1000``.
        network: name of its network.
    """

    study: str
    dial: float
    mean: float
    std: float
    n: int
    steps: int
    unlike: str
    network: str = USUAL_NETWORK

    def overlaps(self, figure: Figure) -> bool:
        """Return True if the mean, plus or minus its spread, meets the published interval."""
        ours = 0.0 if math.isnan(self.std) else self.std
        low, high = (figure.value if math.isnan(end) else end for end in (figure.low, figure.high))
        return self.mean + ours >= low and self.mean - ours <= high


def read_tables() -> pd.DataFrame:
    """Return the measured rows of all studies, with the study's name.

    A beta-VAE with a beta of 1 is a VAE, so its rows are there under both names.
    """
    paths = sorted(STUDIES.glob("*/table.csv"))
    table = pd.concat({path.parent.name: pd.read_csv(path) for path in paths}, names=["study"])
    table = table.copy().reset_index("study")  # a copy, as the concatenation is in fragments
    table = table[(table["n"] > 0) & (table["correlate"] == "none")]
    vaes = table[(table["model"] == "betavae") & (table["beta"] == 1)]
    return pd.concat([table, vaes.assign(model="vae", dial_value=math.nan)])


def make_page(table: pd.DataFrame) -> str:
    """Return the page in Markdown."""
    notes = tomllib.loads(NOTES.read_text(encoding="utf-8"))
    parts = [notes["introduction"].strip()]
    for name in find_sources():
        source = read_source(name)
        sections = [section for one in source.tables if (section := tabulate(source, one, table))]
        if sections:
            parts += [f"## {name}", introduce(source), notes.get(name, {}).get("why", "").strip(), *sections]
    parts.append("This page is made by `make reported-page` from the tables in `results/reference/`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def introduce(source: Source) -> str:
    """Say what a source is, where it was read, and how it differs from ours."""
    hand = "Second-hand, read in" if source.second_hand else "Read in"
    lines = [f"{source.title}. {hand} {source.read}. It differs:"]
    return "\n".join([*lines, "", *(f"- {line}" for line in source.differences)])


def tabulate(source: Source, published: Table, table: pd.DataFrame) -> str:
    """Return one table of a source beside ours; nothing if none of its rows was measured."""
    rows = []
    for row in published.rows:
        for score, figure in row.figures.items():
            ours = find_measured(table, published, row, score)
            if ours:
                label = Reported(source, published, row)
                name = ", ".join(filter(None, [row.name, label.chosen]))
                rows.append(
                    f"| {name} | {score} | {show(figure)} | {show_all(ours)} | {judge(figure, ours)} |"
                )
    if not rows:
        return ""
    steps = published.budget.get("steps")
    budget = f"{steps:,} steps" if steps else "unknown steps"
    heads = f"| published row | score | published, {budget} | here | |\n|---|---|---|---|---|"
    return "\n".join([f"On `{published.dataset}`, {published.where}:", "", heads, *rows])


def find_measured(table: pd.DataFrame, published: Table, row: Row, score: str) -> list[Measured]:
    """Find the configurations of ours that a published row may stand for."""
    column = f"{score}_mean"
    if not row.model or column not in table:
        return []
    right = (table["dataset"] == published.dataset) & (table["model"] == row.model) & table[column].notna()
    model = registry.plugins("models")[row.model].load()
    known = row.hyperparameters.get(model.dial)
    wanted = row.grid.get(model.dial, []) if known is None else [known]
    here = table[right & table["dial_value"].isin(wanted)] if wanted else table[right]
    unlike = ", ".join(name_unlike(model, row))
    return [
        Measured(
            one["study"],
            one["dial_value"],
            one[column],
            one[f"{score}_std"],
            int(one["n"]),
            int(one["steps"]),
            unlike,
            one.get("network", USUAL_NETWORK),
        )
        for _, one in here.iterrows()
    ]


def name_unlike(model: type[Model], row: Row) -> list[str]:
    """List our values of hyperparameters other than the dial, where the published ones are others."""
    ours = {h.name: h.default for h in model.hyperparameters if h.name != model.dial}
    return [
        f"{name} = {ours[name]:g}"
        for name, value in row.hyperparameters.items()
        if name in ours and ours[name] != value
    ]


def show(figure: Figure) -> str:
    """Format a published figure with its interval."""
    if math.isnan(figure.low):
        return f"{figure.value:.3g}"
    return f"{figure.value:.3g} ({figure.low:.3g} to {figure.high:.3g})"


def show_all(ours: list[Measured]) -> str:
    """Format what was measured, one study after the other."""
    return "; ".join(_show_study(group) for group in _by_study(ours))


def _by_study(ours: list[Measured]) -> Iterator[list[Measured]]:
    for key in dict.fromkeys((one.study, one.steps) for one in ours):
        yield [one for one in ours if (one.study, one.steps) == key]


def _show_study(group: list[Measured]) -> str:
    """Format one configuration with its spread, or the range of several over their dial."""
    first = group[0]
    network = first.network if first.steps and first.network != USUAL_NETWORK else ""
    parts = [f"{first.steps:,} steps", network, f"n = {first.n}", first.unlike]
    where = f"({', '.join(filter(None, parts))})"
    if len(group) > 1:
        values, dials = [one.mean for one in group], [one.dial for one in group]
        return f"{min(values):.3g} to {max(values):.3g} over {min(dials):g}{DASH}{max(dials):g} {where}"
    spread = "" if math.isnan(first.std) else f" ± {first.std:.2g}"
    at = "" if math.isnan(first.dial) else f" at {first.dial:g}"
    return f"{first.mean:.3g}{spread}{at} {where}"


def judge(figure: Figure, ours: list[Measured]) -> str:
    """Say whether ours meet the published interval, or on which side of it they lie."""
    if any(one.overlaps(figure) for one in ours):
        return "meets"
    sides = {"above" if one.mean > figure.value else "below" for one in ours}
    return sides.pop() if len(sides) == 1 else "around"


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if out of date")
    check = parser.parse_args().check
    page = make_page(read_tables())
    if check:
        sys.exit(PAGE.read_text(encoding="utf-8") != page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
