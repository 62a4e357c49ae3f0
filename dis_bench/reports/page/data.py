"""The data of the page's scripts: settings and cells, to which subjects add their own."""

from __future__ import annotations

from typing import Any

from dis_bench.reports.settings import Setting

# Columns of a setting's cells that scripts get by the same name.
_COLUMNS = ("hash", "status", "model_name", "series", "label", "dial", "level", "seed")


def describe_settings(settings: list[Setting]) -> list[dict[str, Any]]:
    """Describe each setting and its cells, by the names of their columns.

    Returns:
        For each setting ``slug``, ``title`` and ``cells``, which have the columns of
        :func:`dis_bench.reports.configurations.name_cells` and ``folder``, the name of the cell's folder.
    """
    return [
        {"slug": setting.slug, "title": setting.title, "cells": _describe_cells(setting)}
        for setting in settings
    ]


def _describe_cells(setting: Setting) -> list[dict[str, Any]]:
    columns = {name: setting.cells[name].tolist() for name in _COLUMNS}
    columns["folder"] = [str(folder).rpartition("/")[2] for folder in setting.cells["folder"]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
