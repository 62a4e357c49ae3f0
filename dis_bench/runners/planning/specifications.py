"""The plug-ins that a study names, and what loads each of them in another process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dis_bench import registry
from dis_bench.registry import Plugin


def find_all(kind: str, names: Sequence[Any]) -> dict[str, Plugin]:
    """Find plug-ins by name, class or function, and load them.

    Raises:
        InputError: there is no such plug-in, it cannot be loaded, or two have the same name.
    """
    found: dict[str, Plugin] = {}
    for name in names:
        plugin = registry.find(kind, name)
        same_name = found.setdefault(plugin.name, plugin)
        if same_name.target != plugin.target:
            raise registry.clash(kind, plugin.name, same_name, plugin)
    for plugin in found.values():
        plugin.load()
    return found


def specify(plugin: Plugin) -> str:
    """Return what loads this plug-in in a worker: its installed name, or its target."""
    if plugin.argument is not None:
        installed = registry.plugins(plugin.kind).items()
        scheme = next(name for name, one in installed if one.target == plugin.target)
        return f"{scheme}:{Path(plugin.argument).expanduser().absolute()}"
    return plugin.name if plugin.name in registry.plugins(plugin.kind) else plugin.target
