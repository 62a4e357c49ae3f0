"""The card of an exported model: Markdown, with metadata that model hubs read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dis_bench.escape import for_markdown
from dis_bench.records.cell import plain_name
from dis_bench.records.columns import KL_PER_LATENT, find_metric
from dis_bench.records.exported import LIBRARY
from dis_bench.records.record import FILE as RECORD
from dis_bench.records.schema import EXPORTED_WEIGHTS, Record
from dis_bench.reports.declared import Declared

TRAVERSAL = "traversal.png"


def write_card(record: Record, has_traversal: bool, lacking: str) -> str:
    """Return the card of a trained cell.

    Args:
        record: its record.
        has_traversal: whether a picture of its traversals is beside the card.
        lacking: a sentence that says why not.
    """
    cell = record["cell"]
    name = f"{plain_name(cell['model'])} on {plain_name(cell['dataset'])}, seed {cell['seed']}"
    parts = [
        _write_metadata(record, name),
        f"# {for_markdown(name)}",
        f"Trained with dis-bench for {_say_steps(record)}; `{EXPORTED_WEIGHTS}` holds its networks, and "
        f"`{RECORD}` all settings, scores and versions. Load it with:",
        '    import dis_bench\n\n    m = dis_bench.load("PATH_OF_THIS_FOLDER")',
        "A model, network or dataset that is not installed is given as `model=`, `network=`, `dataset=`.",
        "## Scores\n\n" + _write_scores(record),
        "## Reconstruction\n\n" + _write_table("quantity", _list_measures(record)),
        "## Settings\n\n" + _write_table("setting", _list_settings(cell)),
        "## Traversal\n\n" + (f"![Each latent varied alone]({TRAVERSAL})" if has_traversal else lacking),
        f"Command: `{for_code(record['command'])}`, {record['created']}.",
    ]
    return "\n\n".join(parts) + "\n"


def _say_steps(record: Record) -> str:
    """Return how many steps a cell took, and after which its weights are."""
    adapted = record.get("adapted", {})
    taken = adapted.get("stopped_at", record["cell"]["steps"])
    kept = adapted.get("scored_at", taken)
    return f"{taken:,} steps" if kept == taken else f"{taken:,} steps (its weights are those after {kept:,})"


def for_code(text: str) -> str:
    """Return a text for a code span, on one line and without backticks."""
    return "".join(c if c.isprintable() and c != "`" else " " for c in text)


def _write_metadata(record: Record, name: str) -> str:
    """Return the YAML header; JSON texts and numbers are YAML."""
    dataset = plain_name(record["cell"]["dataset"])
    lines = [
        "---",
        f"library_name: {LIBRARY}",
        "tags:",
        "- disentanglement",
        f"- {_quote(plain_name(record['cell']['model']))}",
    ]
    if record["scores"]:
        lines += [
            "model-index:",
            f"- name: {_quote(name)}",
            "  results:",
            "  - task:",
            "      type: disentanglement",
            "    dataset:",
            f"      name: {_quote(dataset)}",
            f"      type: {_quote(dataset)}",
            "    metrics:",
        ]
    for score, value in record["scores"].items():
        lines += [f"    - type: {_quote(score)}", f"      value: {value!r}"]
    return "\n".join([*lines, "---"])


def _quote(text: str) -> str:
    return json.dumps(text)


def _write_scores(record: Record) -> str:
    """Return a table of the scores, each with the protocol of its metric."""
    if not record["scores"]:
        return "None were computed."
    declared = Declared([record])
    said = {name: declared.of_score(name) or {"label": {}} for name in record["scores"]}
    labels = {name: one["label"].get(name, name) for name, one in said.items()}
    rows = []
    for name, value in record["scores"].items():
        metric = find_metric(name, record["protocol"]) or name
        protocol = ", ".join(f"{key} {used}" for key, used in record["protocol"].get(metric, {}).items())
        mark = " (from fewer rows than the protocol needs)" if name in record.get("small", []) else ""
        is_shared = [*labels.values()].count(labels[name]) > 1
        label = f"{labels[name]} ({name})" if is_shared else labels[name]
        rows.append((f"{label}{mark}", f"{value:.4f}", protocol))
    return _join(("score", "value", "protocol"), rows)


def _list_measures(record: Record) -> Iterator[tuple[str, str]]:
    for name, value in record["evaluation"].items():
        if name == KL_PER_LATENT:
            yield "kl of each latent, nats", ", ".join(f"{nats:.3f}" for nats in value)
        else:
            yield name, f"{value:.6g}"


def _list_settings(cell: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in cell.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}: {key}", str(one)) for key, one in value.items())
        else:
            yield name, str(value)


def _write_table(first: str, rows: Iterator[tuple[str, str]]) -> str:
    return _join((first, "value"), list(rows))


def _join(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = [tuple(for_markdown(text) for text in row) for row in rows]
    lines = [heads, ("---",) * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
