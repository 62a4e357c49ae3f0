"""Curves along training have a line per seed and their mean, with the legend of their own dial."""

import numpy as np

from dis_bench.records.record import read_records
from dis_bench.reports.curves import Curve
from dis_bench.reports.figures.curves import draw_training
from dis_bench.reports.figures.theme import theme, to_pixels
from tests.reports.mixed import write_mixed


def test_training_draws_each_seed_and_the_mean(study, tabulated):
    [setting], [table], _ = tabulated(study(betas=[4], seeds=[0, 1]))
    step = np.array([1.0, 2.0])
    curves = {
        cell: Curve(step, {"reconstruction": np.array([600.0, 100.0 + 10 * i]), "kl": np.array([0.0, 1.0])})
        for i, cell in enumerate(setting.cells["hash"])
    }
    with theme():
        figure = draw_training(setting, table, curves)
        to_pixels(figure)
    last = [line.get_ydata()[-1] for line in figure.axes[0].lines]
    assert sorted(last) == [100, 105, 110]


def test_the_mean_ends_where_the_first_seed_ends(study, tabulated):
    [setting], [table], _ = tabulated(study(betas=[4], seeds=[0, 1]))
    long, short = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])
    values = {"kl": np.zeros(3)}
    first, second = setting.cells["hash"]
    curves = {
        first: Curve(long, {"reconstruction": np.array([600.0, 100.0, 80.0]), **values}),
        second: Curve(short, {"reconstruction": np.array([600.0, 120.0]), "kl": np.zeros(2)}),
    }
    with theme():
        figure = draw_training(setting, table, curves)
        to_pixels(figure)
    thick = max(figure.axes[0].lines, key=lambda line: line.get_linewidth())
    assert thick.get_xdata().tolist() == [1, 2]
    assert thick.get_ydata().tolist() == [600, 110]


def test_the_legend_of_levels_has_those_of_its_own_dial(tabulated, tmp_path):
    values = {"betavae": ("beta", [1.0, 4.0]), "factorvae": ("gamma", [40.0])}
    records, _ = read_records(write_mixed(tmp_path, values=values, seeds=1, pictures=False))
    [setting], [table], _ = tabulated(records)
    curve = Curve(np.array([1.0, 2.0]), {"reconstruction": np.array([600.0, 100.0])})
    with theme():
        figure = draw_training(setting, table, dict.fromkeys(setting.done["hash"], curve))
    [legend] = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert [name for name in names if name.startswith("β")] == ["β = 1", "β = 4"]
