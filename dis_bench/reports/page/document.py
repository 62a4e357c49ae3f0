"""The document of the page: a template with style, data and scripts under a policy."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dis_bench.escape import for_html, visible

if TYPE_CHECKING:
    from jinja2 import Template

_ROOM = Path(__file__).parent

STYLES = ("page.css", "compare.css")

# The scripts of the page, one per subject, in the order in which they run.
SCRIPTS = (
    "page.js",
    "network.js",
    "models.js",
    "instep.js",
    "play.js",
    "knowledge.js",
    "writing.js",
    "comparing.js",
    "marks.js",
    "axes.js",
    "filter.js",
    "table.js",
    "points.js",
    "tip.js",
    "plane.js",
)

# Those of a page that only plays.
PLAY_SCRIPTS = SCRIPTS[: SCRIPTS.index("knowledge.js") + 1]


def fill(template: str, data: Mapping[str, Any], scripts: Sequence[str] = SCRIPTS, **values: Any) -> str:
    """Fill a template of this room.

    The template receives ``style``, ``data``, ``scripts`` and ``policy`` in addition to the values. The
    policy allows a browser to use that style, those scripts and pictures in data URIs, and nothing else.

    Args:
        template: name of the template's file.
        data: the data of the scripts, see :func:`write_json`.
        scripts: names of the scripts' files.
        values: the template's variables.
    """
    from markupsafe import Markup

    style = "\n".join(map(_read, STYLES))
    texts = [_read(name) for name in scripts]
    digests = " ".join(map(_digest, texts))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {digests}; "
        "base-uri 'none'; form-action 'none'"
    )
    return _load(template).render(
        style=Markup(style),
        data=Markup(write_json(data)),
        scripts=[Markup(text) for text in texts],
        policy=policy,
        **values,
    )


def write_json(value: Any) -> str:
    """Write data as JSON for a ``script`` element, which no text in it can close.

    Numbers that are not finite become null, and invisible characters are written as escapes, as everywhere on
    the page.
    """
    text = json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)  # in ASCII
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _read(name: str) -> str:
    return (_ROOM / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _load(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_ROOM),
        autoescape=True,
        finalize=for_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
