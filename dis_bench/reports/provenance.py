"""Where the numbers come from: commands, data, machines, versions, dates and protocols, each told once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from dis_bench.reports.settings import Record, format_value, plain_name

MOST_COMMANDS = 50
_NAMES = {"dis_bench": "dis-bench"}


@dataclass(frozen=True)
class Provenance:
    """What the page says about the origin of its numbers.

    Attributes:
        commands: distinct, in order of their first record; where they are many, a last line counts the rest.
        data: dataset, source, fingerprint and number of cells.
        environment: name and value of what made the records; several values come with cell counts.
        protocols: metric and its parameters; more than one line where cells differ.
        created: first and last date of the records, alike where there is one.
    """

    commands: list[str]
    data: list[tuple[str, str, str, int]]
    environment: list[tuple[str, str]]
    protocols: list[tuple[str, str]]
    created: tuple[str, str]


def gather_provenance(records: list[Record]) -> Provenance:
    """Read the origin of a set of records from themselves."""
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
    """List the commonest values with their numbers of cells, and how many other values there are."""
    listed = [f"{value} ({count} cells)" for value, count in values.most_common(most)]
    return ", ".join([*listed, *([f"and {len(values) - most} others"] if len(values) > most else [])])


def _text(value: Any) -> str:
    """A value as it stands; a table of values without its lists, which are for those who read records."""
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    if not isinstance(value, dict) or not value:
        return "none" if value == {} else str(value)
    return ", ".join(
        f"{name} {format_value(each)}" for name, each in value.items() if not isinstance(each, list)
    )
