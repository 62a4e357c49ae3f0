"""A plan as text: every cell if they are few, else a summary and both ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dis_bench.records.cell import Cell

# List a plan of up to FEW_CELLS in full; of a longer one, only END_CELLS at either end.
FEW_CELLS, END_CELLS = 40, 5


def describe_plan(plan: Sequence[tuple[Cell, str, str]], *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines that describe the cells of a plan.

    Args:
        plan: each cell with its state (``to do``, ``to score``, ``done``, ...) and a note to append to its
            line.
        verbose: list every cell, however many there are.
    """
    lines = [f"{state:8}  {cell.label}  steps={cell.steps}  {cell.hash}{note}" for cell, state, note in plan]
    if verbose or len(lines) <= FEW_CELLS:
        yield from lines
        return
    groups: dict[tuple[str, str], list[tuple[Cell, str]]] = {}
    for cell, state, _ in plan:
        groups.setdefault((cell.dataset, cell.model), []).append((cell, state))
    for group in groups.values():
        yield _summarise([cell for cell, _ in group], Counter(state for _, state in group))
    yield ""
    yield from lines[:END_CELLS]
    yield f"...       {len(lines) - 2 * END_CELLS:,} more; --verbose lists them"
    yield from lines[-END_CELLS:]


def _summarise(cells: list[Cell], counts: Counter[str]) -> str:
    """Return one line for the cells of one model on one dataset."""
    from dis_bench.records.cell import plain_name

    names = dict.fromkeys(name for cell in cells for name in cell.given)
    values = [(name, [cell.given.get(name) for cell in cells]) for name in names]
    values += [("steps", [cell.steps for cell in cells])]
    ranges = [f"{name}={_range(some)}" for name, some in values]
    seeds = len({cell.seed for cell in cells})
    told = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    name = [plain_name(cells[0].dataset), plain_name(cells[0].model)]
    images = [cells[0].images] if cells[0].images else []  # which all cells of a dataset share
    return f"{' '.join([*name, *ranges, *images])}  {seeds} seed{'' if seeds == 1 else 's'}: {told}"


def _range(values: list[Any]) -> str:
    """Return up to four distinct values in full, or smallest, largest and count."""
    from dis_bench.records.sorting import sort_key

    distinct = sorted({str(value): value for value in values}.values(), key=sort_key)
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in distinct]
    return ",".join(texts) if len(texts) <= 4 else f"{texts[0]}..{texts[-1]} ({len(texts)} values)"
