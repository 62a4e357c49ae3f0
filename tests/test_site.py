"""The documents as a site: built without a warning, with links that lead on, and nothing from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import dis_bench

ROOT = Path(__file__).parent.parent
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """A page's links, its anchors, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.loads: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in LOADED and LOADED[tag] in given:
            self.loads.add(given[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=build_environment())
    assert done.returncode == 0, done.stderr
    return folder


def build_environment() -> dict[str, str]:
    return {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path.resolve(): Page(path) for path in site.rglob("*.html")}


@pytest.mark.slow
def test_every_document_is_a_page(site):
    for path in (ROOT / "docs").rglob("*.md"):
        assert (site / path.relative_to(ROOT / "docs").with_suffix(".html")).exists(), path
    assert "make demo" in (site / "index.html").read_text("utf-8")  # the README
    assert {path.name for path in site.glob("*.html")} >= {"contributing.html", "changelog.html"}
    assert not [*(site / "models").glob("*.toml"), *site.glob("*.py")]


@pytest.mark.slow
def test_nothing_is_loaded_from_another_host(site, pages):
    loaded = {address for page in pages.values() for address in page.loads}
    assert loaded
    assert not [address for address in loaded if re.match(r"(?:https?:)?//", address)]
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", style.read_text("utf-8")), style


def find_dead_ends(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Yield the links within a site that lead nowhere."""
    for path, page in pages.items():
        for link in page.links | page.loads:
            where, _, anchor = link.partition("#")
            if re.match(r"\w+:", link) or path.name == "404.html":  # which is served at any address
                continue
            there = (path.parent / unquote(where)).resolve() if where else path
            there = there / "index.html" if there.is_dir() else there
            known = there in pages and (not anchor or unquote(anchor) in pages[there].anchors)
            if not known and (anchor or not there.exists() or site.resolve() not in there.parents):
                yield f"{path.name}: {link}"


@pytest.mark.slow
def test_links_lead_somewhere(site, pages):
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert [*find_dead_ends(site, pages)] == []


def test_dead_ends_are_found(tmp_path):
    page = tmp_path / "a.html"
    page.write_text(
        '<a href="b.html"></a><a href="#c"></a><h1 id="d"><a href="#d"></a></h1>', encoding="utf-8"
    )
    found = find_dead_ends(tmp_path, {page.resolve(): Page(page)})
    assert sorted(found) == ["a.html: #c", "a.html: b.html"]


@pytest.mark.slow
def test_links_to_source_files_lead_to_pages_that_show_them(site):
    contributing = (site / "contributing.html").read_text("utf-8")
    assert 'href="source/dis_bench/models/vae.py.html"' in contributing
    assert 'href="source/dis_bench/networks/index.html"' in contributing
    shown = (site / "source" / "dis_bench" / "models" / "vae.py.html").read_text("utf-8")
    assert "VAE" in shown
    assert "highlight" in shown


@pytest.mark.slow
def test_the_public_api_has_a_page(pages, site):
    anchors = pages[(site / "api" / "functions.html").resolve()].anchors
    for name in {*dis_bench.__all__} - {"__version__"}:
        assert f"{dis_bench._API[name]}.{name}" in anchors, name
    contracts = pages[(site / "api" / "contracts.html").resolve()].anchors
    assert "dis_bench.models.model.Model.step" in contracts
    for name, hidden in (("functions", "DEFAULTS"), ("contracts", "Class attributes</summary>")):
        text = (site / "api" / f"{name}.html").read_text("utf-8")
        assert not re.search(":(?:class|func|meth):", text)
        assert hidden not in text


@pytest.mark.slow
def test_formulas_need_no_script(site):
    text = (site / "metrics.html").read_text("utf-8")
    assert text.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"') > 15
    assert "arithmatex" not in text
