"""Check a record as a whole: its parts follow the schema, and belong to one cell."""

from __future__ import annotations

from typing import Any

from dis_bench.records.along import is_codes
from dis_bench.records.cell import hash_identity
from dis_bench.records.checks.cell import check_cell
from dis_bench.records.checks.declared import check_declared
from dis_bench.records.checks.origin import check_origin
from dis_bench.records.checks.scores import check_scored
from dis_bench.records.checks.values import (
    check_keys,
    check_lacking,
    check_line,
    check_list,
    check_names,
    check_number,
    check_plain,
    check_table,
    check_text,
    check_texts,
    check_whole,
    shown,
)
from dis_bench.records.checks.version import check_version
from dis_bench.records.columns import split_images
from dis_bench.records.schema import (
    EARLIER_WEIGHTS,
    ENCODER_FILES,
    EXPORTED_WEIGHTS,
    PARTS,
    Adapted,
    Damaged,
    Evaluation,
    Failure,
    Images,
    KeptFiles,
    KeptRecord,
    PerFactor,
    Rescored,
    ScoresAt,
    Timing,
)

# Files beside a record: a cell's, its weights by earlier versions, and those of an export.
_FILES = (*KeptFiles.__annotations__, EARLIER_WEIGHTS, EXPORTED_WEIGHTS)

# The setting of a cell without which a decision about its training cannot be in its record.
_DECIDED_BY = {"lr_fell_at": "lr_schedule", "stopped_at": "early_stop", "scored_at": "early_stop"}


def check_record(record: Any, folder: str) -> None:
    """Check that a record follows the schema and belongs to its folder's cell.

    Args:
        record: the value that was read from JSON, with a valid digest.
        folder: the name of the cell's folder.

    Raises:
        Damaged: the first fault found.
    """
    check_version(record, "record")
    check_keys(record, KeptRecord)
    check_cell(record["cell"])
    if not record["hash"] == hash_identity(record["cell"]):
        raise Damaged(f"its hash {shown(record['hash'])} is not that of its cell")
    if not folder.endswith(f"-{record['hash']}"):
        raise Damaged(f"it belongs to the cell {record['hash']}, but its folder's name does not end in that")
    _check_outcome(record)
    if record["beta_norm"] is not None:
        check_number("beta_norm", record["beta_norm"])
    if record.get("dial") is not None:
        check_text("dial", record["dial"])
    _check_evaluation(record)
    check_scored(record, record["cell"])
    _check_per_factor(record)
    _check_scores_at(record)
    _check_adapted(record)
    check_declared(record.get("declared", {}))
    _check_readout(record.get("readout", {}))
    check_table("left_out", record.get("left_out", {}))
    for metric, count in record.get("left_out", {}).items():
        check_whole(f"left_out of {shown(metric)}", count)
    check_table("sources", record.get("sources", {}))
    for kind, sources in record.get("sources", {}).items():
        check_texts(f"sources of {shown(kind)}", sources)
    if "images" in record:
        _check_images(record["images"])
    if "keep" in record:
        check_names("keep", check_list("keep", record["keep"]), PARTS)
    check_table("timing", record["timing"])
    check_names("timing", record["timing"], Timing.__optional_keys__)
    for name, seconds in record["timing"].items():
        check_number(name, seconds, low=0)
    check_origin(record)
    if "rescored" in record:
        check_keys(record["rescored"], Rescored, "rescored")
        check_origin(record["rescored"])
    _check_files(record)


def _check_outcome(record: dict[str, Any]) -> None:
    status, failure = record["status"], record["failure"]
    if status not in ("done", "failed"):
        raise Damaged(f"its status is {shown(status)}")
    if failure is not None:
        check_table("failure", failure)
        check_names("failure", failure, Failure.__annotations__)
        check_text("failure's reason", failure.get("reason"))
        check_text("failure's traceback", failure.get("traceback", "none"))
    if (failure is None) != (status == "done"):
        raise Damaged(f"its status is {status}, but its failure is {shown(failure)}")


def _check_evaluation(record: dict[str, Any]) -> None:
    evaluation = record["evaluation"]
    check_table("evaluation", evaluation)
    check_names("evaluation", {split_images(name)[0] for name in evaluation}, Evaluation.__annotations__)
    if record["status"] == "done" and "kind" not in record["cell"]:
        check_lacking(evaluation, {"active_latents"}, "evaluation")
    for name, value in evaluation.items():
        if name != "kl_per_latent":
            check_number(name, value)
        elif not isinstance(value, list) or len(value) != record["cell"]["latent_size"]:
            raise Damaged("its kl_per_latent is not a list of one number per latent")
        else:
            for nats in value:
                check_number(name, nats)


def _check_per_factor(record: dict[str, Any]) -> None:
    """Check that all parts of scores are about the same factors."""
    kept = record.get("per_factor", {})
    check_table("per_factor", kept)
    check_names("per_factor", kept, PerFactor.__annotations__)
    for name, parts in kept.items():
        check_table(f"per_factor {name}", parts)
        check_plain(f"per_factor {name}", parts)
    check_names("per_factor scores", kept.get("scores", {}), record["scores"])
    check_names("per_factor importances", kept.get("importances", {}), record["protocol"])
    rows = list(kept.get("scores", {}).values())
    for metric, codes in kept.get("importances", {}).items():
        if not isinstance(codes, list) or len(codes) != record["cell"]["latent_size"]:
            raise Damaged(f"its importances of {shown(metric)} are not a list of one row per latent")
        rows += codes
    if any(not isinstance(row, list) or len(row) != len(rows[0]) or not row for row in rows):
        raise Damaged("its per_factor holds lists of different lengths")
    for row in rows:
        for value in row:
            check_number("per_factor", value)


def _check_readout(readout: Any) -> None:
    check_table("readout", readout)
    for factor, accuracies in readout.items():
        check_line("name of a factor", factor)
        if len(check_list(f"readout of {shown(factor)}", accuracies)) != 2:
            raise Damaged(f"its readout of {shown(factor)} is not a list of two accuracies")
        for accuracy in accuracies:
            check_number("readout", accuracy, low=0)


def _check_scores_at(record: dict[str, Any]) -> None:
    scores_at, cell = record.get("scores_at", {}), record["cell"]
    check_table("scores_at", scores_at)
    check_names("scores_at", scores_at, [str(step) for step in cell.get("score_at", [])])
    for step, scored in scores_at.items():
        check_keys(scored, ScoresAt, f"scores at step {step}")
        check_scored(scored, cell)


def _check_adapted(record: dict[str, Any]) -> None:
    adapted = record.get("adapted", {})
    check_table("adapted", adapted)
    check_names("adapted", adapted, Adapted.__annotations__)
    for name, option in _DECIDED_BY.items():
        if name in adapted and option not in record["cell"]:
            raise Damaged(f"its {name} is that of a cell with {option}, which it has not")
    steps = adapted.get("lr_fell_at", [])
    if not isinstance(steps, list):
        raise Damaged(f"its lr_fell_at is {shown(steps)}, not a list")
    for step in steps:
        check_whole("lr_fell_at", step, low=1)
    for name in {"stopped_at", "scored_at"} & adapted.keys():
        check_whole(name, adapted[name], low=1)
    check_line("reason", adapted.get("reason", ""))


def _check_files(record: dict[str, Any]) -> None:
    """Check the names of files, which readers follow: none may lead out of the folder."""
    check_texts("files", record["files"])
    further = [name for name in record["files"] if not is_codes(name)]
    check_names("files", further, _FILES)
    if "kind" in record["cell"] and not {*further} <= {*ENCODER_FILES}:  # readers of a log look for its steps
        raise Damaged(f"its files are {shown(further)}, but an encoder trained elsewhere has only codes")


def _check_images(images: Any) -> None:
    check_keys(images, Images, "images")
    shape = check_list("shape", images["shape"])
    if len(shape) != 3:
        raise Damaged(f"its shape is {shown(shape)}, not channels, height and width")
    for size in shape:
        check_whole("shape", size, low=1)
    check_number("pixel_max", images["pixel_max"], low=0)
