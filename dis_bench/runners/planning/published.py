"""The published grids of models, as settings of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dis_bench import registry
from dis_bench.runners.planning.grid import find_dial
from dis_bench.runners.planning.plugins import check_models

GRIDS = ("defaults", "published")


def add_published_grids(
    settings: Mapping[str, Any], models: Sequence[str], betas: Sequence[float] = ()
) -> dict[str, Any]:
    """Return settings with the published values of each hyperparameter that has none.

    Args:
        settings: of the study, by ``model.name``; they take precedence.
        models: names, ``module:Class`` or ``path/file.py:Class``.
        betas: of the study; where there are any, the models whose dial is ``beta`` have these.

    Raises:
        InputError: a model that cannot be used.
    """
    plugins = {plugin.name: plugin for plugin in (registry.find("models", name) for name in models)}
    check_models(plugins)
    grids: dict[str, Any] = {}
    for name, plugin in plugins.items():
        model = plugin.load()
        dial = find_dial(model)
        for h in model.hyperparameters:
            if h.grid and not (betas and h.name == dial == "beta"):
                grids[f"{name}.{h.name}"] = list(h.grid)
    return {**grids, **settings}
