"""Anchors of results: the scores of a perfect code and of noise on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dis_bench.metrics.anchors import Anchor
from dis_bench.records.anchors import read_anchors


def gather_anchors(folder: str | Path, problems: list[str]) -> list[dict[str, Any]]:
    """Read the anchors under a result folder.

    Args:
        folder: the result folder.
        problems: list that a sentence for each unusable file is appended to.
    """
    anchors, unreadable = read_anchors(folder)
    problems += unreadable
    return anchors


def match_anchors(
    anchors: list[dict[str, Any]], cell: dict[str, Any], protocol: dict[str, dict[str, Any]]
) -> dict[str, Anchor]:
    """Match anchors to cells by dataset, number of latents and protocol.

    Args:
        anchors: anchors from :func:`gather_anchors`.
        cell: identity keys that the cells share.
        protocol: protocol of each metric, as the cells recorded it.

    Returns:
        Anchors by score. A metric is left out if its anchors are missing or contradict each other, as happens
        after the grid of a dataset has changed.
    """
    found: dict[str, Anchor] = {}
    for metric, used in protocol.items():
        wanted = (cell["dataset"], cell["latent_size"], metric, used)
        matches = [
            {score: Anchor(both["perfect"], both["chance"]) for score, both in anchor["scores"].items()}
            for anchor in anchors
            if tuple(anchor[name] for name in _DECISIVE) == wanted
        ]
        if matches and all(match == matches[0] for match in matches):
            found |= matches[0]
    return found


_DECISIVE = ("dataset", "latent_size", "metric", "protocol")
