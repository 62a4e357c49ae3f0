"""What a perfect code and noise score, for the results that it holds for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dis_bench.metrics.anchors import Anchor
from dis_bench.records.anchors import read_anchors


def gather_anchors(folder: str | Path, problems: list[str]) -> list[dict[str, Any]]:
    """Read the anchors under a result folder.

    Args:
        folder: of the results.
        problems: gets a sentence for each file that cannot be used.
    """
    anchors, unreadable = read_anchors(folder)
    problems += unreadable
    return anchors


def match_anchors(
    anchors: list[dict[str, Any]], cell: dict[str, Any], protocol: dict[str, dict[str, Any]]
) -> dict[str, Anchor]:
    """By score, the anchors that hold for some cells: same dataset, number of latents and protocol.

    Args:
        anchors: as :func:`gather_anchors` gives them.
        cell: what the cells share.
        protocol: of each metric, as the cells recorded it.

    Returns:
        Nothing for a metric whose anchors are missing, or of which two contradict each other (as those of a
        dataset whose grid has changed in between do).
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
