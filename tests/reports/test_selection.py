"""If there is too much to show, a stated rule chooses, and the rest is not read."""

import re

import numpy as np
import pytest

from dis_bench.records.table import read_results
from dis_bench.reports.figures import pictures
from dis_bench.reports.figures.along import MOST_CURVES
from dis_bench.reports.figures.pictures import find_pictures
from dis_bench.reports.figures.setting import MOST_CONFIGURATIONS
from dis_bench.reports.headline import lead_score
from dis_bench.reports.report import build_report
from dis_bench.reports.selection import choose_configurations, choose_settings, describe_choice, rank_series
from tests.reports.made_up import kl_per_latent, make_values, reseal, write_pictures, write_study


@pytest.fixture
def table(study, tabulated):
    """Return a table of twenty betas of one model and three of another.

    The best are beta 7 and beta 2.
    """
    mig = {(float(beta), 0): {"mig": 0.9 if beta == 7 else beta / 100} for beta in range(1, 21)}
    study(betas=range(1, 21), seeds=[0], values=mig)
    other = {(float(beta), 0): {"mig": 0.01 * (beta == 2)} for beta in (1, 2, 3)}
    _, [table], quantities = tabulated(study(model="other", betas=[1, 2, 3], seeds=[0], values=other))
    return table, lead_score(quantities)


def test_few_are_all_shown(table):
    rows, lead = table
    assert choose_configurations(rows, lead, 23) == rows["label"].tolist()
    assert describe_choice(23, rows, lead) == ""


@pytest.mark.parametrize("most", [6, 9, 22])
def test_the_best_of_each_model_and_the_ends_come_first(table, most):
    rows, lead = table
    chosen = choose_configurations(rows, lead, most)
    assert len(chosen) == len(set(chosen)) == most
    assert {f"betavae, β = {beta}" for beta in (1, 7, 20)} <= set(chosen)
    assert {f"other, β = {beta}" for beta in (1, 2, 3)} <= set(chosen)
    assert [label for label in rows["label"] if label in chosen] == chosen
    assert f"{most} of 23 configurations: the best of each model by mean MIG" in describe_choice(
        most, rows, lead
    )


def test_the_rest_is_spread_over_the_table(table):
    rows, lead = table
    chosen = choose_configurations(rows, lead, 12)
    places = [rows["label"].tolist().index(label) for label in chosen]
    assert np.diff(places).max() <= 4


def test_without_a_score_the_choice_is_spread(table):
    rows, _ = table
    assert len(choose_configurations(rows, None, 5)) == 5
    assert "spread evenly" in describe_choice(5, rows, None)


def test_the_best_series_of_each_model_outranks_the_rest(table):
    rows, lead = table
    better, worse, other = rows[rows["beta"] == 7], rows[rows["beta"] == 20], rows[rows["model"] == "other"]
    assert rank_series([worse, other, better[:1]], lead) == [2, 1, 0]


def test_settings_with_the_most_cells_have_figures(study, tabulated):
    for steps in range(100, 110):
        records = study(steps=steps, betas=[1], seeds=range(1 if steps in (103, 105) else 2))
    settings, _, _ = tabulated(records)
    assert choose_settings(settings) == {0, 1, 2, 4, 6, 7, 8, 9}


def test_only_what_is_shown_is_read_and_the_page_says_so(tmp_path, monkeypatch):
    write_study(tmp_path, betas=range(1, 31), seeds=range(12), pictures=False)
    for _, cell in read_results(tmp_path).iterrows():
        if cell["seed"] == 0:
            kl = kl_per_latent(make_values(cell["beta"], 0, 1.0, "betavae"))
            write_pictures(f"{cell['folder']}/pictures.npz", kl, 1, 0)
            reseal(cell["folder"])
        if cell["seed"] >= MOST_CURVES:
            with open(f"{cell['folder']}/training.csv", "w", encoding="utf-8") as file:
                file.write("broken")
    read = []
    monkeypatch.setattr(pictures, "find_pictures", lambda *given: read.append(given) or find_pictures(*given))
    report = build_report(tmp_path)
    assert len(read) == len([name for name in report.files if "traversals" in name]) == MOST_CONFIGURATIONS
    assert not [caveat for caveat in report.caveats if "cannot be read" in caveat or "missing" in caveat]
    page = report.files["index.html"].decode()
    assert f"Shown here and in the traversals are {MOST_CONFIGURATIONS} of 30 configurations" in page
    assert f"of {MOST_CONFIGURATIONS * MOST_CURVES} cells over" in page
    assert f"Only the first {MOST_CURVES} seeds" in page
    assert len(re.findall("<tr>", page.partition('class="values"')[2].partition("</table>")[0])) == 1 + 30
