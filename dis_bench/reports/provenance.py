"""The origin of the numbers: commands, data, machines, versions, dates, protocols."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from dis_bench.records.cell import plain_name
from dis_bench.records.schema import Record
from dis_bench.reports.configurations import format_value
from dis_bench.reports.words import list_words

MOST_COMMANDS = 50
_NAMES = {"dis_bench": "dis-bench"}


@dataclass(frozen=True)
class Provenance:
    """The origin of a page's numbers.

    Attributes:
        commands: distinct commands in the order of their first record; a last line counts those left out.
        data: dataset, source, fingerprint and number of cells.
        environment: names and values of the records' environment; several values come with cell counts.
        protocols: each metric with its parameters; several lines if cells differ.
        created: the first and last date of the records, equal if there is only one.
    """

    commands: list[str]
    data: list[tuple[str, str, str, int]]
    environment: list[tuple[str, str]]
    protocols: list[tuple[str, str]]
    created: tuple[str, str]


def gather_provenance(records: list[Record]) -> Provenance:
    """Gather the origin of a set of records from the records themselves."""
    data = Counter(
        (plain_name(r["cell"]["dataset"]), str(r["cell"]["source"]), str(r["cell"]["fingerprint"]))
        for r in records
    )
    dates = sorted(str(record.get("created", "unknown")).replace("T", " ") for record in records)
    protocols = {
        (metric, _parameters(protocol)): None
        for record in records
        for metric, protocol in record.get("protocol", {}).items()
    }
    return Provenance(
        commands=_list_commands(records),
        data=[(*key, count) for key, count in sorted(data.items())],
        environment=_environment(records),
        protocols=sorted(protocols),
        created=(dates[0], dates[-1]),
    )


def _list_commands(records: list[Record]) -> list[str]:
    commands = list(dict.fromkeys(str(record.get("command") or "not recorded") for record in records))
    if len(commands) <= MOST_COMMANDS:
        return commands
    rest = f"(and {len(commands) - MOST_COMMANDS:,} more; each record.json has its own)"
    return [*commands[:MOST_COMMANDS], rest]


def _parameters(protocol: dict[str, Any]) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in protocol.items())


def _environment(records: list[Record]) -> list[tuple[str, str]]:
    names = dict.fromkeys(name for record in records for name in record.get("environment", {}))
    rows = []
    for name in names:
        values = Counter(_text(record.get("environment", {}).get(name, "unknown")) for record in records)
        text = next(iter(values)) if len(values) == 1 else list_counts(values)
        rows.append((_NAMES.get(name, name), text))
    return rows


def list_counts(values: Counter[str], most: int = 8) -> str:
    """List the commonest values with their numbers of cells, and count the others."""
    return list_words([f"{value} ({count} cells)" for value, count in values.most_common()], most=most)


def _text(value: Any) -> str:
    """Format a value; a dict is listed without those of its values that are lists."""
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    if not isinstance(value, dict) or not value:
        return "none" if value == {} else str(value)
    return ", ".join(
        f"{name} {format_value(each)}" for name, each in value.items() if not isinstance(each, list)
    )
