"""Flags override a study file's betas for the models that they concern, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dis_bench.runners.planning.grid import find_dials
from dis_bench.runners.planning.plugins import check_models
from dis_bench.runners.planning.specifications import find_all
from dis_bench.runners.quickstart import DEFAULTS


def override_betas(
    values: dict[str, Any], flags: Mapping[str, Any], typed: Mapping[str, Any]
) -> dict[str, Any]:
    """Leave out a study file's betas as far as flags override them.

    Args:
        values: options of the study file, with its settings.
        flags: options that were typed; ``betas`` overrides those of each model whose dial is beta.
        typed: settings that were typed; one of a model's beta overrides the betas of this model alone.

    Returns:
        The options, which still name betas twice if the file does.

    Raises:
        InputError: a model that cannot be used.
    """
    settings, betas = values["settings"], values.get("betas")
    models = flags.get("models", values.get("models", DEFAULTS["models"]))
    may_split = "betas" not in flags and isinstance(betas, list) and betas
    concerned = settings if "betas" in flags else typed if may_split else ()
    if not any(key.endswith(".beta") for key in concerned) or not isinstance(models, (list, tuple)):
        return values
    found = find_all("models", models)
    check_models(found)
    keys = {f"{name}.beta" for name, dial in find_dials(found).items() if dial == "beta"}
    if "betas" in flags:
        return {**values, "settings": {key: value for key, value in settings.items() if key not in keys}}
    if not typed.keys() & keys or settings.keys() & keys:  # a study refuses betas that a file gives twice
        return values
    others = {name: value for name, value in values.items() if name != "betas"}
    return {**others, "settings": {**settings, **dict.fromkeys(keys, betas)}}
