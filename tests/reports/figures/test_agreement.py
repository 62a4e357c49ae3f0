"""Rank correlations are scipy's, and appear only if there is enough to correlate."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from dis_bench.reports.figures.agreement import (
    chance_correlation,
    correlate_ranks,
    draw_agreement,
    plan_agreement,
)
from dis_bench.reports.quantities import MINUS
from tests.reports.contrast import contrast


def test_correlations_are_spearmans_with_losses_turned_round(study, tabulated):
    [setting], _, quantities = tabulated(study())
    correlations = correlate_ranks(setting, quantities)
    cells = setting.done
    assert correlations.loc["MIG", "SAP"] == pytest.approx(spearmanr(cells["mig"], cells["sap"]).statistic)
    turned = -spearmanr(cells["mig"], cells["reconstruction"]).statistic
    assert correlations.loc["MIG", "reconstruction"] == pytest.approx(turned)
    assert correlations.to_numpy().diagonal() == pytest.approx(1.0)


def test_scores_of_one_label_each_have_a_row(study, tabulated):
    [setting], _, quantities = tabulated(study())
    alike = [dataclasses.replace(q, label="Mine") if q.name in ("mig", "sap") else q for q in quantities]
    correlations = correlate_ranks(setting, alike)
    assert [*correlations].count("Mine") == 2
    whole = correlate_ranks(setting, quantities)
    assert np.array_equal(correlations, whole)
    [figure] = plan_agreement(setting, alike)
    assert figure.caption == plan_agreement(setting, quantities)[0].caption
    assert len(draw_agreement(correlations).axes[0].texts) == len(whole) * (len(whole) - 1) / 2


def test_few_cells_have_none(study, tabulated):
    [setting], _, quantities = tabulated(study(seeds=[0]))
    assert correlate_ranks(setting, quantities).empty


def test_a_score_that_never_changes_is_left_out(study, tabulated):
    [setting], _, quantities = tabulated(study())
    setting.cells["sap"] = 0.5
    assert "SAP" not in correlate_ranks(setting, quantities)


def test_a_quantity_of_few_cells_is_left_out(study, tabulated):
    [setting], _, quantities = tabulated(study())
    setting.cells["kl"] = setting.cells["kl"].where(setting.cells.index < 4)
    assert list(correlate_ranks(setting, quantities))[:2] == ["reconstruction", quantities[5].label]


def test_scores_that_no_five_cells_share_have_no_figure(study, tabulated):
    [setting], _, quantities = tabulated(study(betas=[1, 4], seeds=range(5)))
    half = np.arange(len(setting.cells)) < 5
    known = [q for q in quantities if q.name in ("mig", "sap")]
    setting.cells["mig"] = setting.cells["mig"].where(half)
    setting.cells["sap"] = setting.cells["sap"].where(~half)
    assert correlate_ranks(setting, known).empty
    assert plan_agreement(setting, known) == []


# Two-sided 5 % points of the correlation coefficient, from published tables.
@pytest.mark.parametrize(("cells", "point"), [(5, 0.878), (10, 0.632), (30, 0.361)])
def test_chance(cells, point):
    assert chance_correlation(cells) == pytest.approx(point, abs=5e-4)


def test_each_pair_is_drawn_once(study, tabulated):
    [setting], _, quantities = tabulated(study())
    correlations = correlate_ranks(setting, quantities)
    drawn = [text.get_text() for text in draw_agreement(correlations).axes[0].texts]
    size = len(correlations)
    assert len(drawn) == size * (size - 1) / 2
    assert any(text.startswith(MINUS) for text in drawn)
    assert not any("-" in text for text in drawn)


@pytest.mark.parametrize("count", [3, 10, 20])
def test_numbers_stay_within_their_cells(count):
    names = [f"DCI informativeness {n}" for n in range(count)]
    figure = draw_agreement(pd.DataFrame(-0.15 * np.ones((count, count)), names, names))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / (count - 1)
    assert max(text.get_window_extent().width for text in axes.texts) < cell


def test_every_number_stands_out_from_its_cell():
    values, names = np.eye(7), list("abcdefg")
    values[np.tril_indices(7, -1)] = np.linspace(-1, 1, 21)
    [axes, *_] = draw_agreement(pd.DataFrame(values, names, names)).axes
    grounds = axes.collections[0].get_facecolors()[np.tri(6, dtype=bool).ravel()]
    assert len(axes.texts) == len(grounds) == 21
    contrasts = [contrast(text.get_color(), tuple(c)) for text, c in zip(axes.texts, grounds, strict=True)]
    assert min(contrasts) >= 4.5


def test_the_caption_counts_the_cells_that_have_both(study, tabulated):
    records = study(betas=[1, 4, 16])
    for record in records[:3]:
        del record["scores"]["mig"]
    [setting], _, quantities = tabulated(records)
    [plan] = plan_agreement(setting, quantities)
    assert "over the 6 to 9 cells that have both" in plan.caption
    assert f"With 6 cells, chance alone reaches ±{chance_correlation(6):.2f}" in plan.caption
