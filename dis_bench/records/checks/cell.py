"""Check the identity of a cell."""

from __future__ import annotations

from typing import Any, NotRequired

from dis_bench.records.cell import OPTIONAL
from dis_bench.records.checks.scores import check_column
from dis_bench.records.checks.values import (
    LARGEST,
    WHOLE,
    check_keys,
    check_lacking,
    check_names,
    check_number,
    check_plain,
    check_table,
    check_text,
    check_texts,
    check_whole,
    shown,
)
from dis_bench.records.schema import ENCODER, CellIdentity, Damaged

MOST_LATENTS = 100_000

# Keys that a cell that was trained here may lack.
_OPTIONAL = {"kind", "codes", *OPTIONAL}
_TEXTS = {name for name, kind in CellIdentity.__annotations__.items() if kind in (str, NotRequired[str])}


def check_cell(cell: Any) -> None:
    """Check that a table can show the identity of a cell.

    Raises:
        Damaged: the first fault found.
    """
    check_keys(cell, CellIdentity, "cell")
    if "kind" not in cell:
        check_lacking(cell, CellIdentity.__optional_keys__ - _OPTIONAL, "cell")
    elif cell["kind"] != ENCODER:
        raise Damaged(f"its kind is {shown(cell['kind'])}, which this version does not know")
    for name in _TEXTS & cell.keys():
        check_text(name, cell[name])
    for name in {"steps", "batch_size"} & cell.keys():
        check_whole(name, cell[name])
    # Cells whose codes are pixels have no number of latents; an encoder trained elsewhere always has.
    check_whole("latent_size", cell["latent_size"], low=1 if "kind" in cell else 0)
    for name in ("seed", "recipe"):
        check_whole(name, cell[name])
    if cell["latent_size"] > MOST_LATENTS:
        raise Damaged(f"its latent_size is {cell['latent_size']}, more than {MOST_LATENTS:,}")
    if "lr" in cell:
        check_number("lr", cell["lr"], low=0)
    if "holdout" in cell:
        _check_holdout(cell["holdout"])
    if not isinstance(cell.get("score_at", []), list):
        raise Damaged(f"its score_at is {shown(cell['score_at'])}, no list")
    for step in cell.get("score_at", []):
        check_whole("score_at", step, low=1)
    check_table("hyperparameters", cell["hyperparameters"])
    for name, value in cell["hyperparameters"].items():
        check_column("hyperparameter", name)
        if not isinstance(value, (bool, str)):
            check_number(f"hyperparameter {name}", value, low=-WHOLE if isinstance(value, int) else -LARGEST)
    if "clip_norm" in cell:
        check_number("clip_norm", cell["clip_norm"], low=0)
    if "early_stop" in cell:
        check_whole("early_stop", cell["early_stop"], low=1)
    check_texts("schedules", cell.get("schedules", {}))
    check_names("schedules", cell.get("schedules", {}), cell["hyperparameters"])
    check_plain("cell", cell)


def _check_holdout(share: Any) -> None:
    if not (isinstance(share, float) and 0 < share < 1):
        raise Damaged(f"its holdout is {shown(share)}, not a number between 0 and 1")
