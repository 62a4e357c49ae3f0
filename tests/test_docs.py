"""The documents agree with the code, and their links lead somewhere."""

from __future__ import annotations

import argparse
import ast
import json
import math
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dis_bench import registry
from dis_bench.cli.list import format_hours
from dis_bench.cli.main import Parser, build_parser
from dis_bench.metrics import find_metrics
from dis_bench.records.columns import list_scores
from dis_bench.records.record import read_records
from dis_bench.records.table import tabulate
from dis_bench.reports.anchors import gather_anchors
from dis_bench.reports.declared import Declared
from dis_bench.reports.headline import write_headlines
from dis_bench.reports.published.source import SPREADS, find_sources, read_source
from dis_bench.reports.quantities import find_quantities
from dis_bench.reports.settings import split_settings
from dis_bench.reports.tables import in_use, summarise
from dis_bench.runners.named import find_studies, read_about

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
METRICS = find_metrics(given=["log_variances"])


def sections(page: Path) -> dict[str, str]:
    """Return the text under each second-level heading, which may name several things."""
    parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.M)[1:]
    return {
        name: text for heads, text in zip(parts[::2], parts[1::2], strict=True) for name in heads.split(", ")
    }


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub derives them from its headings."""
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


@pytest.mark.parametrize("page", [*PAGES, ROOT / "results" / "README.md"], ids=lambda page: page.name)
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


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


HELP = {parser.prog: parser.format_help() for parser in parsers(build_parser()[0])}
RESULTS = ROOT / "results" / "README.md"
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in [*PAGES, RESULTS]} | HELP


def code(text: str) -> Iterator[str]:
    """Yield the code in a text: inline spans, and lines of blocks without comments."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    fenced = "\n".join(re.findall(r"^```.*?\n(.*?)^```", text, flags=re.M | re.S))
    indented = "\n".join(re.findall(r"^ {2,}(\S.*)$", text, flags=re.M))
    for line in f"{fenced}\n{indented}".splitlines():
        yield re.split(r"\s{2,}|\s#", line.strip())[0]


def command_lines(text: str) -> list[list[str]]:
    found = {one for one in code(text) if re.match(r"dis-bench\s", one)}
    return sorted(shlex.split(one)[1:] for one in found)


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line; nothing if it asks for help or omits a required argument."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "error", refuse)
        try:
            return build_parser()[0].parse_known_args(words)
        except SystemExit:
            return argparse.Namespace(), []


def refuse(parser: argparse.ArgumentParser, message: str) -> None:
    if "the following arguments are required" in message:
        raise SystemExit
    raise AssertionError(message)


LINES = [(source, words) for source, text in TEXTS.items() for words in command_lines(text)]


@pytest.mark.parametrize(("source", "words"), LINES, ids=[f"{s}: {' '.join(words)}" for s, words in LINES])
def test_command_lines_can_be_typed(source, words, capsys):
    args, rest = parse(words)
    assert not rest
    for kind in registry.KINDS:
        for name in getattr(args, kind, None) or ():
            assert ":" in name or name in registry.plugins(kind) or (kind, name) == ("metrics", "all")


def test_command_lines_are_found():
    assert len(LINES) > 60
    assert ("README.md", ["report"]) in LINES
    assert ("docs/metrics.md", ["score", "codes.npz", "--bootstrap", "100"]) in LINES
    assert ("dis-bench data fetch", ["data", "fetch", "dsprites"]) in LINES


OURS = r"(?:tests|benchmarks|docs|dis_bench|datasets|metrics|runners|results/benchmarks)/"


@pytest.mark.parametrize("source", TEXTS)
def test_files_that_are_named_exist(source):
    text = TEXTS[source]
    named = {word for one in code(text) for word in re.findall(rf"(?<![\w./]){OURS}[\w./*-]*", one)}
    named |= set(re.findall(r"(?<![\w./])docs/[\w./]*\w", text))
    assert not [path for path in named if not list(ROOT.glob(path.rstrip("/")))]


@pytest.mark.parametrize("source", TEXTS)
def test_result_folders_that_are_named_exist_or_are_made_by_a_command_that_is_shown(source):
    made = {"cells", "anchors", "superseded", "unfinished", "report", "tensorboard"}
    made |= set(re.findall(r"(?:--out |out = \")results/(\w+)", "".join(TEXTS.values())))
    named = set(re.findall(r"(?<![\w./])results/(\w+)(?![\w.])", TEXTS[source]))
    assert not [name for name in named - made if not (RESULTS.parent / name).exists()]


def test_the_folders_of_results_exist():
    named = re.findall(r"`([\w./]+/)`", RESULTS.read_text("utf-8"))
    assert named
    assert not [path for path in named if not (RESULTS.parent / path).is_dir()]


@pytest.mark.parametrize("source", TEXTS)
def test_options_that_are_named_exist(source):
    known = {option for parser in parsers(build_parser()[0]) for option in parser._option_string_actions}
    for script in (ROOT / "benchmarks").glob("*.py"):
        known |= set(re.findall(r'"(--[\w-]+)"', script.read_text("utf-8")))
    named = {option for one in code(TEXTS[source]) for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", one)}
    others = {"--no-deps", "--outdated", "--logdir"}  # options of pip and TensorBoard
    others |= {"--head", "--disable-usage-stats", "--num-cpus"}  # options of Ray
    others |= {"--array", "--cpus-per-task", "--time", "--signal", "--requeue"}  # options of SLURM
    assert named <= known | others


def test_tests_that_are_named_exist():
    there = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for text in TEXTS.values():
        for name in re.findall(r"`(test_\w+)`", text):
            assert f"def {name}(" in there, name


@pytest.mark.parametrize("source", TEXTS)
def test_what_is_imported_in_examples_exists(source):
    text = TEXTS[source]
    named = set(re.findall(r"(?<![\w./])dis_bench(?:\.\w+)+(?!\.?\w*/)", text))
    for module, names in re.findall(r"^ *from (dis_bench[\w.]*) import ([\w, ]+)$", text, flags=re.M):
        named |= {f"{module}.{name.strip()}" for name in names.split(",")}
    for name in named - {"dis_bench.models", "dis_bench.datasets", "dis_bench.metrics"}:
        assert pkgutil.resolve_name(name) is not None


def read_figures(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "results" / "benchmarks" / f"{name}.json").read_text("utf-8"))


def test_readme_begins_with_the_sentence_and_the_picture_of_a_reference_study():
    study = ROOT / "results" / "reference" / "betavae-dsprites"
    records, problems = read_records(study)
    quantities = find_quantities(tabulate(records), list_scores(records), Declared(records))
    [setting] = split_settings(records, gather_anchors(study, problems))
    table = summarise(setting, quantities)
    first = write_headlines(setting, table, in_use(table, quantities))[0].sentences[0]
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"*{first.rstrip('.')}*" in readme
    [picture] = study.glob("tradeoff-*.png")
    assert picture.read_bytes() == (ROOT / "docs" / "tradeoff.png").read_bytes()


def test_the_shares_of_variance_in_the_page_on_metrics_are_those_measured():
    zoo, betas = (read_figures(f"metric_study_{name}")["variance"] for name in ("zoo", "betas"))
    page = (ROOT / "docs" / "known.md").read_text("utf-8")
    for one, other in zip(zoo, betas, strict=True):
        assert one["score"] == other["score"]
        shares = one["model"], one["seed"], other["model and dial"], other["seed"]
        assert f"| {one['score']} | {' | '.join(f'{share:.2f}' for share in shares)} |" in page


def test_the_figures_of_training_in_readme_are_those_measured():
    rows = [row for row in read_figures("training")["rows"] if row["networks"] == "burgess"]
    speed, memory = ({row["system"]: row[of] for row in rows} for of in ("images/s", "memory, MB"))
    ours, plain = ("ours, bf16", "ours, fp32"), "plain, 2 loaders"
    assert max((name for name in speed if name.startswith("plain")), key=speed.get) == plain
    readme = (ROOT / "README.md").read_text("utf-8")
    bf16, fp32 = (f"{speed[name]:,.0f} in {name[-4:]}" for name in ours)
    assert f"| {bf16}, {fp32} | {speed[plain]:,.0f}:" in readme
    largest = max(memory[name] for name in ours)
    assert f"| {largest / 1000:.1f} GB | {memory[plain] / 1000:.1f} GB |" in readme


def test_the_figures_of_scoring_in_readme_are_those_measured():
    figures = read_figures("metrics")
    seconds = {name: one["cpu"] for name, one in figures["seconds"]["A_vae_like"].items()}
    every, forest, dci = (seconds[name] for name in ("all, in one call", "dci_forest", "dci"))
    others = every - forest - dci
    readme = (ROOT / "README.md").read_text("utf-8")
    row = f"| {every:.1f}: `dci_forest` {forest:.1f}, `dci` {dci:.1f}, all others {others:.1f} |"
    assert row in readme
    assert max(seconds[name] for name in METRICS) == forest
    cpu = next(one["cpu_seconds"] for one in figures["dci"] if one["case"] == "A_vae_like")
    assert f"| {cpu['fast']:.2f} | {cpu['sklearn']:.0f}: scikit-learn's boosting |" in readme


def test_the_page_of_studies_says_what_their_files_say():
    page = ROOT / "docs" / "studies.md"
    text, parts = " ".join(page.read_text("utf-8").split()), sections(page)
    for name in find_studies():
        about = read_about(name)
        assert f"| `{name}` | {about.cells:,} | {format_hours(about.core_hours)} |" in text
        if about.differences:
            lines = re.split(r"^- ", parts[name], flags=re.M)[1:]
            assert [" ".join(line.split()) for line in lines] == [*about.differences]
            assert about.summary in " ".join(parts[name].split())


def test_the_page_of_studies_has_every_source_of_published_figures():
    section = sections(ROOT / "docs" / "studies.md")["Published figures"]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, flags=re.M))
    sources = [read_source(name) for name in find_sources()]
    assert rows == {one.name: f"{'second-hand: ' * one.second_hand}{one.read}" for one in sources}
    said = (ROOT / "docs" / "studies.md").read_text("utf-8")
    assert all(kind in said for kind in SPREADS)
