"""Check records and anchors that were read from a result folder, before they are used.

A record or an anchor that passes follows :mod:`.schema`, and can be tabulated and drawn without further
checks.
"""

from __future__ import annotations

import functools
import json
import re
import reprlib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NotRequired

from dis_bench import registry
from dis_bench.errors import LONGEST_LINE, InputError
from dis_bench.records.cell import hash_identity
from dis_bench.records.columns import find_metric, is_taken, split_images
from dis_bench.records.schema import (
    ENCODER,
    SCHEMA,
    Adapted,
    CellIdentity,
    Damaged,
    Declared,
    DeclaredMetric,
    Evaluation,
    Failure,
    Images,
    KeptAnchor,
    KeptPlan,
    KeptRecord,
    Outdated,
    PerFactor,
    PlannedCell,
    Rescored,
    ScoresAt,
    Timing,
)

LARGEST = 1e150  # limit of any number: no measurement comes near it, and squares stay finite
WHOLE = 2**53  # the largest whole number that every reader of JSON and every table keeps exactly
ROUNDING = 1e-6  # tolerance by which a score may exceed its metric's range
MOST_LATENTS = 100_000
DEPTH = 8  # limit of nesting; the environment of a stack has three levels


def canonical(value: Any) -> bytes:
    """Return the canonical JSON text of a value, as UTF-8.

    Raises:
        ValueError: a number is not finite, or a text holds a lone surrogate.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def check_version(value: Any, kind: str) -> None:
    """Check that a value is a table that follows this version's schema.

    Args:
        value: the value that was read from JSON.
        kind: ``record`` or ``anchor``.

    Raises:
        Damaged: it follows another version of the schema, or none.
    """
    schema = value.get("schema") if isinstance(value, dict) else None
    if type(schema) is not int:
        raise Damaged(f"it does not hold a valid {kind}")
    if schema < SCHEMA:
        raise Outdated(
            f"an earlier version of dis-bench wrote schema {schema}, and this one reads schema {SCHEMA}: run "
            "the same command again, or read it with dis-bench 0.1"
        )
    if schema > SCHEMA:
        raise Damaged(
            f"a later version of dis-bench wrote schema {schema}, and this one reads schema {SCHEMA}"
        )


def check_record(record: Any, folder: str) -> None:
    """Check that a record follows the schema and belongs to its folder's cell.

    Args:
        record: the value that was read from JSON, with a valid digest.
        folder: the name of the cell's folder.

    Raises:
        Damaged: the first fault found.
    """
    check_version(record, "record")
    _check_keys(record, KeptRecord)
    check_cell(record["cell"])
    if not record["hash"] == hash_identity(record["cell"]):
        raise Damaged(f"its hash {_shown(record['hash'])} is not that of its cell")
    if not folder.endswith(f"-{record['hash']}"):
        raise Damaged(f"it belongs to the cell {record['hash']}, but its folder's name does not end in that")
    _check_outcome(record)
    if record["beta_norm"] is not None:
        _check_number("beta_norm", record["beta_norm"])
    if record.get("dial") is not None:
        _check_text("dial", record["dial"])
    _check_evaluation(record)
    _check_scored(record, record["cell"])
    _check_per_factor(record)
    _check_scores_at(record)
    _check_adapted(record)
    _check_declared(record.get("declared", {}))
    _check_readout(record.get("readout", {}))
    _check_table("left_out", record.get("left_out", {}))
    for metric, count in record.get("left_out", {}).items():
        _check_whole(f"left_out of {_shown(metric)}", count)
    _check_table("sources", record.get("sources", {}))
    for kind, sources in record.get("sources", {}).items():
        _check_texts(f"sources of {_shown(kind)}", sources)
    if "images" in record:
        _check_images(record["images"])
    if "keep" in record:
        _check_names("keep", _check_list("keep", record["keep"]), _KEPT)
    _check_table("timing", record["timing"])
    _check_names("timing", record["timing"], Timing.__optional_keys__)
    for name, seconds in record["timing"].items():
        _check_number(name, seconds, low=0)
    _check_origin(record)
    if "rescored" in record:
        _check_keys(record["rescored"], Rescored, "rescored")
        _check_origin(record["rescored"])
    _check_texts("files", record["files"])


def check_anchor(anchor: Any, key: str) -> None:
    """Check that an anchor follows the schema and matches its file's name.

    Args:
        anchor: the value that was read from JSON, with a valid digest.
        key: the file's name without its extension.

    Raises:
        Damaged: the first fault found.
    """
    check_version(anchor, "anchor")
    _check_keys(anchor, KeptAnchor)
    if key_of_anchor(anchor) != key:
        raise Damaged("its file's name does not match its content")
    for name in ("dataset", "metric", *({"labels"} & anchor.keys())):
        _check_text(name, anchor[name])
    for name in ("rows", "latent_size"):
        _check_whole(name, anchor[name], low=1)
    _check_whole("seed", anchor["seed"])
    if not isinstance(anchor["grid"], list):
        raise Damaged(f"its grid is {_shown(anchor['grid'])}, not a list")
    for size in anchor["grid"]:
        _check_whole("grid", size, low=1)
    protocol = {anchor["metric"]: anchor["protocol"]}
    check_protocol(protocol)
    _check_table("scores", anchor["scores"])
    for name, both in anchor["scores"].items():
        _check_table(f"score {_shown(name)}", both)
        _check_names(f"score {_shown(name)}", both, ("perfect", "chance"))
        if len(both) != 2:
            raise Damaged(f"its score {_shown(name)} lacks perfect or chance")
        for value in both.values():
            check_scores({name: value}, protocol)


def key_of_anchor(anchor: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits that differ if the inputs of anchors do."""
    return hash_identity({name: anchor[name] for name in anchor if name not in ("scores", "digest")})


def check_plan(plan: dict[str, Any]) -> None:
    """Check the content of a plan.

    Raises:
        Damaged: the first fault found.
    """
    _check_keys(plan, KeptPlan)
    _check_command(plan)
    if not isinstance(plan["cells"], list):
        raise Damaged(f"its cells are {_shown(plan['cells'])}, not a list")
    for cell in plan["cells"]:
        _check_keys(cell, PlannedCell, "cell")
        for name in ("folder", "dataset", "model"):
            _check_text(name, cell[name])
        _check_whole("steps", cell["steps"])


def check_cell(cell: Any) -> None:
    """Check that a table can show the identity of a cell.

    Raises:
        Damaged: the first fault found.
    """
    _check_keys(cell, CellIdentity, "cell")
    if "kind" not in cell:
        _check_lacking(cell, CellIdentity.__optional_keys__ - _OPTIONAL, "cell")
    elif cell["kind"] != ENCODER:
        raise Damaged(f"its kind is {_shown(cell['kind'])}, which this version does not know")
    for name in _TEXTS & cell.keys():
        _check_text(name, cell[name])
    for name in {"steps", "batch_size"} & cell.keys():
        _check_whole(name, cell[name])
    # Cells whose codes are pixels have no number of latents; an encoder trained elsewhere always has.
    _check_whole("latent_size", cell["latent_size"], low=1 if "kind" in cell else 0)
    for name in ("seed", "recipe"):
        _check_whole(name, cell[name])
    if cell["latent_size"] > MOST_LATENTS:
        raise Damaged(f"its latent_size is {cell['latent_size']}, more than {MOST_LATENTS:,}")
    if "lr" in cell:
        _check_number("lr", cell["lr"], low=0)
    _check_holdout(cell.get("holdout", 0.5))
    if not isinstance(cell.get("score_at", []), list):
        raise Damaged(f"its score_at is {_shown(cell['score_at'])}, no list")
    for step in cell.get("score_at", []):
        _check_whole("score_at", step, low=1)
    _check_table("hyperparameters", cell["hyperparameters"])
    for name, value in cell["hyperparameters"].items():
        check_column("hyperparameter", name)
        if not isinstance(value, (bool, str)):
            _check_number(f"hyperparameter {name}", value, low=-WHOLE if isinstance(value, int) else -LARGEST)
    if "clip_norm" in cell:
        _check_number("clip_norm", cell["clip_norm"], low=0)
    if "early_stop" in cell:
        _check_whole("early_stop", cell["early_stop"], low=1)
    _check_texts("schedules", cell.get("schedules", {}))
    _check_names("schedules", cell.get("schedules", {}), cell["hyperparameters"])
    _check_plain("cell", cell)


# Keys that a cell that was trained here may lack.
_OPTIONAL = {
    "kind",
    "codes",
    "network_version",
    "holdout",
    "score_at",
    "schedules",
    "clip_norm",
    "lr_schedule",
    "early_stop",
    "dataset_parameters",
    "holdout_rule",
    "correlate",
}
_TEXTS = {name for name, kind in CellIdentity.__annotations__.items() if kind in (str, NotRequired[str])}


def _check_holdout(share: Any) -> None:
    if not (isinstance(share, float) and 0 < share < 1):
        raise Damaged(f"its holdout is {_shown(share)}, not a number between 0 and 1")


def check_protocol(protocol: Any) -> None:
    """Check that a table can show the protocols of metrics.

    Raises:
        Damaged: the first fault found.
    """
    _check_table("protocol", protocol)
    for metric, parameters in protocol.items():
        check_column("metric", metric)
        _check_table(f"protocol of {metric}", parameters)
        if not isinstance(parameters.get("version", 1), (int, str)):
            raise Damaged(f"its version of {metric} is {_shown(parameters['version'])}, not a number or text")
        _check_plain(f"protocol of {metric}", parameters)


def check_scores(scores: Any, protocol: Mapping[str, Mapping[str, Any]], taken: Collection[str] = ()) -> None:
    """Check that scores have names of columns and are within their metric's range.

    The range is known for installed metrics only: a name in data is never imported.

    Args:
        scores: scores by column.
        protocol: protocol of each metric that gave one.
        taken: names of other columns, such as the cell's hyperparameters.

    Raises:
        Damaged: the first fault found.
    """
    _check_table("scores", scores)
    for name, value in scores.items():
        check_column("score", name, taken)
        metric = find_metric(name, protocol)
        if metric is None:
            raise Damaged(f"score '{name}' belongs to no metric in the protocol")
        _check_number(f"score '{name}'", value)
        low, high = _declared_range(metric, protocol[metric].get("version"))
        if not low - ROUNDING <= value <= high + ROUNDING:
            raise Damaged(f"score '{name}' is {value!r}, outside the range {low:g} to {high:g} of {metric}")


def check_column(kind: str, name: Any, taken: Collection[str] = ()) -> None:
    """Check that a name can be a column of a table, and hides no other one.

    Args:
        kind: ``score``, ``metric`` or ``hyperparameter``, for the message.
        name: the name to check.
        taken: names of other columns, in addition to those that every table has.

    Raises:
        Damaged: it is empty, too long, a path, unprintable, or taken.
    """
    if not isinstance(name, str) or not _is_plain_name(name):
        raise Damaged(f"{kind} {_shown(name)} has a name that can head no column")
    if name in taken or is_taken(name):
        raise Damaged(f"{kind} '{name}' has the name of another column")


@functools.lru_cache(maxsize=10_000)
def _is_plain_name(name: str) -> bool:
    return 0 < len(name) <= 200 and name.isprintable() and not re.search(r"[:/\\]", name)


@functools.cache
def _installed_metrics() -> dict[str, registry.Plugin]:
    """Return the installed metrics; reading the packages' metadata takes milliseconds."""
    try:
        return registry.plugins("metrics")
    except InputError:  # two packages claim one name, which is irrelevant to a record
        return {}


@functools.lru_cache(maxsize=1000)
def _declared_range(metric: str, version: Any) -> tuple[float, float]:
    """Return the range that the installed metric of this name and version declares."""
    from dis_bench.metrics.metric import Metric

    plugin = _installed_metrics().get(metric)
    try:
        loaded = plugin.load() if plugin else None
    except InputError:
        loaded = None
    if isinstance(loaded, Metric) and loaded.version == version:
        low, high = map(float, loaded.range)
        return low, high
    return -LARGEST, LARGEST


# The words of ``--keep``, which :mod:`.parts` explains.
_KEPT = ("weights", "codes", "pictures")


def _check_images(images: Any) -> None:
    _check_keys(images, Images, "images")
    shape = _check_list("shape", images["shape"])
    if len(shape) != 3:
        raise Damaged(f"its shape is {_shown(shape)}, not channels, height and width")
    for size in shape:
        _check_whole("shape", size, low=1)
    _check_number("pixel_max", images["pixel_max"], low=0)


def _check_list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Damaged(f"its {what} is {_shown(value)}, not a list")
    return value


def _check_outcome(record: dict[str, Any]) -> None:
    status, failure = record["status"], record["failure"]
    if status not in ("done", "failed"):
        raise Damaged(f"its status is {_shown(status)}")
    if failure is not None:
        _check_table("failure", failure)
        _check_names("failure", failure, Failure.__annotations__)
        _check_text("failure's reason", failure.get("reason"))
        _check_text("failure's traceback", failure.get("traceback", "none"))
    if (failure is None) != (status == "done"):
        raise Damaged(f"its status is {status}, but its failure is {_shown(failure)}")


def _check_evaluation(record: dict[str, Any]) -> None:
    evaluation = record["evaluation"]
    _check_table("evaluation", evaluation)
    _check_names("evaluation", {split_images(name)[0] for name in evaluation}, Evaluation.__annotations__)
    if record["status"] == "done" and "kind" not in record["cell"]:
        _check_lacking(evaluation, {"active_latents"}, "evaluation")
    for name, value in evaluation.items():
        if name != "kl_per_latent":
            _check_number(name, value)
        elif not isinstance(value, list) or len(value) != record["cell"]["latent_size"]:
            raise Damaged("its kl_per_latent is not a list of one number per latent")
        else:
            for nats in value:
                _check_number(name, nats)


def _check_declared(declared: Any) -> None:
    _check_table("declared", declared)
    _check_plain("declared", declared)
    for name in Declared.__annotations__:
        _check_table(f"declared {name}", declared.get(name, {}))
    _check_line("caveat", declared.get("dataset", {}).get("caveat", ""))
    for name in _check_list("declared factors", declared.get("dataset", {}).get("factors", [])):
        _check_line("name of a factor", name)
    _check_line("note", declared.get("model", {}).get("note", ""))
    if not isinstance(declared.get("model", {}).get("baseline", False), bool):
        raise Damaged("its declared baseline is neither true nor false")
    for metric, said in declared.get("metrics", {}).items():
        _check_keys(said, DeclaredMetric, f"declared {_shown(metric)}")
        for name in ("label", "short", "perfect"):
            _check_table(name, said.get(name, {}))
        for text in [*said["label"].values(), *said.get("short", {}).values()]:
            _check_line("label", text)
        for value in said.get("perfect", {}).values():
            _check_number("perfect", value)
        for name in ("summary", "caveat"):
            _check_line(name, said.get(name, ""))
        if said["better"] not in ("higher", "lower", "") or not isinstance(said.get("leads", True), bool):
            raise Damaged(f"its {_shown(metric)} has an invalid direction or an invalid lead")
        _check_ends(said["range"])


def _check_ends(ends: Any) -> None:
    if ends is None:
        return
    if not isinstance(ends, list) or len(ends) != 2:
        raise Damaged(f"its range is {_shown(ends)}, not a list of two ends")
    for end in ends:
        if end is not None:
            _check_number("range", end)
    if None not in ends and not ends[0] < ends[1]:
        raise Damaged(f"its range is {_shown(ends)}, whose lower end does not come first")


def _check_line(what: str, text: Any) -> None:
    if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_LINE:
        raise Damaged(f"its {what} is {_shown(text)}, not a line of text")


def _check_scored(scored: dict[str, Any], cell: dict[str, Any]) -> None:
    """Check that a table can show scores, protocols and reasons for missing scores."""
    check_protocol(scored["protocol"])
    check_scores(scored["scores"], scored["protocol"], cell["hyperparameters"])
    _check_texts("unscored", scored["unscored"])
    if not isinstance(scored.get("small", []), list):
        raise Damaged(f"its small is {_shown(scored['small'])}, not a list")
    for name in scored.get("small", []):
        _check_text("small", name)


def _check_per_factor(record: dict[str, Any]) -> None:
    """Check that all parts of scores are about the same factors."""
    kept = record.get("per_factor", {})
    _check_table("per_factor", kept)
    _check_names("per_factor", kept, PerFactor.__annotations__)
    for name, parts in kept.items():
        _check_table(f"per_factor {name}", parts)
        _check_plain(f"per_factor {name}", parts)
    _check_names("per_factor scores", kept.get("scores", {}), record["scores"])
    _check_names("per_factor importances", kept.get("importances", {}), record["protocol"])
    rows = list(kept.get("scores", {}).values())
    for metric, codes in kept.get("importances", {}).items():
        if not isinstance(codes, list) or len(codes) != record["cell"]["latent_size"]:
            raise Damaged(f"its importances of {_shown(metric)} are not a list of one row per latent")
        rows += codes
    if any(not isinstance(row, list) or len(row) != len(rows[0]) or not row for row in rows):
        raise Damaged("its per_factor holds lists of different lengths")
    for row in rows:
        for value in row:
            _check_number("per_factor", value)


def _check_readout(readout: Any) -> None:
    _check_table("readout", readout)
    for factor, accuracies in readout.items():
        _check_line("name of a factor", factor)
        if len(_check_list(f"readout of {_shown(factor)}", accuracies)) != 2:
            raise Damaged(f"its readout of {_shown(factor)} is not a list of two accuracies")
        for accuracy in accuracies:
            _check_number("readout", accuracy, low=0)


def _check_scores_at(record: dict[str, Any]) -> None:
    scores_at, cell = record.get("scores_at", {}), record["cell"]
    _check_table("scores_at", scores_at)
    _check_names("scores_at", scores_at, [str(step) for step in cell.get("score_at", [])])
    for step, scored in scores_at.items():
        _check_keys(scored, ScoresAt, f"scores at step {step}")
        _check_scored(scored, cell)


def _check_adapted(record: dict[str, Any]) -> None:
    adapted = record.get("adapted", {})
    _check_table("adapted", adapted)
    _check_names("adapted", adapted, Adapted.__annotations__)
    steps = adapted.get("lr_fell_at", [])
    if not isinstance(steps, list):
        raise Damaged(f"its lr_fell_at is {_shown(steps)}, not a list")
    for step in steps:
        _check_whole("lr_fell_at", step, low=1)
    for name in {"stopped_at", "scored_at"} & adapted.keys():
        _check_whole(name, adapted[name], low=1)
    _check_line("reason", adapted.get("reason", ""))


def _check_origin(record: dict[str, Any]) -> None:
    _check_table("environment", record["environment"])
    _check_plain("environment", record["environment"])
    _check_command(record)


def _check_command(record: dict[str, Any]) -> None:
    """Check the command that made a file, and its date."""
    for name in ("command", "created"):
        if not isinstance(record[name], str):
            raise Damaged(f"its {name} is {_shown(record[name])}, not a text")
    try:
        datetime.fromisoformat(record["created"])
    except ValueError:
        raise Damaged(f"its created is {_shown(record['created'])}, not a date") from None


def _check_keys(value: Any, schema: Any, name: str = "") -> None:
    """Check that a value has all keys that are always required."""
    _check_table(name or "content", value)
    _check_lacking(value, schema.__required_keys__, name)


def _check_lacking(value: Mapping[str, Any], required: Collection[str], name: str) -> None:
    lacking = sorted(required - value.keys())
    if lacking:
        raise Damaged(f"{f'its {name}' if name else 'it'} lacks {', '.join(lacking)}")


def _check_names(what: str, names: Any, allowed: Any) -> None:
    for name in names:
        if name not in allowed:
            raise Damaged(f"its {what} has {_shown(name)}, which this version does not know")


def _check_table(what: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise Damaged(f"its {what} is {_shown(value)}, not a table")


def _check_texts(what: str, table: Any) -> None:
    _check_table(what, table)
    for value in table.values():
        _check_text(what, value)


def _check_text(what: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise Damaged(f"its {what} is {_shown(value)}, not a text")


def _check_number(what: str, value: Any, low: float = -LARGEST) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= (LARGEST if isinstance(value, float) else WHOLE):
        least = " of at least 0" if low == 0 else ""
        raise Damaged(f"its {what} is {_shown(value)}, not a finite number{least}")


def _check_whole(what: str, value: Any, low: int = 0) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= WHOLE:
        raise Damaged(f"its {what} is {_shown(value)}, not a whole number from {low} to {WHOLE}")


def _check_plain(what: str, value: dict[str, Any] | list[Any], depth: int = DEPTH) -> None:
    """Check that values are not nested too deeply, and that their numbers are finite."""
    if not depth:
        raise Damaged(f"its {what} is nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            _check_plain(what, inner, depth - 1)
        elif isinstance(inner, (int, float)) and not -LARGEST <= inner <= LARGEST:
            raise Damaged(f"its {what} holds {_shown(inner)}, not a finite number")


def _shown(value: Any) -> str:
    """Return a value's text for a message, shortened if it is long."""
    return reprlib.repr(value)
