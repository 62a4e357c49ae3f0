"""Read the API for its pages: an extension of griffe, which mkdocstrings reads it with.

Docstrings are written for readers of the source, with Sphinx's roles and with examples in between: here they
become Markdown. The defaults of a study are those of quickstart.toml, and are shown as such.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`~?([\w.]+)`")
EXAMPLE = re.compile(r"^( *)>>> .*\n(?:\1\S.*\n?)*", flags=re.M)


ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"^Class attributes:\n((?: {4}.*\n?)+)", flags=re.M)
ENTRY = re.compile(r"^ {4}(\w+): ", flags=re.M)
DEFAULT = re.compile(r"DEFAULTS(?:\[|\.get\()['\"](\w+)['\"]")
QUICKSTART = ROOT / "dis_bench" / "runners" / "studies" / "quickstart.toml"


class Docstrings(griffe.Extension):
    """The extension: roles become code, examples become blocks of it, and defaults become values."""

    def __init__(self) -> None:
        super().__init__()
        self.defaults = tomllib.loads(QUICKSTART.read_text(encoding="utf-8"))

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Replace a default that is looked up with its value."""
        if attr.value is not None and (found := DEFAULT.search(str(attr.value))):
            attr.value = repr(self.defaults.get(found[1]))

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = rewrite(obj.docstring.value)


def rewrite(text: str) -> str:
    """Return a docstring with Markdown's markup."""
    text = SECTION.sub(_list, EXAMPLE.sub(_fence, text))
    return ROLE.sub(r"`\1`", text)


def _list(section: re.Match[str]) -> str:
    """Return a section that only we have as a list."""
    return "**Class attributes:**\n\n" + ENTRY.sub("- **`\\1`** \N{EN DASH} ", section[1])


def _fence(example: re.Match[str]) -> str:
    indent = example[1]
    end = "" if example[0].endswith("\n") else "\n"
    return f"{indent}```pycon\n{example[0]}{end}{indent}```\n"
