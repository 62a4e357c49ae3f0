"""The files in anchors/: scores of a perfect code and of noise, one file per metric.

They are computed on the images that the cells are scored on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dis_bench.records.checks.anchor import key_of_anchor
from dis_bench.records.durable import write_whole
from dis_bench.records.schema import SCHEMA
from dis_bench.records.seal import read_anchor, sign
from dis_bench.records.unreadable import is_readable, read_each

FOLDER = "anchors"


def find_path(root: Path, inputs: Mapping[str, Any]) -> Path:
    """Return the file of an anchor, which is named after the hash of its inputs.

    Args:
        root: the result folder.
        inputs: the keys of :class:`dis_bench.records.schema.KeptAnchor` except schema, scores and digest.
    """
    return root / FOLDER / f"{key_of_anchor({'schema': SCHEMA, **inputs})}.json"


def has_anchor(root: Path, inputs: Mapping[str, Any]) -> bool:
    """Return True if there is a valid anchor for these inputs."""
    return is_readable(read_anchor, find_path(root, inputs))


def write_anchor(root: Path, inputs: Mapping[str, Any], scores: Mapping[str, Mapping[str, float]]) -> None:
    """Write an anchor, replacing an invalid one.

    Args:
        root: the result folder.
        inputs: as for :func:`find_path`.
        scores: ``perfect`` and ``chance``, by column.
    """
    anchor = {"schema": SCHEMA, **inputs, "scores": scores}
    text = json.dumps(sign(anchor), indent=1, allow_nan=False) + "\n"
    write_whole(find_path(root, inputs), text.encode())


def read_anchors(root: str | Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the anchors of a result folder.

    Args:
        root: the ``--out`` folder of one or more runs.

    Returns:
        The anchors (:class:`dis_bench.records.schema.KeptAnchor`), and a sentence for each invalid file; both
        are empty if the folder has no anchors.
    """
    return read_each(
        Path(root) / FOLDER, read_anchor, "reports omit its scores of a perfect code and of noise"
    )
