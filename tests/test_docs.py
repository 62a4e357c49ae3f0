"""The documents say what the programs declare, and their links lead somewhere."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import pytest

from dis_bench.metrics import find_metrics

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
METRICS = find_metrics(given=["log_variances"])


def sections(page: Path) -> dict[str, str]:
    """The text under each heading of the second level; a heading may name several things."""
    parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.M)[1:]
    return {
        name: text for heads, text in zip(parts[::2], parts[1::2], strict=True) for name in heads.split(", ")
    }


def anchors(page: Path) -> set[str]:
    """What a link may name of a page, as GitHub derives it from the headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", METRICS)
def test_the_section_of_a_metric_says_what_the_metric_declares(name):
    metric, section = METRICS[name], sections(ROOT / "docs" / "metrics.md")[name]
    low, high = metric.range
    reach = f"{low:g} up" if math.isinf(high) else f"{low:g} to {high:g}"
    better = "higher" if metric.higher_is_better else "lower"
    opening = " ".join(section.strip().partition("\n\n")[0].split())
    assert opening.startswith(f"Range {reach}, {better} is better")
    author_and_year = re.match(r".*?\d{4}", metric.source).group()
    assert author_and_year in opening
    assert "$$" in section
    assert "\n- Rewards: " in section
    assert "\n- Blind to" in section


@pytest.mark.parametrize("name", METRICS)
def test_the_section_of_a_metric_has_every_default(name):
    section = sections(ROOT / "docs" / "metrics.md")[name]
    for parameter, default in METRICS[name].parameters.items():
        written = re.findall(rf"`{parameter}=([^`]+)`", section)
        assert default in [ast.literal_eval(value) for value in written], parameter


@pytest.mark.parametrize("name", METRICS)
def test_the_table_of_metrics_leads_to_the_section(name):
    start = (ROOT / "docs" / "metrics.md").read_text("utf-8").partition("\n## ")[0]
    assert re.search(rf"`{name}`[^|]*\]\(#[^)]*{name}", start) or name.endswith("_norm")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    for path, _, anchor in (target.partition("#") for target in targets if "://" not in target):
        there = page.parent / path if path else page
        assert there.exists(), path
        if anchor:
            assert anchor in anchors(there), anchor


@pytest.mark.parametrize("name", ["metrics.md", "agreement.md"])
def test_pages_can_be_read(name):
    lines = (ROOT / "docs" / name).read_text("utf-8").splitlines()
    assert len(lines) < 700
    assert not [line for line in lines if len(line) > 115 and not line.startswith("|")]
