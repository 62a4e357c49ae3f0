"""Anchors of results: the scores of a perfect code and of noise on the same images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dis_bench.metrics.anchors import Anchor
from dis_bench.records.anchors import read_anchors
from dis_bench.records.schema import Record


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
    anchors: list[dict[str, Any]],
    cell: dict[str, Any],
    protocol: dict[str, dict[str, Any]],
    factors: int | None = None,
) -> dict[str, Anchor]:
    """Match anchors to cells by dataset, number of latents and protocol.

    Args:
        anchors: anchors from :func:`gather_anchors`.
        cell: identity keys that the cells share.
        protocol: protocol of each metric, as the cells recorded it.
        factors: from :func:`count_factors`.

    Returns:
        Anchors by score. A metric is left out if its anchors are missing or contradict each other, see
        :func:`find_contradicted`.
    """
    found: dict[str, Anchor] = {}
    for matches in _find_matches(anchors, cell, protocol, factors).values():
        if all(match == matches[0] for match in matches):
            found |= matches[0]
    return found


def find_contradicted(
    anchors: list[dict[str, Any]],
    cell: dict[str, Any],
    protocol: dict[str, dict[str, Any]],
    factors: int | None = None,
) -> list[str]:
    """List the metrics whose anchors contradict each other.

    This happens if the factors of a dataset changed before anchors had a fingerprint. Arguments are those of
    :func:`match_anchors`.
    """
    matches = _find_matches(anchors, cell, protocol, factors)
    return [metric for metric, some in matches.items() if any(one != some[0] for one in some)]


def count_factors(records: Iterable[Record]) -> int | None:
    """Return how many factors cells were scored on; None if that is unknown."""
    for record in records:
        parts = record.get("per_factor", {})
        rows = [
            *parts.get("scores", {}).values(),
            *(row for codes in parts.get("importances", {}).values() for row in codes[:1]),
        ]
        if rows:
            return len(rows[0])
    return None


def _find_matches(
    anchors: list[dict[str, Any]],
    cell: dict[str, Any],
    protocol: dict[str, dict[str, Any]],
    factors: int | None,
) -> dict[str, list[dict[str, Anchor]]]:
    """Return the anchors of each metric that has some, by score.

    Those of the cells' own fingerprint take precedence over earlier ones, which have none.
    """
    found = {}
    for metric, used in protocol.items():
        wanted = (cell["dataset"], cell["latent_size"], metric, used)
        fitting = [
            anchor
            for anchor in anchors
            if tuple(anchor[name] for name in _DECISIVE) == wanted and _fits(anchor, cell, factors)
        ]
        certain = [anchor for anchor in fitting if anchor.get("fingerprint") and cell.get("fingerprint")]
        if fitting:
            found[metric] = [
                {score: Anchor(both["perfect"], both["chance"]) for score, both in anchor["scores"].items()}
                for anchor in certain or fitting
            ]
    return found


_DECISIVE = ("dataset", "latent_size", "metric", "protocol")
_OF_DATASET = ("fingerprint", "dataset_version", "dataset_parameters")  # its factors depend on these, too


def _fits(anchor: dict[str, Any], cell: dict[str, Any], factors: int | None) -> bool:
    """Return whether an anchor may be of the factors of cells, as far as both know."""
    if "fingerprint" in anchor:
        known = {"dataset_parameters": "none", **cell}
        return all(anchor[name] == known[name] for name in _OF_DATASET if name in anchor and name in known)
    if factors is None or "labels" in anchor:  # a rare label may be the same in all scored images
        return True
    return sum(size > 1 for size in anchor["grid"]) == factors
