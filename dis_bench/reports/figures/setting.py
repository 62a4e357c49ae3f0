"""The figures of a setting, in the order of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dis_bench.reports.figures.agreement import plan_agreement
from dis_bench.reports.figures.along import plan_scores_along, plan_training
from dis_bench.reports.figures.pictures import find_shown, plan_reconstructions, plan_traversals
from dis_bench.reports.figures.plan import Plan
from dis_bench.reports.figures.scores import plan_against_dials, plan_tradeoff
from dis_bench.reports.headline import lead_score
from dis_bench.reports.published.reported import Reported
from dis_bench.reports.quantities import Quantity
from dis_bench.reports.selection import choose_configurations, describe_choice
from dis_bench.reports.settings import Setting

if TYPE_CHECKING:
    import pandas as pd


# A setting has pictures and curves of at most this many configurations; fewer if there are several settings.
MOST_CONFIGURATIONS = 12


def plan_figures(
    setting: Setting,
    table: pd.DataFrame,
    quantities: list[Quantity],
    problems: list[str],
    most: int = MOST_CONFIGURATIONS,
    reported: Sequence[Reported] = (),
) -> list[Plan]:
    """Plan the figures for which a setting has data, in the order of the page.

    Nothing is drawn yet.

    Args:
        setting: the setting to show.
        table: of the same setting, from :func:`dis_bench.reports.tables.summarise`.
        quantities: those for which the setting has values.
        problems: receives a sentence for each file that cannot be read.
        most: the largest number of configurations with pictures and curves; files of the others are not read.
        reported: published rows of the setting, for hollow marks against a dial.
    """
    lead = lead_score(quantities)
    labels = choose_configurations(table, lead, most)
    choice = describe_choice(len(labels), table, lead)
    shown = [] if setting.steps is None else find_shown(setting, labels, problems)
    return [
        *plan_tradeoff(setting, table, quantities),
        *plan_against_dials(setting, table, quantities, reported),
        *plan_agreement(setting, quantities),
        *plan_reconstructions(setting, shown, choice),
        *plan_traversals(setting, shown),
        *plan_scores_along(setting, table, quantities, labels, choice),
        *plan_training(setting, table, labels, choice, lead, problems),
    ]
