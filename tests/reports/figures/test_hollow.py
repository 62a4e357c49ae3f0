"""Published figures are hollow marks, where they belong and nowhere else."""

import pytest
from matplotlib.colors import to_hex

from dis_bench.records.record import read_records
from dis_bench.reports.figures.plots import draw_against_dial
from dis_bench.reports.figures.published import draw_published, plan_published
from dis_bench.reports.figures.theme import theme
from dis_bench.reports.published.reported import find_reported
from dis_bench.reports.published.source import read_source
from dis_bench.reports.tables import in_use
from tests.reports.mixed import write_mixed


@pytest.fixture
def shown(tmp_path, tabulated):
    """Return a function from sources to the parts of a mixed setting and its published rows."""
    records = read_records(write_mixed(tmp_path, pictures=False))[0]
    [setting], [table], quantities = tabulated(records)
    used = in_use(table, quantities)

    def show(*sources):
        return setting, table, used, find_reported(setting, map(read_source, sources), used)

    return show


def find_hollow(panel):
    """Return the places of all hollow marks, and the names of their colours."""
    lines = [one for one in panel.lines if one.get_marker() not in ("None", None, "_", "|")]
    hollow = [one for one in lines if to_hex(one.get_markerfacecolor()) == "#ffffff"]
    return [(float(one.get_xdata()[0]), float(one.get_ydata()[0])) for one in hollow]


def titled(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").split() == title.split())


def test_a_known_value_of_a_dial_has_its_place_on_the_axis(shown):
    setting, table, used, reported = shown("infogancr2020")
    with theme():
        figure = draw_against_dial(setting, table, used, "gamma", reported)
    places = find_hollow(titled(figure, "MIG ↑"))
    assert [y for _, y in places] == [0.27, 0.4, 0.4, 0.43]
    assert [10**x for x, _ in places] == pytest.approx([1, 10, 20, 40])
    assert find_hollow(titled(figure, "SAP ↑")) == []
    assert figure.legends[0].texts[0].get_text() == "published: infogancr2020"


def test_figures_without_a_known_value_are_not_along_the_dial(shown):
    setting, table, used, reported = shown("cfasl2024", "infogancr2020")
    with theme():
        figure = draw_against_dial(setting, table, used, "beta", reported)
    assert not any(find_hollow(panel) for panel in figure.axes)
    assert not [text for text in figure.legends[0].texts if "published" in text.get_text()]


def test_values_beyond_the_measured_ones_are_left_to_the_other_figure(tmp_path, tabulated):
    records = read_records(write_mixed(tmp_path, values={"factorvae": ("gamma", [5.0, 15.0])}, pca=False))[0]
    [setting], [table], quantities = tabulated(records)
    used = in_use(table, quantities)
    reported = find_reported(setting, [read_source("infogancr2020")], used)
    with theme():
        figure = draw_against_dial(setting, table, used, "gamma", reported)
    assert find_hollow(titled(figure, "MIG ↑")) == [(10.0, 0.4)]


def test_a_panel_has_the_measured_means_and_every_published_figure(shown):
    _, table, used, reported = shown("cfasl2024", "infogancr2020", "higgins2017")
    scores = [q for q in used if q.name in ("betavae_score", "mig")]
    with theme():
        figure = draw_published(table, scores, reported)
    panel = titled(figure, "MIG ↑")
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names[:3] == ["betavae", "factorvae", "pca"]  # those that were measured, first
    assert {"controlvae", "CFASL", "infogan_cr"} <= set(names)
    published = [row.row.figures["mig"].value for row in reported if "mig" in row.row.figures]
    assert sorted(x for x, _ in find_hollow(panel)) == sorted(published)
    filled = [one for one in panel.lines if one.get_marker() == "o"]
    assert sorted(float(one.get_xdata()[0]) for one in filled) == pytest.approx(sorted(table["mig_mean"]))
    assert {y for _, y in find_hollow(panel)}.isdisjoint(float(one.get_ydata()[0]) for one in filled)


def test_the_plan_says_that_they_take_part_in_nothing(shown):
    setting, table, used, reported = shown("cfasl2024")
    [plan] = plan_published(setting, table, used, reported)
    assert plan.kind == "published"
    assert "They take part in no mean, no order and no answer." in plan.caption
    assert "β-VAE [cfasl2024]: 0.832 ± 0.071" in plan.alt
    assert plan_published(setting, table, used, []) == []
