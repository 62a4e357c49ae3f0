"""A small, made-up and sealed result folder with all kept files, for tests that damage it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dis_bench.records.cell import hash_identity
from dis_bench.records.checks.anchor import key_of_anchor
from dis_bench.records.codes import write_codes
from dis_bench.records.record import write_record
from dis_bench.records.schema import SCHEMA
from dis_bench.records.seal import canonical
from tests.reports.made_up import ENVIRONMENT, LATENTS, PROTOCOL, reseal, write_anchors, write_study

NAMES = [
    "folder",
    "seed",
    "status",
    "hash",
    "reconstruction",
    "label",
    "series",
    "kl_0",
    "beta_norm",
    "",
    "mig",
]
DECLARED = {
    "dataset": {"caveat": "Made up."},
    "model": {"note": "made up"},
    "metrics": {
        "mig": {
            "label": {"mig": "MIG"},
            "better": "higher",
            "range": [0.0, 1.0],
            "summary": "How much.",
            "short": {"mig": "M"},
            "leads": True,
            "caveat": "It is limited.",
            "perfect": {"mig": 0.5},
        }
    },
}
KEYS = [*NAMES, "$x$", "a.b:c", "results/evil.py:x", "new\nline", "\ud800", "mig_", "udr", "beta"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def make_store(root: Path) -> Path:
    """Write two betas of two seeds, each with codes, pictures, a log and weights, and an anchor."""
    write_study(root, betas=(1.0, 4.0), seeds=(0, 1))
    rng = np.random.default_rng(0)
    for folder in (root / "cells").iterdir():
        codes = rng.standard_normal((50, LATENTS)).astype(np.float32)
        factors = rng.integers(0, 4, (50, 2)).astype(np.int32)
        np.savez_compressed(folder / "codes.npz", codes=codes, log_variances=codes - 3, factors=factors)
        (folder / "weights.safetensors").write_bytes(b"weights")
        reseal(folder, declared=DECLARED)
    write_anchors(root, {"mig": (0.8, 0.1)})
    return root


def make_encoder(**changes: Any) -> dict[str, Any]:
    """Make a minimal record of an encoder that was trained elsewhere."""
    cell = {
        "kind": "encoder",
        "dataset": "dsprites",
        "source": "external",
        "fingerprint": "abc",
        "dataset_version": "1",
        "model": "mine.py:encode",
        "model_version": "1",
        "hyperparameters": {},
        "latent_size": LATENTS,
        "seed": 0,
        "recipe": 3,
        **changes,
    }
    return {
        "schema": SCHEMA,
        "status": "done",
        "hash": hash_identity(cell),
        "cell": cell,
        "folder": "results/cells/encoder",
        "beta_norm": None,
        "evaluation": {},
        "scores": {"mig": 0.1, "sap": 0.05},
        "protocol": {"mig": PROTOCOL["mig"], "sap": PROTOCOL["sap"]},
        "unscored": {},
        "timing": {"score_seconds": 1.0},
        "failure": None,
        "environment": ENVIRONMENT,
        "command": "dis-bench score",
        "created": "2026-11-20T09:30:00+00:00",
    }


def put_encoder(root: Path, codes: np.ndarray | None = None, **changes: Any) -> Path:
    """Write the record of an encoder, and its codes if they are given; return its folder."""
    if codes is not None:
        changes["codes"] = hashlib.sha256(codes.tobytes()).hexdigest()
    record = make_encoder(**changes)
    folder = root / "cells" / f"encode-{record['hash']}"
    folder.mkdir(parents=True)
    if codes is not None:
        write_codes(folder, codes, np.zeros((len(codes), 2), int))
    write_record(folder, {name: value for name, value in record.items() if name != "folder"})
    return folder


def first_cell(root: Path) -> Path:
    """Return the folder of a finished cell."""
    return min((root / "cells").iterdir())


def first_anchor(root: Path) -> Path:
    """Return the file of an anchor."""
    return min((root / "anchors").iterdir())


def put_record(root: Path, record: Any) -> None:
    """Replace the first cell's record by any JSON; seal a table, and rename its folder."""
    folder = first_cell(root)
    if isinstance(record, dict):
        record = _signed(record)
        if isinstance(record.get("cell"), dict):
            record = _signed({**record, "hash": hash_identity(record["cell"])})
            shutil.move(folder, folder.with_name(f"cell-{record['hash']}"))
            folder = folder.with_name(f"cell-{record['hash']}")
    (folder / "record.json").write_text(json.dumps(record), "utf-8")


def put_anchor(root: Path, anchor: Any) -> None:
    """Replace the anchor by any JSON; seal a table, and rename its file."""
    path = first_anchor(root)
    path.unlink()
    if isinstance(anchor, dict):
        anchor = _signed(anchor)
        path = path.with_name(f"{key_of_anchor(anchor)}.json")
    path.write_text(json.dumps(anchor), "utf-8")


def _signed(value: dict[str, Any]) -> dict[str, Any]:
    unsigned = {name: each for name, each in value.items() if name != "digest"}
    try:
        return {**unsigned, "digest": hashlib.sha256(canonical(unsigned)).hexdigest()}
    except ValueError:  # for values that cannot be sealed, such as NaN
        return value


def replace_at(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy of JSON with another value at a path of keys; a function maps the old value."""
    if not path:
        return new(value) if callable(new) else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replace_at(copy.get(path[0]) if isinstance(copy, dict) else copy[path[0]], path[1:], new)
    return copy


def paths_in(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List the paths of all values in JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, each in inner for path in paths_in(each, (*at, key)))]


@st.composite
def changes(draw, document):
    """Draw a path in JSON, existing or new, and a new value for it."""
    at = draw(st.sampled_from(paths_in(document)))
    if draw(st.booleans()):
        at = (*at[:-1], draw(st.sampled_from(KEYS))) if at and isinstance(at[-1], str) else at
    return at, draw(JSON | st.sampled_from([0.5, 1, "x", "linear", "1.5", {"v": 1}, 1e300, -1, 2**70]))
