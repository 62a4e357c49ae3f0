"""The page of models says what the models declare."""

import re
from pathlib import Path

import pytest

from dis_bench import registry
from dis_bench.models.labels import QUALITIES
from dis_bench.models.pairs import LAWS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", PAGE, flags=re.M)[1:])] * 2, strict=True))
ZOO = {name: plugin.load() for name, plugin in registry.plugins("models").items() if plugin.is_ours}


def plain(text):
    """Return a text on one line, with products and code written as on the page."""
    return " ".join(text.split()).replace("``", "`").replace(" * ", " · ")


def number(value):
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def test_every_model_has_a_section():
    others = ["Labels", "Laws of pairs", "Schedules and free bits", "Not here"]
    assert sorted(SECTIONS) == sorted([*ZOO, *others])


@pytest.mark.parametrize("name", ZOO)
def test_sections_say_what_docstrings_say(name):
    for paragraph in ZOO[name].__doc__.strip().split("\n\n"):
        assert plain(paragraph) in plain(SECTIONS[name])


@pytest.mark.parametrize("name", ZOO)
def test_sections_have_every_hyperparameter(name):
    rows = []
    for h in ZOO[name].hyperparameters:
        dial = " (dial)" if h.name == ZOO[name].dial else ""
        grid = ", ".join(map(number, h.grid)) or "\N{EN DASH}"
        words = "; " + ", ".join(f"`{word}`" for word in h.words) if h.words else ""
        summary = h.summary.replace("|", r"\|") + words
        rows.append(f"| `{h.name}`{dial} | {number(h.default)} | {grid} | {summary} |")
    assert re.findall(r"^\| `.*$", SECTIONS[name], re.M) == rows


def test_every_law_of_pairs_has_a_row():
    rows = re.findall(r"^\| `(.*?)` \|", SECTIONS["Laws of pairs"], re.M)
    assert sorted(rows) == sorted(LAWS)


def test_every_quality_of_labels_has_a_row():
    assert dict(re.findall(r"^\| `(.*?)` \| (.*) \|$", SECTIONS["Labels"], re.M)) == QUALITIES


def test_the_table_names_every_model():
    start = PAGE.partition("\n## ")[0]
    assert set(ZOO) <= set(re.findall(r"`(\w+)`", start))
