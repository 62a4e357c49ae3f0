"""Write a page for each built-in model, docs/models/NAME.md, and one of all, from the code and the results.

    python docs/model_pages.py            # or: make model-pages
    python docs/model_pages.py --check    # say which pages are out of date, and change nothing

A page has the model's docstring, its hyperparameters, its players, the scores in results/reference/, its time
per step in results/benchmarks/zoo.json, and its references, from docs/models/references.toml. The page of
all, docs/models/measured.md, has the same figures in one table.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dis_bench import registry
from dis_bench.models import build_model
from dis_bench.models.building import takes_steps
from dis_bench.models.model import Model

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "models"
SCORES = ROOT / "results" / "reference" / "zoo-dsprites" / "table.csv"  # of a report
TIMES = ROOT / "results" / "benchmarks" / "zoo.json"
BASE = "betavae"
OVERVIEW = "measured"
WIDTH = 115
DASH = "\N{EN DASH}"
CITED = re.compile(r"[A-Z]\w+(?: et al\.| & [A-Z]\w+)? (?:19|20)\d\d")
QUANTITIES = {  # columns of the table of scores, and their headings
    "reconstruction": "reconstruction, nats",
    "kl": "KL, nats",
    "betavae_score": "beta-VAE score",
    "factorvae_score": "FactorVAE score",
    "mig": "MIG",
    "sap": "SAP",
    "dci_disentanglement": "DCI D",
    "dci_completeness": "DCI C",
    "dci_informativeness": "DCI I",
    "modularity": "modularity",
    "infomec_modularity": "InfoM",
    "infomec_explicitness": "InfoE",
    "infomec_compactness": "InfoC",
}


def list_models() -> dict[str, type[Model]]:
    """Return the built-in models by name."""
    return {name: plugin.load() for name, plugin in registry.plugins("models").items() if plugin.is_ours}


def make_page(name: str, model: type[Model]) -> str:
    """Return the page of a model in Markdown."""
    assert model.__doc__ is not None
    about = [fill(paragraph) for paragraph in model.__doc__.strip().split("\n\n")]
    parts = [
        f"# {name}",
        *about,
        tabulate_hyperparameters(model),
        "## How it trains",
        "\n".join(describe_training(name, model)),
        "## Measured",
        "\n\n".join([measure_scores(name), measure_time(name)]),
        "## References",
        "\n".join(f"- {text}" for text in find_references(name, model)) or "None.",
        f"Back to [all models](../models.md). This page is made by `make model-pages` from "
        f"[the code](../../{find_source(model)}).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def fill(paragraph: str) -> str:
    """Return a paragraph of a docstring as Markdown."""
    text = " ".join(paragraph.split()).replace("``", "`").replace(" * ", " · ")
    filled = textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return filled.replace("\n- ", " -\n")  # a minus, which would begin a list


def tabulate_hyperparameters(model: type[Model]) -> str:
    """Return the table of hyperparameters; a sentence if there are none."""
    if not model.hyperparameters:
        return "It has no hyperparameters."
    rows = ["| hyperparameter | default | published | what it is |", "|---|---|---|---|"]
    for h in model.hyperparameters:
        dial = " (dial)" if h.name == model.dial else ""
        grid = ", ".join(map(format_number, h.grid)) or DASH
        words = "; " + ", ".join(f"`{word}`" for word in h.words) if h.words else ""
        summary = h.summary.replace("|", r"\|") + words
        rows.append(f"| `{h.name}`{dial} | {format_number(h.default)} | {grid} | {summary} |")
    return "\n".join(rows)


def format_number(value: Any) -> str:
    """Format a value of a hyperparameter."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def describe_training(name: str, model: type[Model]) -> list[str]:
    """List what a study must know of a model's training."""
    _, networks = build_model(name)
    if not takes_steps(networks):
        return ["- It takes no steps: `--steps` and `--lr` mean nothing to it."]
    players = [f"`{player}`" for player, network in networks.named_children() if takes_steps(network)]
    lines = [f"- Players, each with a loss of its own: {', '.join(players)}."]
    needed = {"factors": "factors, or labels", "grid": "a grid of factors"}
    lines += [f"- It needs a dataset with {needed[need]}." for need in model.needs]
    lines += ["- It has networks of its own: `--network` is refused."] if model.own_networks else []
    lines += describe_rates(model)
    lines += [] if model.reconstructs else ["- It does not reconstruct: pictures show samples."]
    shared = [f"`{setting}`" for setting in list_settings_of_optimisers(model)]
    agree = f", if they have the same {' and '.join(shared)}" if shared else ""
    many = f"yes{agree}" if model.stackable else "no"
    return [*lines, f"- Cells that differ in seeds and floats train as one on a GPU: {many}."]


def describe_rates(model: type[Model]) -> list[str]:
    """Say which players have a learning rate of their own, which `--lr` does not change."""
    own = {player: adam for player, adam in model().optimisers().items() if adam.lr is not None}
    return [
        f"- `{player}` has a learning rate of its own, {adam.lr:g} (Adam's betas are {adam.betas[0]:g} and "
        f"{adam.betas[1]:g}): `--lr` does not change it."
        for player, adam in own.items()
    ]


def list_settings_of_optimisers(model: type[Model]) -> list[str]:
    """List the floats from which optimisers are made: all cells that train as one share them."""
    found = []
    for h in model.hyperparameters:
        if isinstance(h.default, float):
            other = model()
            setattr(other, h.name, h.default + 1)
            found += [h.name] if other.optimisers() != model().optimisers() else []
    return found


def make_overview(models: dict[str, type[Model]]) -> str:
    """Return the page of all models side by side: what a step costs, and the scores."""
    scores = {name: read_scores(name) for name in models}
    rows = [row for some in scores.values() for row in some]
    columns = [column for column in QUANTITIES if any(row.get(f"{column}_mean") for row in rows)]
    ratios = read_ratios()
    heads = ["model", "a step", "stacks", "seeds", *(QUANTITIES[column] for column in columns)]
    table = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, model in models.items():
        for row in scores[name] or [{}]:
            dial = f" {row['dial']} = {float(row['dial_value']):g}" if row.get("dial") else ""
            step = f"{ratios[name]:.2f}" if name in ratios else DASH
            stacks = ("yes" if model.stackable else "no") if _trains(name) else DASH
            cells = [f"[`{name}`]({name}.md){dial}", step, stacks, row.get("n", DASH)]
            table.append(f"| {' | '.join([*cells, *(format_spread(row, column) for column in columns)])} |")
    return "\n\n".join(["# All models, measured", describe_overview(rows), "\n".join(table)]) + "\n"


def describe_overview(rows: list[dict[str, str]]) -> str:
    """Say what the table of all models holds, and where its figures come from."""
    steps = {int(float(row["steps"])) for row in rows} - {0}
    budget = f"dSprites after {max(steps):,} steps" if steps else "dSprites"
    study = "[results/reference/zoo-dsprites](../../results/reference/zoo-dsprites/README.md)"
    times = "[what other objectives cost](../performance.md#what-other-objectives-cost)"
    return fill(
        f"Every model with its defaults on {budget}, mean ± standard deviation over seeds: the study in "
        f"{study}, whose README has the command. *A step* is its time in units of the beta-VAE's ({times}); "
        "*stacks* says whether cells may train as one on a GPU. This page is made by `make model-pages`."
    )


def measure_scores(name: str) -> str:
    """Return the model's rows of the reference table; a sentence if there are none."""
    rows = read_scores(name)
    if not rows:
        return "Scores: not measured yet."
    dials = {row["dial"]: None for row in rows if row.get("dial")}
    columns = [column for column in QUANTITIES if any(row.get(f"{column}_mean") for row in rows)]
    [steps] = {row["steps"] for row in rows}
    after = f" after {int(float(steps)):,} steps" if float(steps) else ""
    text = f"On {rows[0]['dataset']}{after}, mean ± standard deviation over seeds:"
    heads = [*dials, "seeds", *(QUANTITIES[column] for column in columns)]
    table = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [f"{float(row['dial_value']):g}" for _ in dials]
        cells += [row["n"], *(format_spread(row, column) for column in columns)]
        table.append(f"| {' | '.join(cells)} |")
    return f"{text}\n\n" + "\n".join(table)


def read_scores(name: str) -> list[dict[str, str]]:
    """Return the rows of a model in the reference table, if there is one."""
    if not SCORES.exists():
        return []
    with open(SCORES, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["model"] == name and int(row["n"])]


def format_spread(row: dict[str, str], column: str) -> str:
    """Format a mean with its standard deviation, with three and two digits."""
    mean, spread = row.get(f"{column}_mean", ""), row.get(f"{column}_std", "")
    if not mean:
        return DASH
    return _round(float(mean), 3) + (f" ± {_round(float(spread), 2)}" if spread else "")


def _round(value: float, digits: int) -> str:
    """Return a number with some digits, and with more where it is large, never with an exponent."""
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def measure_time(name: str) -> str:
    """Return a sentence on the time of a step beside the beta-VAE's."""
    ratios = read_ratios()
    if name not in ratios:
        return "Time of a step: it takes none." if ratios and not _trains(name) else "Time: not measured yet."
    return (
        f"A step takes {ratios[name]:.2f} times as long as that of the beta-VAE "
        "([the figures](../performance.md#what-other-objectives-cost))."
    )


def read_ratios() -> dict[str, float]:
    """Return the time of a step of each model in units of the beta-VAE's, as far as it was measured."""
    rows = json.loads(TIMES.read_text(encoding="utf-8"))["rows"] if TIMES.exists() else []
    return {row["model"]: row[f"in units of {BASE}"] for row in rows}


def _trains(name: str) -> bool:
    return takes_steps(build_model(name)[1])


def find_references(name: str, model: type[Model]) -> Iterable[str]:
    """Return the papers that a docstring cites.

    Raises:
        LookupError: one is not in the list of references.
    """
    listed = tomllib.loads((PAGES / "references.toml").read_text(encoding="utf-8"))
    for cited in sorted(set(CITED.findall(model.__doc__ or ""))):
        found = [entry for entry in listed.get(cited, []) if name in entry.get("models", [name])]
        if len(found) != 1:
            raise LookupError(f"{name} cites {cited}, which references.toml has {len(found)} times")
        arxiv = found[0].get("arxiv")
        yield found[0]["text"] + (f" [arXiv {arxiv}](https://arxiv.org/abs/{arxiv})" if arxiv else "")


def find_source(model: type[Model]) -> str:
    """Return the path of a model's file in the repository."""
    return model.__module__.replace(".", "/") + ".py"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args().check
    models = list_models()
    made = {PAGES / f"{name}.md": make_page(name, model) for name, model in models.items()}
    if SCORES.exists():
        made[PAGES / f"{OVERVIEW}.md"] = make_overview(models)
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    gone = [path for path in PAGES.glob("*.md") if path not in made]
    for path in [*stale, *gone]:
        print(f"{path.relative_to(ROOT)} is {'out of date' if path in made else 'of no model'}")
        if not check and path in made:
            path.write_text(made[path], encoding="utf-8")
        elif not check:
            path.unlink()
    return 1 if check and (stale or gone) else 0


if __name__ == "__main__":
    sys.exit(main())
