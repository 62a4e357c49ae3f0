"""Choice of the cells that a page plays with and examines, the most interesting first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dis_bench.reports.headline import lead_score
from dis_bench.reports.ordering import find_best
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.selection import choose_configurations, choose_settings
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

# A page plays with one cell of each configuration, of all settings together, if they are not more than these.
MOST_CELLS = 36
# Of more configurations it plays with this many, or one of each model, as each costs a tenth of a second. Of
# fewer it plays with further seeds until it has as many.
FEW_CELLS = 12


class Chosen(NamedTuple):
    """A cell to play with: the number of its setting, and its row of ``Setting.cells``."""

    setting: int
    cell: pd.Series


def choose_cells(
    settings: list[Setting],
    tables: list[pd.DataFrame],
    used: list[list[Quantity]],
    most: int | None = None,
) -> list[Chosen]:
    """Choose the cells to play with.

    Args:
        settings: all settings.
        tables: of the same settings, from :func:`dis_bench.reports.tables.summarise`.
        used: likewise, the quantities that they have.
        most: the largest number of cells; None decides as :func:`find_most`.

    Returns:
        Finished cells. First those of the setting with most finished cells: the best configuration by the
        leading score, the other end of its dial, then the others in the order of the table. Of each
        configuration the lowest seed comes first; further seeds follow all of those.
    """
    most = find_most(settings, tables) if most is None else most
    numbers = _list_trained(settings)
    share = max(2, most // max(1, len(numbers)))
    ranked = [
        (seed, number, cell)
        for number in numbers
        for seed, cell in _rank(settings[number], tables[number], lead_score(used[number]), share)
    ]
    ranked.sort(key=lambda each: each[0])  # stable: by setting and configuration within a seed
    return [Chosen(number, cell) for _, number, cell in ranked[:most]]


def find_most(settings: list[Setting], tables: list[pd.DataFrame]) -> int:
    """Return the number of cells that a page plays with if no other is asked for."""
    finished = [tables[number][tables[number]["n"] > 0] for number in _list_trained(settings)]
    count = sum(map(len, finished))
    if count > MOST_CELLS:
        count = sum(table["model_name"].nunique() for table in finished)
    return min(MOST_CELLS, max(FEW_CELLS, count))


def describe_chosen(chosen: list[Chosen], tables: list[pd.DataFrame]) -> str:
    """Return a sentence on the configurations that were chosen; empty if all were."""
    count = len({(one.setting, one.cell["label"]) for one in chosen})
    total = sum(int((table["n"] > 0).sum()) for table in tables)
    if not 0 < count < total:
        return ""
    return (
        f"{count} of {total:,} configurations can be played with: the best by the leading score, the other "
        "end of its dial, the best of each model, the ends of its series, and some spread over the rest. "
        "`dis-bench report --play N` takes N cells."
    )


def _list_trained(settings: list[Setting]) -> list[int]:
    """List the numbers of settings with figures that were trained here, largest first."""
    numbers = sorted(choose_settings(settings), key=lambda number: -len(settings[number].done))
    return [number for number in numbers if settings[number].steps is not None]


def _rank(
    setting: Setting, table: pd.DataFrame, lead: Quantity | None, most: int
) -> Iterator[tuple[int, pd.Series]]:
    """Yield cells of the chosen configurations, each with the place of its seed."""
    labels = choose_configurations(table, lead, most)
    done = setting.done
    for label in [*dict.fromkeys([*_find_ends(table, lead), *labels])][:most]:
        cells = done[done["label"] == label].sort_values("seed").head(most)
        yield from ((place, cell) for place, (_, cell) in enumerate(cells.iterrows()))


def _find_ends(table: pd.DataFrame, lead: Quantity | None) -> list[str]:
    """Return the best configuration, and the farther end of its series."""
    finished = table[table["n"] > 0].reset_index(drop=True)
    if lead is None or finished.empty:
        return []
    best = find_best(finished, lead)[0]
    if best is None:
        return []
    series = finished[finished["series"] == finished.loc[best, "series"]]
    place = series.index.get_loc(best)
    end = series.index[0] if place > len(series) - 1 - place else series.index[-1]
    return [str(finished.loc[row, "label"]) for row in (best, end)]
