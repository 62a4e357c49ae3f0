"""Reports and runners know no built-in plug-in by name: what they need of one, it says itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import dis_bench
from dis_bench import registry
from dis_bench.metrics.metric import Metric

ROOT = Path(dis_bench.__file__).parent
FILES = [
    path
    for place in ("reports", "runners")
    for path in sorted((ROOT / place).rglob("*"))
    if path.is_file() and "__pycache__" not in path.parts
]
# Studies that a page cites, after whose authors a network is called; the base class that a refusal advises;
# and random and folder, everybody's words long before they were those of a model and a dataset.
EXCEPTIONS = re.compile(
    r"Locatello et al\. \d{4}|dis_bench\.models\.vae\.VAE|a VAE's terms|\brandom\b|folder", re.I
)


@cache
def list_names() -> list[str]:
    """Return the names of all built-in plug-ins, and the labels of metrics."""
    ours = [plugin for kind in registry.KINDS for plugin in registry.plugins(kind).values() if plugin.is_ours]
    labels = [plugin.load().label for plugin in ours if plugin.kind == "metrics"]
    texts = [text for label in labels for text in ([label] if isinstance(label, str) else label.values())]
    return sorted({*(plugin.name for plugin in ours), *filter(None, texts)}, key=len, reverse=True)


def read_words(path: Path) -> Iterator[str]:
    """Yield the names and texts in a file; of a module without its docstrings and comments."""
    if path.suffix != ".py":
        yield path.read_text("utf-8")
        return
    tree = ast.parse(path.read_text("utf-8"))
    # a text that is a statement of its own is read by people only: a docstring, also of an attribute
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value
        for field in ("id", "attr", "arg", "name", "module"):  # where Python's syntax keeps names
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name


def find_names(path: Path) -> list[str]:
    pattern = "|".join(map(re.escape, list_names()))
    found = re.compile(rf"(?<![a-z0-9])({pattern})(?![a-z0-9])", re.I)
    return [word for word in read_words(path) if found.search(EXCEPTIONS.sub("", word))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_built_in_plug_in_is_named(path):
    if path.suffix == ".toml":  # a study, or a source of published figures: data that are there to name them
        assert find_names(path)
    else:
        assert find_names(path) == []


@pytest.mark.parametrize(
    "line",
    [
        'x = "mig"',
        "x = {'dci_completeness': 1}",
        "sap = 0",
        "from dis_bench.models.vae import VAE",
        "x = f'{y} on dSprites'",
        "f(mig=1)",
        "x = 'the β-VAE score'",
    ],
)
def test_a_name_is_found(line, tmp_path):
    (tmp_path / "module.py").write_text(f'"""A module on mig."""\n{line}\n', encoding="utf-8")
    assert len(find_names(tmp_path / "module.py")) == (2 if "vae" in line else 1)
    (tmp_path / "module.py").write_text('"""On mig."""\nx = "migrate"  # sap\n', encoding="utf-8")
    assert find_names(tmp_path / "module.py") == []


def test_metrics_are_loaded_as_declared():
    assert all(isinstance(plugin.load(), Metric) for plugin in registry.plugins("metrics").values())
