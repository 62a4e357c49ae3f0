"""Bring into the site what lies outside docs/: a hook of mkdocs.

The README is the first page. A source file that a page links to gets a page of its own under ``source/``, so
that every link of the documents works in the site as it does in the repository. The pages of the public API
are written here, since mkdocstrings' markup would show as such to those who read docs/ as text. Formulas
become MathML, which browsers draw without a script.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files, InclusionLevel

import dis_bench

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
EACH_MODEL = "models/"  # as the nav says it, last in its section
LANGUAGES = {".py": "python", ".toml": "toml", ".cfg": "ini", ".md": "markdown", ".json": "json"}
UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"  # at the top of pages whose text would drown the others'
LONGEST = 100_000  # bytes of a file that is shown as a page; longer ones are offered as they are

CONTRACTS = {  # what a plug-in, or a reader of results, is held to
    "Models": [
        "dis_bench.models.model.Model",
        "dis_bench.models.model.Hyperparameter",
        "dis_bench.models.model.Step",
        "dis_bench.models.model.Adam",
        "dis_bench.models.vae.VAE",
        "dis_bench.models.vae.Terms",
    ],
    "Metrics": [
        "dis_bench.metrics.metric.metric",
        "dis_bench.metrics.metric.Metric",
        "dis_bench.metrics.representation.Representation",
    ],
    "Datasets": ["dis_bench.datasets.dataset.Dataset"],
    "Networks": ["dis_bench.networks.family.Family"],
    "Trained models": ["dis_bench.runners.trained.model.TrainedModel"],
}

LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
CODE = re.compile(r"^```(?s:.*?)^```|^(?: {4}.*\n)+", flags=re.M)
FORMULA = re.compile(
    r'<(?P<tag>div|span) class="arithmatex">\\[\[(](?P<tex>.*?)\\[\])]</(?P=tag)>', flags=re.S
)


def on_config(config: Any) -> Any:
    """List the pages of the models under theirs."""
    pages = sorted(path.name for path in (ROOT / "docs" / "models").glob("*.md"))
    for section in config.nav:
        for entries in section.values():
            if isinstance(entries, list) and EACH_MODEL in entries:
                entries[:] = [*entries[:-1], *(f"{EACH_MODEL}{name}" for name in pages)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and the source files that are linked to."""
    pages = [file.src_uri for file in files if not config.exclude_docs.match_file(file.src_uri)]
    origins = {f"docs/{page}": page for page in pages}
    texts = {f"docs/{file.src_uri}": file.content_string for file in files if file.src_uri.endswith(".md")}
    for path, where in PAGES.items():
        texts[path] = (ROOT / path).read_text(encoding="utf-8")
        origins[path] = where
        files.append(File.generated(config, where, content=texts[path]))
    files.append(File.generated(config, "api/functions.md", content=write_functions()))
    files.append(File.generated(config, "api/contracts.md", content=write_contracts()))
    linked = [target for path, text in texts.items() for target in find_targets(path, text)]
    for target in find_sources(linked, origins):
        where, text = show_source(target)
        origins[target] = where
        inclusion = InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, where, content=text, inclusion=inclusion))
    config.extra["origins"] = origins
    return files


def find_targets(path: str, text: str) -> Iterator[str]:
    """Yield the paths in the repository that a page links to."""
    for link in LINK.finditer(CODE.sub("", text)):
        target = resolve(path, link["path"])
        if (ROOT / target).exists():
            yield target


def resolve(path: str, link: str) -> str:
    """Return where a relative link of a file leads, as a path in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def find_sources(linked: list[str], known: dict[str, str]) -> list[str]:
    """List the files and folders to show: those that are linked to, and the modules of each such folder."""
    found = {target for target in linked if target not in known}
    folders = [ROOT / target for target in found if (ROOT / target).is_dir()]
    found |= {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.glob("*.py")}
    return sorted(found)


def show_source(target: str) -> tuple[str, str]:
    """Return the place and the text of a page that shows a file or lists a folder."""
    path = ROOT / target
    if path.is_dir():
        names = sorted(one.name for one in path.glob("*.py"))
        lines = [f"- [{name}]({name}.md)" for name in names] or ["It has no modules of its own."]
        return f"source/{target}/index.md", "\n".join([f"{UNSEARCHED}# {target}/", "", *lines, ""])
    text = path.read_text(encoding="utf-8")
    if len(text) > LONGEST or path.suffix not in {"", *LANGUAGES}:
        return f"source/{target}", text
    fence = "`" * (1 + max([2, *map(len, re.findall(r"`{3,}", text))]))
    language = LANGUAGES.get(path.suffix, "text")
    return f"source/{target}.md", f"{UNSEARCHED}# {target}\n\n{fence}{language}\n{text}{fence}\n"


def write_functions() -> str:
    """Return the page of the public API: every name of ``dis_bench``."""
    names = [name for name in dis_bench.__all__ if name in dis_bench._API]
    parts = [describe(f"{dis_bench._API[name]}.{name}", f"dis_bench.{name}") for name in names]
    return "\n".join(["# The functions of `dis_bench`\n", *parts])


def write_contracts() -> str:
    """Return the page of the classes that plug-ins subclass or get."""
    heading = "# Contracts\n\nThe classes that a plug-in subclasses, and those that it is given.\n"
    groups = [f"## {group}\n\n" + "\n".join(map(describe, names)) for group, names in CONTRACTS.items()]
    return "\n".join([heading, *groups])


def describe(path: str, heading: str | None = None) -> str:
    """Return mkdocstrings' markup for one object."""
    options = {"heading": heading} if heading else {"heading_level": 3}
    lines = [f"        {name}: {value}" for name, value in options.items()]
    return "\n".join([f"::: {path}", "    options:", *lines, ""])


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links out of docs/ to where their files are in the site."""
    origins = config.extra["origins"]
    here = page.file.src_uri
    origin = next((path for path, where in origins.items() if where == here), None)
    if origin is None or here.startswith("source/"):
        return markdown

    def lead(link: re.Match[str]) -> str:
        target = origins.get(resolve(origin, link["path"]))
        if target is None:
            return link[0]
        return posixpath.relpath(target, posixpath.dirname(here) or ".") + (link["anchor"] or "")

    return outside_code(markdown, lambda text: LINK.sub(lead, text))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply a function to the parts of a Markdown text that are no code."""
    parts, end = [], 0
    for code in CODE.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])


def on_page_content(content: str, **_: Any) -> str:
    """Turn formulas into MathML."""

    def draw(formula: re.Match[str]) -> str:
        display = "block" if formula["tag"] == "div" else "inline"
        return convert(html.unescape(formula["tex"]).strip(), display=display)

    return FORMULA.sub(draw, content)
