"""Series can be told apart in every figure, whatever their number and values."""

import itertools

import pytest

from dis_bench.reports.figures.plots import MOST_LINES, draw_against_dial, draw_tradeoff
from dis_bench.reports.figures.series import SHOWN_SERIES, split_series
from dis_bench.reports.figures.setting import plan_figures
from dis_bench.reports.figures.theme import OTHERS, theme, to_pixels
from dis_bench.reports.headline import lead_score
from dis_bench.reports.report import build_report
from dis_bench.reports.tables import in_use
from tests.reports.made_up import write_study


@pytest.fixture
def split(tabulated):
    def make(records):
        [setting], [table], quantities = tabulated(records)
        return setting, table, quantities, split_series(setting, table, lead_score(quantities))

    return make


def look(handle):
    return handle.get_color(), handle.get_marker(), str(handle._dash_pattern)


@pytest.mark.parametrize(("paths", "points"), [(1, 0), (1, 7), (2, 1), (8, 0), (0, 12), (12, 12)])
def test_no_two_entries_of_a_legend_look_alike(split, study, paths, points):
    for number in range(paths):
        records = study(model=f"path{number}", betas=[1, 4], seeds=[0])
    for number in range(points):
        records = study(model=f"point{number}", betas=[None], seeds=[0])
    setting, table, quantities, series = split(records)
    with theme():
        figure = draw_tradeoff(setting, table, quantities)
    entries = [h for legend in figure.legends for h in legend.legend_handles]
    assert len({look(handle) for handle in entries}) == len(entries)
    coloured = [one for one in series if not one.is_grey]
    assert len(coloured) == min(SHOWN_SERIES, paths + points)
    pairs = itertools.combinations([one.colour for one in coloured], 2)
    assert all(one != two for one, two in pairs)
    if paths + points > SHOWN_SERIES:
        names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        assert names[-1] == f"{paths + points - SHOWN_SERIES} other series"


def test_the_caption_says_which_series_have_a_colour(study, tabulated):
    for number in range(10):
        records = study(model=f"path{number}", betas=[1, 4], seeds=[0])
    [setting], [table], quantities = tabulated(records)
    plans = plan_figures(setting, table, in_use(table, quantities), [])
    assert "8 of 10 series have a colour, best by mean MIG" in plans[0].caption
    assert "8 of 10 series have a colour, best by mean MIG" in plans[1].caption


def test_each_dial_has_a_figure_in_which_the_others_are_lines_across(split, study):
    for gamma in (5.0, 10.0, 20.0):
        study(model="factorvae", betas=[None], others={"gamma": gamma})
    setting, table, quantities, series = split(study(betas=[1, 4]))
    assert [one.name for one in series] == ["betavae (along β)", "factorvae (along gamma)"]
    for dial, levels in (("beta", [1, 4]), ("gamma", [5, 10, 20])):
        with theme():
            figure = draw_against_dial(setting, table, quantities, dial)
            to_pixels(figure)
        assert [float(label.get_text()) for label in figure.axes[0].get_xticklabels()] == levels
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert sum("(its best MIG)" in name for name in names) == 1


def test_models_of_a_dial_are_named_and_in_colour_in_its_figure(split, study):
    best = {(beta, 0): {"mig": 0.9} for beta in (1, 4)}
    for number in range(SHOWN_SERIES + 1):
        study(model=f"path{number}", betas=[1, 4], seeds=[0], values=best)
    for model in ("factorvae", "slowvae"):
        for gamma in (5.0, 9.0):
            records = study(model=model, betas=[None], others={"gamma": gamma}, seeds=[0])
    setting, table, quantities, series = split(records)
    assert {one.name: one.is_grey for one in series if "gamma" in one.name} == {
        "factorvae (along gamma)": True,
        "slowvae (along gamma)": True,
    }
    with theme():
        figure = draw_against_dial(setting, table, quantities, "gamma")
    handles = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert [*handles][:2] == ["factorvae (along gamma)", "slowvae (along gamma)"]
    assert len({handle.get_color() for handle in handles.values()} | {OTHERS}) == len(handles) + 1
    assert [handle.get_marker() for handle in handles.values()][2:] == [""] * MOST_LINES
    drawn = {container[0].get_color() for container in figure.axes[0].containers}
    assert drawn == {handle.get_color() for handle in [*handles.values()][:2]}


WORDS = ["strong", "$", "$\\frac{x$", "_hidden", "50 %", "<b>", "a" * 100, "", "4"]


@pytest.mark.parametrize("values", [WORDS, [True, False], [1, True, "True"]])
@pytest.mark.parametrize("name", ["beta", "norm"])
def test_values_that_are_no_numbers_draw_as_categories(tmp_path, name, values):
    for value in values:
        write_study(tmp_path, model="mine", betas=[None], others={name: value}, seeds=[0, 1], pictures=False)
    write_study(tmp_path, betas=[1, 4], seeds=[0, 1], pictures=False)
    report = build_report(tmp_path)
    assert len(report.settings[0].cells["label"].unique()) == 2 + len(values)
    assert sorted(len(cells) for _, cells in report.settings[0].cells.groupby("label")) == [2] * (
        2 + len(values)
    )
    assert {name.partition("-dsprites")[0] for name in report.files if name.startswith("plots/")} >= {
        "plots/tradeoff",
        "plots/against-beta",
        "plots/training",
    }


def test_a_number_is_a_level_and_a_word_beside_it_a_series(tmp_path):
    for beta in (1.0, 4.0, "auto"):
        write_study(tmp_path, model="mine", betas=[None], others={"beta": beta}, seeds=[0], pictures=False)
    report = build_report(tmp_path)
    assert report.settings[0].cells["label"].tolist() == ["mine, β = 1", "mine, β = 4", "mine, beta = auto"]
    assert (
        report.headlines[0][0]
        .sentences[0]
        .startswith("After 3,000 of the published 300,000 steps, raising β from 1 to 4")
    )
    assert "β = 1, 4; beta = auto" in report.summary
