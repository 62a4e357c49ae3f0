"""Search for a module, and for the installed package that owns it, without an import."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path

from dis_bench.neighbours import Found


def search_path(name: str) -> Found | None:
    """Find a top-level module as ``import`` does, without importing it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: already imported, but without a spec
        file = getattr(sys.modules.get(name), "__file__", None)
        return Found(Path(file)) if file else None
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    if file is None and not folders:  # built in, or frozen
        return Found(None, ())
    return Found(file, None if folders is None else tuple(map(Path, folders)))


@cache
def find_owner(folder: Path, name: str) -> tuple[str, str] | None:
    """Return name and version of the installed package that owns a folder's module."""
    likely = importlib.metadata.distributions(path=[str(folder)], name=name)
    every = importlib.metadata.distributions(path=[str(folder)])
    for distribution in (*likely, *every):
        if _installed(distribution, folder, name):
            return distribution.name, distribution.version
    return None


def _installed(distribution: importlib.metadata.Distribution, folder: Path, name: str) -> bool:
    """Return True if a package's installed files include the module.

    They do not if the package is an editable install.
    """
    record = distribution.read_text("RECORD")
    if record is not None:
        return re.search(rf'^"?{re.escape(name)}[/.]', record, re.MULTILINE) is not None
    # Packages from Linux distributions have no such list. A source tree is not an installation.
    top_level = (distribution.read_text("top_level.txt") or distribution.name).split()
    return folder.name in ("site-packages", "dist-packages") and name in top_level
