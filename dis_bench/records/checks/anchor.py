"""Check an anchor, and the name of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dis_bench.records.cell import hash_identity
from dis_bench.records.checks.scores import check_protocol, check_scores
from dis_bench.records.checks.values import (
    check_keys,
    check_names,
    check_table,
    check_text,
    check_whole,
    shown,
)
from dis_bench.records.checks.version import check_version
from dis_bench.records.schema import Damaged, KeptAnchor


def check_anchor(anchor: Any, key: str) -> None:
    """Check that an anchor follows the schema and matches its file's name.

    Args:
        anchor: the value that was read from JSON, with a valid digest.
        key: the file's name without its extension.

    Raises:
        Damaged: the first fault found.
    """
    check_version(anchor, "anchor")
    check_keys(anchor, KeptAnchor)
    if key_of_anchor(anchor) != key:
        raise Damaged("its file's name does not match its content")
    optional = ("fingerprint", "dataset_version", "dataset_parameters", "labels")
    for name in ("dataset", "metric", *(name for name in optional if name in anchor)):
        check_text(name, anchor[name])
    for name in ("rows", "latent_size"):
        check_whole(name, anchor[name], low=1)
    check_whole("seed", anchor["seed"])
    if not isinstance(anchor["grid"], list):
        raise Damaged(f"its grid is {shown(anchor['grid'])}, not a list")
    for size in anchor["grid"]:
        check_whole("grid", size, low=1)
    protocol = {anchor["metric"]: anchor["protocol"]}
    check_protocol(protocol)
    check_table("scores", anchor["scores"])
    for name, both in anchor["scores"].items():
        check_table(f"score {shown(name)}", both)
        check_names(f"score {shown(name)}", both, ("perfect", "chance"))
        if len(both) != 2:
            raise Damaged(f"its score {shown(name)} lacks perfect or chance")
        for value in both.values():
            check_scores({name: value}, protocol)


def key_of_anchor(anchor: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits that differ if the inputs of anchors do."""
    return hash_identity({name: anchor[name] for name in anchor if name not in ("scores", "digest")})
